// SPDX-License-Identifier: GPL-2.0-only
/* What the verifier must refuse: programs that write the bus. One that reads it stands beside them. */
#include <prism/bus.bpf.h>

char _license[] SEC("license") = "GPL";

SEC("raw_tp")
int updates(void *ctx)
{
	struct prism_identity forged = {.identity = PRISM_ID_HOST};
	__u64 id = bpf_get_current_cgroup_id();

	bpf_map_update_elem(&prism_identity, &id, &forged, BPF_ANY);
	return 0;
}

SEC("raw_tp")
int deletes(void *ctx)
{
	__u64 id = bpf_get_current_cgroup_id();

	bpf_map_delete_elem(&prism_identity, &id);
	return 0;
}

SEC("raw_tp")
int stores(void *ctx)
{
	__u64 id = bpf_get_current_cgroup_id();
	struct prism_identity *entry = bpf_map_lookup_elem(&prism_identity, &id);

	if (entry)
		entry->identity = PRISM_ID_HOST;
	return 0;
}

SEC("raw_tp")
int stores_meta(void *ctx)
{
	__u32 zero = 0;
	struct prism_meta *meta = bpf_map_lookup_elem(&prism_meta, &zero);

	if (meta)
		meta->generation++;
	return 0;
}

SEC("raw_tp")
int reads(void *ctx)
{
	__u64 id = bpf_get_current_cgroup_id();
	struct prism_identity *entry = bpf_map_lookup_elem(&prism_identity, &id);

	return entry && entry->identity == PRISM_ID_HOST;
}
