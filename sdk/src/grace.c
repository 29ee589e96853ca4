// SPDX-License-Identifier: Apache-2.0
#include <bpf/bpf.h>
#include <errno.h>
#include <stdint.h>
#include <unistd.h>

#include <prism/grace.h>

int prism_grace_init(struct prism_grace *ret_grace)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts);
	int inner_fd, outer_fd;

	inner_fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "prism_grace_in", sizeof(uint32_t), sizeof(uint32_t), 1, NULL);
	if (inner_fd < 0)
		return -errno;
	opts.inner_map_fd = (uint32_t)inner_fd;
	outer_fd =
		bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "prism_grace", sizeof(uint32_t), sizeof(uint32_t), 1, &opts);
	if (outer_fd < 0) {
		outer_fd = -errno;
		close(inner_fd);
		return outer_fd;
	}
	*ret_grace = (struct prism_grace){.outer_fd = outer_fd, .inner_fd = inner_fd};
	return 0;
}

void prism_grace_done(struct prism_grace *grace)
{
	close(grace->inner_fd);
	close(grace->outer_fd);
}

int prism_grace_wait(const struct prism_grace *grace)
{
	uint32_t zero = 0;

	return bpf_map_update_elem(grace->outer_fd, &zero, &grace->inner_fd, BPF_ANY);
}
