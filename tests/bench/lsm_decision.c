// SPDX-License-Identifier: Apache-2.0
/*
 * What one decision of the lsm leg about an open takes on this machine, by the leg's own code and with rules that its
 * own compiler wrote, in an iterator's program (lsm_decision.bpf.c). What this leaves out of the cost of an open is the
 * kernel's way into the hook's program and out of it: bench_lsm counts that in a virtual machine, as the cost where
 * there is no rule set.
 */
#include <bpf/bpf.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <prism/leg.h>

#include "assign.h"
#include "bench.h"
#include "compile.h"
#include "lsm_decision.h"
#include "lsm_decision.skel.h"
#include "sandbox.h"
#include "store.h"

#define IDENTITY 1001u
#define RULES 64

/* ---- the file that is opened ---------------------------------------------------------------------------------------
 */

static const char *const directories[] = {"/tmp/bench-lsm", "/tmp/bench-lsm/etc", "/tmp/bench-lsm/etc/app"};
#define DIRECTORIES (sizeof(directories) / sizeof(directories[0]))
#define FILE_NAME "/tmp/bench-lsm/etc/app/config"

static void remove_file(void)
{
	unlink(FILE_NAME);
	for (size_t i = DIRECTORIES; i > 0; i--)
		rmdir(directories[i - 1]);
}

/* Gone when the program ends, however it does. */
static void make_file(void)
{
	int fd;

	for (size_t i = 0; i < DIRECTORIES; i++)
		mkdir(directories[i], 0755);
	atexit(remove_file);
	fd = open(FILE_NAME, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	if (fd < 0)
		err(1, "%s", FILE_NAME);
	close(fd);
}

/* ---- rules --------------------------------------------------------------------------------------------------------
 */

/* What an open is judged by. */
enum rules {
	NO_SET,  /* a workload without a rule set */
	WRITES,  /* rules about writing alone, as a read meets them */
	ANY,     /* rules about every open, none of which takes this one */
	ALLOWED, /* one of them takes it and allows */
	KINDS,
};

static const char *const titles[KINDS] = {
	[NO_SET] = "a workload without a rule set",
	[WRITES] = "a read, 64 rules about writes",
	[ANY] = "64 rules about any open, none takes it",
	[ALLOWED] = "64 rules about any open, one allows it",
};

enum { OPTION_SETS, OPTIONS };

static const struct prism_option options[OPTIONS] = {
	[OPTION_SETS] = {.name = "rule_sets", .kind = PRISM_OPTION_NODE, .help = "Rule sets."},
};

static struct {
	struct prism_host *host;
	struct policy policy;
	struct compiled compiled;
} read_in;

static int open_module(struct prism_host *host, void **ret_self)
{
	read_in.host = host;
	*ret_self = &read_in;
	return 0;
}

static int configure(void *self, const struct prism_config *config)
{
	int r;

	(void)self;
	r = policy_read(read_in.host, prism_option_node(read_in.host, config, OPTION_SETS), NULL, &read_in.policy);
	return r < 0 ? r : compile(read_in.host, &read_in.policy, &read_in.compiled);
}

static const struct prism_module module = {
	PRISM_MODULE_HEADER,    .name = "lsm",      .version = "1",       .summary = "the lsm leg's decision",
	.facet = "lsm",         .options = options, .n_options = OPTIONS, .open = open_module,
	.configure = configure,
};

/* A rule set for each kind, by its place. */
static char *configuration(void)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		err(1, "open_memstream");
	fputs("rule_sets:\n", out);
	for (int kind = 0; kind < KINDS; kind++) {
		fprintf(out, "- name: set-%d\n  select: {}\n", kind);
		fputs(kind == NO_SET ? "" : "  open:\n", out);
		for (int i = 0; i < RULES && kind != NO_SET; i++)
			fprintf(out, "  - {directory: /srv/data-%d/, access: %s, action: block}\n", i,
				kind == WRITES ? "write" : "any");
		if (kind == ALLOWED)
			fprintf(out, "  - {directory: %s/, action: allow}\n", directories[1]);
	}
	fclose(out);
	return text;
}

/* ---- the programs --------------------------------------------------------------------------------------------------
 */

struct bench {
	struct prism_fake_host *fake;
	struct lsm_decision_bpf *skel;
	struct prism_leg *leg;
	struct store store;
	uint32_t first; /* number of the first set */
	struct sandbox_cgroup cgroup;
};

static void load(struct bench *b)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts);
	struct prism_host *host = prism_fake_host_host(b->fake);
	struct bpf_program *program;

	b->skel = lsm_decision_bpf__open_opts(prism_leg_open_opts(host, &opts));
	if (!b->skel)
		err(1, "opening the programs");
	bpf_object__for_each_program (program, b->skel->obj)
		bpf_program__set_autoload(program, bpf_program__type(program) != BPF_PROG_TYPE_LSM);
	if (prism_leg_load(host, b->skel->skeleton, &b->leg))
		errx(1, "%s", prism_fake_host_reason(b->fake));
}

static void write_rules(struct bench *b)
{
	const struct store_fds fds = {
		.config = bpf_map__fd(b->skel->maps.lsm_config),
		.bindings = bpf_map__fd(b->skel->maps.lsm_bindings),
		.rules = bpf_map__fd(b->skel->maps.lsm_rules),
	};
	const struct lsm_config config = {.hooks = ~0u};

	if (store_init(prism_fake_host_host(b->fake), &fds, &b->store) < 0 ||
	    store_write(&b->store, &read_in.compiled, &b->first) < 0 || store_configure(&b->store, &config) < 0)
		errx(1, "writing the rules: %s", prism_fake_host_reason(b->fake));
}

static void bind_to(struct bench *b, enum rules kind)
{
	struct lsm_binding binding = read_in.compiled.sets[kind].binding;

	binding.set = b->first + (uint32_t)kind;
	if (kind == NO_SET ? store_unbind(&b->store, IDENTITY) : store_bind(&b->store, IDENTITY, &binding))
		err(1, "binding the rules");
}

/* An iterator does its work while it is read. */
static void run_iterator(struct bpf_program *program)
{
	struct bpf_link *link = bpf_program__attach_iter(program, NULL);
	int fd = link ? bpf_iter_create(bpf_link__fd(link)) : -1;
	char byte;

	if (fd < 0 || read(fd, &byte, 1) != 0)
		err(1, "%s", bpf_program__name(program));
	close(fd);
	bpf_link__destroy(link);
}

static double ns_of(struct bench *b, struct bpf_program *program)
{
	b->skel->bss->elapsed_ns = 0;
	run_iterator(program);
	if (!b->skel->bss->elapsed_ns)
		errx(1, "%s did not run", bpf_program__name(program));
	return (double)b->skel->bss->elapsed_ns / DECISIONS_A_RUN;
}

/* ---- rows ----------------------------------------------------------------------------------------------------------
 */

static struct samples taken[KINDS], path, empty;

static void row(struct samples *s, const char *title, const char *goal)
{
	char name[128];

	snprintf(name, sizeof(name), "lsm leg, one decision about an open, %s", title);
	bench_row(name, goal, "%.0f ns | %.1f %% | the loop by itself: %.1f ns, taken off",
		  samples_median(s) - samples_median(&empty), 100 * samples_spread(s), samples_median(&empty));
}

/* By a task of the workload, which the iterator arms. */
static int measure(void *arg)
{
	struct bench *b = arg;
	int fd = open(FILE_NAME, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		err(1, "%s", FILE_NAME);
	b->skel->bss->wanted_fd = (uint32_t)fd;
	run_iterator(b->skel->progs.lsm_arm);
	for (int round = 0; round < BENCH_ROUNDS; round++) {
		samples_add(&empty, ns_of(b, b->skel->progs.empty));
		samples_add(&path, ns_of(b, b->skel->progs.path));
		for (int kind = 0; kind < KINDS; kind++) {
			bind_to(b, (enum rules)kind);
			samples_add(&taken[kind], ns_of(b, b->skel->progs.decision));
			if (b->skel->bss->denied)
				errx(1, "%s: it was refused", titles[kind]);
		}
	}
	bench_header();
	for (int kind = 0; kind < KINDS; kind++)
		row(&taken[kind], titles[kind], "<= 200 ns");
	row(&path, "its path alone (bpf_d_path)", "-");
	return 0;
}

int main(void)
{
	static struct bench b;
	char *config = configuration();

	sandbox_require_root();
	make_file();
	b.fake = sandbox_host_new(&module, config);
	if (!b.fake || prism_fake_host_start(b.fake))
		errx(1, "%s", b.fake ? prism_fake_host_reason(b.fake) : "no fake host");
	load(&b);
	write_rules(&b);
	sandbox_cgroup_make(b.fake, "web", &b.cgroup);
	sandbox_identity(b.fake, PRISM_IDENTITY_ADDED, IDENTITY, IDENTITY, &b.cgroup);
	sandbox_run(&b.cgroup, measure, &b);
	store_done(&b.store);
	prism_leg_close(b.leg, PRISM_STOP_REMOVE);
	lsm_decision_bpf__destroy(b.skel);
	sandbox_host_free(b.fake);
	sandbox_cgroup_remove(&b.cgroup);
	compiled_done(&read_in.compiled);
	policy_done(&read_in.policy);
	free(config);
	return 0;
}
