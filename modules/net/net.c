// SPDX-License-Identifier: Apache-2.0
/*
 * net: packets and bytes of each identity. The kernel side counts into pinned rows (net.bpf.c); this side loads it,
 * makes and removes the rows as identities come and go, and reads them out.
 */
#include <prism/leg.h>
#include <prism/module.h>
#include <prism/rows.h>

#include <inttypes.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>

#include "net.skel.h"
#include "row.h"

#define RESERVED_ROWS 256u /* numbers below PRISM_ID_FIRST: unmanaged, unknown and the like never lack a row */

enum {
	OPTION_MAX_IDENTITIES,
	OPTION_LOOPBACK,
};

static const struct prism_option options[] = {
	[OPTION_MAX_IDENTITIES] = {.name = "max_identities",
				   .kind = PRISM_OPTION_INT,
				   .min = 1,
				   .max = 1 << 20,
				   .fallback = "16384",
				   .help = "Workload identities that can have counters at the same time."},
	[OPTION_LOOPBACK] = {.name = "loopback",
			     .kind = PRISM_OPTION_BOOL,
			     .fallback = "true",
			     .help = "Count packets of the loopback interface too."},
};

enum {
	METRIC_PACKETS,
	METRIC_BYTES,
	METRIC_OVERFLOW,
	METRIC_OVERFLOW_BYTES,
	METRIC_ROWS,
};

static const char *const traffic_labels[] = {"direction", "family", NULL};

static const struct prism_metric metrics[] = {
	[METRIC_PACKETS] = {.name = "prism_net_packets_total",
			    .kind = PRISM_METRIC_COUNTER,
			    .flags = PRISM_METRIC_BY_IDENTITY,
			    .help = "IP packets of the workload's sockets.",
			    .labels = traffic_labels},
	[METRIC_BYTES] = {.name = "prism_net_bytes_total",
			  .kind = PRISM_METRIC_COUNTER,
			  .flags = PRISM_METRIC_BY_IDENTITY,
			  .unit = "bytes",
			  .help = "Bytes of these packets, from the IP header on.",
			  .labels = traffic_labels},
	[METRIC_OVERFLOW] = {.name = "prism_net_overflow_total",
			     .kind = PRISM_METRIC_COUNTER,
			     .help = "Packets counted under no identity because there was no room for its counters.",
			     .labels = traffic_labels},
	[METRIC_OVERFLOW_BYTES] = {.name = "prism_net_overflow_bytes_total",
				   .kind = PRISM_METRIC_COUNTER,
				   .unit = "bytes",
				   .help = "Bytes of these packets.",
				   .labels = traffic_labels},
	[METRIC_ROWS] = {.name = "prism_net_identities",
			 .kind = PRISM_METRIC_GAUGE,
			 .help = "Identities, reserved ones included, that have counters."},
};

static const char *const direction_names[] = {[NET_INGRESS] = "ingress", [NET_EGRESS] = "egress"};
static const char *const family_names[] = {[NET_IPV4] = "ipv4", [NET_IPV6] = "ipv6"};

struct net_config {
	uint32_t max_identities;
	bool loopback;
};

/* The loaded kernel side and what is read from it. */
struct net_leg {
	struct net_bpf *skel;
	struct prism_leg *leg;
	struct prism_rows rows;
};

struct net {
	struct prism_host *host;
	struct net_config config;
	struct net_leg leg;
	bool running;
};

/* ---- the kernel side -------------------------------------------------------------------------------------------- */

static void leg_down(struct net_leg *leg, enum prism_stop why)
{
	prism_leg_close(leg->leg, why);
	net_bpf__destroy(leg->skel);
	*leg = (struct net_leg){0};
}

static struct net_bpf *open_skel(struct prism_host *host, const struct net_config *config)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts);
	struct net_bpf *skel = net_bpf__open_opts(prism_leg_open_opts(host, &opts));

	if (!skel)
		return NULL;
	skel->rodata->net_skip_loopback = !config->loopback;
	bpf_map__set_max_entries(skel->maps.net_rows, config->max_identities + RESERVED_ROWS);
	bpf_map__set_max_entries(skel->maps.net_owners, config->max_identities + RESERVED_ROWS);
	return skel;
}

static int leg_attach(struct prism_host *host, struct net_leg *leg)
{
	int r;

	r = prism_rows_init(&leg->rows, host, bpf_map__fd(leg->skel->maps.net_rows),
			    bpf_map__fd(leg->skel->maps.net_owners),
			    "its packets count as prism_net_overflow_total; raise max_identities");
	if (r < 0)
		return prism_fail(host, -r, "net: counter rows", "%s", strerror(-r));
	r = prism_leg_attach_cgroup(leg->leg, leg->skel->progs.net_ingress, BPF_CGROUP_INET_INGRESS);
	if (r < 0)
		return r;
	return prism_leg_attach_cgroup(leg->leg, leg->skel->progs.net_egress, BPF_CGROUP_INET_EGRESS);
}

/* Loads and attaches with this configuration; in place of the programs that are attached already, without a gap. */
static int leg_up(struct prism_host *host, const struct net_config *config, struct net_leg *ret_leg)
{
	struct net_leg leg = {.skel = open_skel(host, config)};
	int r;

	r = prism_leg_load(host, leg.skel ? leg.skel->skeleton : NULL, &leg.leg);
	if (r == 0)
		r = leg_attach(host, &leg);
	if (r < 0) {
		/* The host takes away what a failed start pinned; a failed reload keeps the links of the old leg. */
		leg_down(&leg, PRISM_STOP_SHUTDOWN);
		return r;
	}
	*ret_leg = leg;
	return 0;
}

/* ---- identities ------------------------------------------------------------------------------------------------- */

static void claim_reserved(struct net *net)
{
	prism_rows_claim(&net->leg.rows, PRISM_ID_UNKNOWN, 0);
	prism_rows_claim(&net->leg.rows, PRISM_ID_UNMANAGED, 0);
}

static void net_identity(void *self, enum prism_change change, const struct prism_workload *workload)
{
	struct net *net = self;

	prism_rows_identity(&net->leg.rows, change, workload);
}

/* ---- life ------------------------------------------------------------------------------------------------------- */

static int net_probe(struct prism_host *host)
{
	int r;

	if (prism_cgroup_fd(host) < 0)
		return prism_unsupported(host, "net: cgroup v2",
					 "no cgroup v2 hierarchy is mounted; mount one with "
					 "`mount -t cgroup2 none /sys/fs/cgroup`");
	r = libbpf_probe_bpf_helper(BPF_PROG_TYPE_CGROUP_SKB, BPF_FUNC_skb_cgroup_id, NULL);
	if (r < 0)
		return prism_fail(host, -r, "net: probing cgroup_skb programs", "%s", strerror(-r));
	if (r == 0)
		return prism_unsupported(host, "net: cgroup_skb",
					 "this kernel has no cgroup_skb programs that know a packet's cgroup; it wants "
					 "CONFIG_CGROUP_BPF and CONFIG_SOCK_CGROUP_DATA");
	return 0;
}

static int net_open(struct prism_host *host, void **ret_self)
{
	struct net *net = calloc(1, sizeof(*net));

	if (!net)
		return prism_fail(host, ENOMEM, "net: open", "no memory");
	net->host = host;
	*ret_self = net;
	return 0;
}

static int reload(struct net *net, const struct net_config *config)
{
	struct net_leg leg;
	int r = leg_up(net->host, config, &leg);

	if (r < 0)
		return r;
	leg_down(&net->leg, PRISM_STOP_REPLACE);
	net->leg = leg;
	net->config = *config;
	claim_reserved(net);
	prism_rows_claim_all(&net->leg.rows);
	return 0;
}

static int net_configure(void *self, const struct prism_config *config)
{
	struct net *net = self;
	const struct net_config next = {
		.max_identities = (uint32_t)prism_option_int(net->host, config, OPTION_MAX_IDENTITIES),
		.loopback = prism_option_int(net->host, config, OPTION_LOOPBACK),
	};

	if (net->running &&
	    (next.max_identities != net->config.max_identities || next.loopback != net->config.loopback))
		return reload(net, &next);
	net->config = next;
	return 0;
}

static int net_start(void *self)
{
	struct net *net = self;
	int r = leg_up(net->host, &net->config, &net->leg);

	if (r < 0)
		return r;
	claim_reserved(net);
	r = prism_facet_all(net->host, true);
	if (r < 0) {
		leg_down(&net->leg, PRISM_STOP_REMOVE);
		return prism_fail(net->host, -r, "net: claiming the facet", "%s", strerror(-r));
	}
	net->running = true;
	return 0;
}

static int net_stop(void *self, enum prism_stop why)
{
	struct net *net = self;

	if (why == PRISM_STOP_REMOVE)
		prism_facet_all(net->host, false);
	leg_down(&net->leg, why);
	net->running = false;
	return 0;
}

static void net_close(void *self)
{
	free(self);
}

/* ---- what it says ----------------------------------------------------------------------------------------------- */

struct collection {
	struct net *net;
	struct prism_sink *sink;
	uint32_t rows;
};

static void sample_row(struct collection *to, uint32_t packets_metric, uint32_t bytes_metric, uint32_t identity,
		       const struct net_row *row)
{
	for (int d = 0; d < NET_DIRECTIONS; d++) {
		for (int f = 0; f < NET_FAMILIES; f++) {
			const char *const labels[] = {direction_names[d], family_names[f]};
			const struct net_count *count = &row->count[d][f];

			prism_sample(to->net->host, to->sink, packets_metric, identity, labels, (double)count->packets);
			prism_sample(to->net->host, to->sink, bytes_metric, identity, labels, (double)count->bytes);
		}
	}
}

static void collect_row(void *arg, uint32_t identity, const void *values)
{
	struct collection *to = arg;
	struct net_row row = net_row_sum(values, to->net->leg.rows.cpus);

	sample_row(to, METRIC_PACKETS, METRIC_BYTES, identity, &row);
	to->rows++;
}

static void net_collect(void *self, struct prism_sink *sink)
{
	struct net *net = self;
	struct collection to = {.net = net, .sink = sink};
	struct net_row overflow;
	int r;

	if (!net->running)
		return;
	r = prism_rows_each(&net->leg.rows, collect_row, &to);
	if (r == 0)
		r = net_row_read(bpf_map__fd(net->leg.skel->maps.net_overflow), 0, net->leg.rows.cpus, &overflow);
	if (r < 0) {
		prism_log(net->host, PRISM_LOG_ERROR, "reading the counters: %s", strerror(-r));
		return;
	}
	sample_row(&to, METRIC_OVERFLOW, METRIC_OVERFLOW_BYTES, PRISM_ID_UNKNOWN, &overflow);
	prism_sample(net->host, sink, METRIC_ROWS, PRISM_ID_UNKNOWN, NULL, to.rows);
}

static void explain_direction(struct net *net, struct prism_text *out, enum net_direction direction,
			      const struct net_row *row)
{
	const struct net_count *count = row->count[direction];

	prism_explain(net->host, out,
		      "%s: %" PRIu64 " packets, %" PRIu64 " bytes (IPv4 %" PRIu64 " packets, IPv6 %" PRIu64 ")",
		      direction_names[direction], (uint64_t)(count[NET_IPV4].packets + count[NET_IPV6].packets),
		      (uint64_t)(count[NET_IPV4].bytes + count[NET_IPV6].bytes), (uint64_t)count[NET_IPV4].packets,
		      (uint64_t)count[NET_IPV6].packets);
}

static void net_explain(void *self, const struct prism_workload *workload, struct prism_text *out)
{
	struct net *net = self;
	struct net_row row;
	int r;

	if (!net->running) {
		prism_explain(net->host, out, "not counted: the leg is not attached");
		return;
	}
	r = net_row_read(net->leg.rows.rows_fd, workload->identity, net->leg.rows.cpus, &row);
	if (r < 0) {
		prism_explain(net->host, out,
			      r == -ENOENT
				      ? "not counted under its identity: no room among the %" PRIu32
					" identities that have counters (max_identities); see prism_net_overflow_total"
				      : "not known: reading its counters failed (max_identities %" PRIu32 ")",
			      net->config.max_identities);
		return;
	}
	explain_direction(net, out, NET_INGRESS, &row);
	explain_direction(net, out, NET_EGRESS, &row);
	if (!memcmp(&row, &(struct net_row){0}, sizeof(row)))
		prism_explain(net->host, out, "no packets yet: sockets count for the cgroup that created them");
	if (!net->config.loopback)
		prism_explain(net->host, out, "packets of the loopback interface are left out (loopback: false)");
}

const struct prism_module prism_module = {
	PRISM_MODULE_HEADER,
	.name = "net",
	.version = PRISM_VERSION,
	.summary = "packets and bytes of each identity",
	.facet = "net",
	.options = options,
	.n_options = sizeof(options) / sizeof(options[0]),
	.metrics = metrics,
	.n_metrics = sizeof(metrics) / sizeof(metrics[0]),
	.probe = net_probe,
	.open = net_open,
	.configure = net_configure,
	.start = net_start,
	.identity = net_identity,
	.stop = net_stop,
	.close = net_close,
	.collect = net_collect,
	.explain = net_explain,
	.capabilities = PRISM_CAPABILITY(CAP_BPF) | PRISM_CAPABILITY(CAP_PERFMON) | PRISM_CAPABILITY(CAP_NET_ADMIN),
};

PRISM_MODULE_NOTE("net", PRISM_VERSION, PRISM_ABI_MAJOR, PRISM_ABI_MINOR);
