// SPDX-License-Identifier: Apache-2.0
#include "leg.h"

#include <bpf/btf.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sched.skel.h"
#include "topology.h"

#define OPS_MAP "sched_ops"
#define OPS_NAME "prism"

struct leg {
	struct prism_host *host;
	struct sched_bpf *skel;
	struct prism_leg *leg;
	uint32_t cpus; /* that there may be */
	struct rows rows;
	struct ring_buffer *events;
	struct prism_watch *watch;
	void (*ended)(void *arg);
	void *arg;
};

/* ---- what runs --------------------------------------------------------------------------------------------------- */

static int read_exit(int fd, struct sched_exit *ret_exit)
{
	struct sched_exit record;
	uint32_t zero = 0;
	int r = bpf_map_lookup_elem(fd, &zero, &record);

	if (r < 0)
		return r;
	record.reason[sizeof(record.reason) - 1] = '\0';
	record.message[sizeof(record.message) - 1] = '\0';
	*ret_exit = record;
	return 0;
}

static int read_about(int fd, struct sched_about *ret_about)
{
	uint32_t zero = 0;

	return bpf_map_lookup_elem(fd, &zero, ret_about);
}

/* The record that the pinned object left; false if it has left none that this build can read. */
static bool pinned_runs(struct prism_host *host)
{
	struct sched_exit record;
	int r = prism_leg_read_map(host, "sched_exit", &record, sizeof(record));

	/* Of another shape: what it says cannot be told; the name and the link have to do. */
	return r == -EINVAL || (r == 0 && record.kind == 0);
}

bool leg_is_ours(struct prism_host *host, const struct kernel_sched *kernel)
{
	struct prism_leg_link link;

	return kernel->state == KERNEL_SCHED_ENABLED && !strcmp(kernel->ops, OPS_NAME) &&
	       prism_leg_pinned(host, OPS_MAP, &link) == 1 && link.map_id && pinned_runs(host);
}

/* ---- up and down ------------------------------------------------------------------------------------------------- */

/* The kernel's enum scx_ops_flags: its value of that name, 0 if it has none. */
static uint64_t ops_flag(const struct btf *btf, const char *name)
{
	int id = btf__find_by_name(btf, "scx_ops_flags");
	const struct btf_type *t = id < 0 ? NULL : btf__type_by_id(btf, (uint32_t)id);

	for (uint16_t i = 0; t && i < btf_vlen(t); i++) {
		if (btf_is_enum64(t) && !strcmp(btf__name_by_offset(btf, btf_enum64(t)[i].name_off), name))
			return btf_enum64_value(&btf_enum64(t)[i]);
		if (btf_is_enum(t) && !strcmp(btf__name_by_offset(btf, btf_enum(t)[i].name_off), name))
			return (uint32_t)btf_enum(t)[i].val;
	}
	return 0;
}

/* What this kernel has of them; looking them up means reading all of its types, which takes a while. */
struct known_flags {
	bool known;
	uint64_t partial;
	uint64_t migration_disabled;
	uint64_t cgroup_weight;
};

static int read_flags(struct prism_host *host, struct known_flags *flags)
{
	struct btf *btf = btf__load_vmlinux_btf();

	if (!btf)
		return prism_fail(host, errno, "sched: reading the kernel's BTF", "%s", strerror(errno));
	*flags = (struct known_flags){
		.known = true,
		.partial = ops_flag(btf, "SCX_OPS_SWITCH_PARTIAL"),
		.migration_disabled = ops_flag(btf, "SCX_OPS_ENQ_MIGRATION_DISABLED"),
		.cgroup_weight = ops_flag(btf, "SCX_OPS_HAS_CGROUP_WEIGHT"),
	};
	btf__free(btf);
	return 0;
}

/* HAS_CGROUP_WEIGHT silences a warning of 6.12 and causes one in those kernels that know the other flag. */
static int set_flags(struct prism_host *host, struct sched_bpf *skel, bool partial)
{
	static struct known_flags flags;
	int r = flags.known ? 0 : read_flags(host, &flags);

	if (r < 0)
		return r;
	skel->struct_ops.sched_ops->flags |= flags.migration_disabled ? flags.migration_disabled : flags.cgroup_weight;
	if (partial)
		skel->struct_ops.sched_ops->flags |= flags.partial;
	return 0;
}

static void size_maps(struct sched_bpf *skel, const struct sched_settings *settings)
{
	bpf_map__set_max_entries(skel->maps.sched_rows, settings->max_identities + 1); /* row 0 is nobody's */
	bpf_map__set_max_entries(skel->maps.sched_row_index, settings->max_identities);
	bpf_map__set_max_entries(skel->maps.sched_free_rows, settings->max_identities);
}

/* As the kernel tells them now. */
static void learn_caches(struct leg *leg)
{
	leg->skel->rodata->sched_llcs =
		topology_llcs(TOPOLOGY_DIR, leg->cpus, SCHED_LLCS_MAX, leg->skel->rodata->sched_llc_of);
}

/* As the pinned object was loaded with them: they are part of the build, and CPUs may have come or gone since. */
static void recall_caches(struct leg *leg)
{
	struct sched_about about;

	if (prism_leg_read_map(leg->host, "sched_about", &about, sizeof(about)) < 0)
		return;
	leg->skel->rodata->sched_llcs = about.llcs;
	memcpy(leg->skel->rodata->sched_llc_of, about.llc_of, sizeof(about.llc_of));
}

/* What makes the build but for the caches, before it is adopted or loaded. NULL skeleton: the SDK says why. */
static int prepare(struct leg *leg, const struct sched_settings *settings, const struct kernel_sched *kernel)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts);
	struct prism_host *host = leg->host;
	int cpus = libbpf_num_possible_cpus();

	if (cpus < 0)
		return prism_fail(host, -cpus, "sched: counting CPUs", "%s", strerror(-cpus));
	if (cpus > SCHED_CPUS_MAX)
		return prism_unsupported(host, "sched: CPUs",
					 "this machine may have %d CPUs, the scheduler is made for up to %d", cpus,
					 SCHED_CPUS_MAX);
	leg->skel = sched_bpf__open_opts(prism_leg_open_opts(host, &opts));
	if (!leg->skel)
		return prism_leg_load(host, NULL, &leg->leg);
	leg->cpus = (uint32_t)cpus;
	size_maps(leg->skel, settings);
	leg->skel->struct_ops.sched_ops->hotplug_seq = kernel->hotplug_seq;
	return set_flags(host, leg->skel, settings->partial);
}

static int adopt_or_load(struct leg *leg, bool *adopt)
{
	struct prism_host *host = leg->host;
	int r = 0;

	if (*adopt) {
		recall_caches(leg);
		r = prism_leg_adopt(host, leg->skel->skeleton, leg->skel->maps.sched_ops, &leg->leg);
	}
	*adopt = r > 0;
	if (r == 0) {
		learn_caches(leg);
		r = prism_leg_load(host, leg->skel->skeleton, &leg->leg);
	}
	return r < 0 ? r : 0;
}

static int on_event(void *arg, void *record, size_t size)
{
	(void)arg;
	(void)record;
	(void)size;
	return 0;
}

static int open_maps(struct leg *leg)
{
	leg->rows = (struct rows){
		.host = leg->host,
		.rows_fd = bpf_map__fd(leg->skel->maps.sched_rows),
		.index_fd = bpf_map__fd(leg->skel->maps.sched_row_index),
		.free_fd = bpf_map__fd(leg->skel->maps.sched_free_rows),
		.stats_fd = bpf_map__fd(leg->skel->maps.sched_stats),
	};
	leg->events = ring_buffer__new(bpf_map__fd(leg->skel->maps.sched_events), on_event, leg, NULL);
	return leg->events ? 0 : prism_fail(leg->host, errno, "sched: opening the ring", "%s", strerror(errno));
}

int leg_open(struct prism_host *host, const struct sched_settings *settings, const struct kernel_sched *kernel,
	     bool *adopt, struct leg **ret_leg)
{
	struct leg *leg = calloc(1, sizeof(*leg));
	int r;

	if (!leg)
		return prism_fail(host, ENOMEM, "sched: load", "no memory");
	leg->host = host;
	r = prepare(leg, settings, kernel);
	if (r == 0)
		r = adopt_or_load(leg, adopt);
	if (r == 0)
		r = open_maps(leg);
	if (r == 0)
		r = leg_configure(leg, &settings->config);
	if (r < 0) {
		leg_free(leg, PRISM_STOP_SHUTDOWN);
		return r;
	}
	*ret_leg = leg;
	return 0;
}

int leg_configure(struct leg *leg, const struct sched_config *config)
{
	uint32_t zero = 0;
	int r = bpf_map_update_elem(bpf_map__fd(leg->skel->maps.sched_config), &zero, config, BPF_ANY);

	if (r < 0)
		return prism_fail(leg->host, -r, "sched: writing its configuration", "%s", strerror(-r));
	return 0;
}

/* Whoever attaches has read what the one before left in the record. */
static int clear_exit(struct leg *leg)
{
	static const struct sched_exit none;
	uint32_t zero = 0;
	int r = bpf_map_update_elem(bpf_map__fd(leg->skel->maps.sched_exit), &zero, &none, BPF_ANY);

	if (r < 0)
		return prism_fail(leg->host, -r, "sched: clearing its exit record", "%s", strerror(-r));
	return 0;
}

/* For recall_caches(). */
static int note_caches(struct leg *leg)
{
	int r, fd = bpf_map__fd(leg->skel->maps.sched_about);
	struct sched_about about;
	uint32_t zero = 0;

	r = read_about(fd, &about);
	if (r == 0) {
		about.llcs = leg->skel->rodata->sched_llcs;
		memcpy(about.llc_of, leg->skel->rodata->sched_llc_of, sizeof(about.llc_of));
		r = bpf_map_update_elem(fd, &zero, &about, BPF_ANY);
	}
	return r < 0 ? prism_fail(leg->host, -r, "sched: noting the caches", "%s", strerror(-r)) : 0;
}

int leg_attach(struct leg *leg)
{
	int r = clear_exit(leg);

	if (r == 0)
		r = note_caches(leg);
	return r < 0 ? r : prism_leg_attach_struct_ops(leg->leg, leg->skel->maps.sched_ops);
}

int leg_detach(struct leg *leg)
{
	return prism_leg_detach(leg->leg, OPS_MAP);
}

static void on_readable(void *arg, int fd, uint32_t events)
{
	struct leg *leg = arg;

	(void)fd;
	(void)events;
	/* What a record says stands in the map too, with the reason. */
	if (ring_buffer__consume(leg->events) > 0)
		leg->ended(leg->arg);
}

int leg_watch(struct leg *leg, void (*fn)(void *arg), void *arg)
{
	int r;

	leg->ended = fn;
	leg->arg = arg;
	r = prism_watch_start(leg->host, ring_buffer__epoll_fd(leg->events), PRISM_READABLE, on_readable, leg,
			      &leg->watch);
	if (r < 0)
		return prism_fail(leg->host, -r, "sched: watching the ring", "%s", strerror(-r));
	return 0;
}

int leg_read_exit(const struct leg *leg, struct sched_exit *ret_exit)
{
	return read_exit(bpf_map__fd(leg->skel->maps.sched_exit), ret_exit);
}

uint64_t leg_told(const struct leg *leg)
{
	struct sched_about about;

	return read_about(bpf_map__fd(leg->skel->maps.sched_about), &about) == 0 ? about.told_ns : 0;
}

void leg_note_told(struct leg *leg, uint64_t ktime_ns)
{
	int fd = bpf_map__fd(leg->skel->maps.sched_about);
	struct sched_about about;
	uint32_t zero = 0;

	if (read_about(fd, &about) < 0)
		return;
	about.told_ns = ktime_ns;
	bpf_map_update_elem(fd, &zero, &about, BPF_ANY);
}

const struct rows *leg_rows(const struct leg *leg)
{
	return &leg->rows;
}

void leg_free(struct leg *leg, enum prism_stop why)
{
	if (!leg)
		return;
	prism_watch_stop(leg->host, leg->watch);
	ring_buffer__free(leg->events);
	prism_leg_close(leg->leg, why);
	sched_bpf__destroy(leg->skel);
	free(leg);
}
