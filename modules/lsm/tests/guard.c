// SPDX-License-Identifier: Apache-2.0
#include "guard.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <prism/leg.h>

#include "deeds.h"

#define SKIP 77
#define WORDS_MAX 24
#define COUNTS 256u /* few enough to be filled */
#define PATIENCE_MS 60000
#define POLICED (((1u << LSM_HOOKS) - 1) | LSM_READ_BIT)

static const struct prism_module module = {
	PRISM_MODULE_HEADER, .name = "lsm", .version = "1", .summary = "the lsm leg's programs", .facet = "lsm",
};

static int ready[2], go[2]; /* pipes of `wait` */

void guard_require(void)
{
	sandbox_require_root();
	if (libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_LSM, NULL) == 1)
		return;
	fprintf(stderr, "UNSUPPORTED: this kernel does not load BPF LSM programs\n");
	exit(SKIP);
}

/* ---- the leg ------------------------------------------------------------------------------------------------------
 */

static int take(void *arg, void *record, size_t size)
{
	struct guard *g = arg;

	assert_int_equal(size, sizeof(g->last));
	g->last = *(struct lsm_event *)record;
	g->n_events++;
	return 0;
}

static void load(struct guard *g)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts);
	struct prism_host *host = prism_fake_host_host(g->fake);

	g->skel = lsm_bpf__open_opts(prism_leg_open_opts(host, &opts));
	assert_non_null(g->skel);
	g->skel->rodata->lsm_epoch = 1;
	bpf_map__set_max_entries(g->skel->maps.lsm_counts, COUNTS);
	if (prism_leg_load(host, g->skel->skeleton, &g->leg))
		fail_msg("%s", prism_fake_host_reason(g->fake));
	g->ring = ring_buffer__new(bpf_map__fd(g->skel->maps.lsm_ring), take, g, NULL);
	assert_non_null(g->ring);
}

static void attach(struct guard *g)
{
	struct bpf_program *program;

	bpf_object__for_each_program (program, g->skel->obj) {
		if (bpf_program__type(program) == BPF_PROG_TYPE_LSM && prism_leg_attach(g->leg, program))
			fail_msg("%s", prism_fake_host_reason(g->fake));
	}
}

void guard_arm(struct guard *g)
{
	struct bpf_link *link = bpf_program__attach_iter(g->skel->progs.lsm_arm, NULL);
	int fd = link ? bpf_iter_create(bpf_link__fd(link)) : -1;
	char byte;

	assert_true(fd >= 0);
	assert_int_equal(read(fd, &byte, 1), 0);
	close(fd);
	bpf_link__destroy(link);
}

int guard_setup(void **state)
{
	struct guard *g = calloc(1, sizeof(*g));

	assert_non_null(g);
	*state = g;
	g->fake = sandbox_host_new(&module, NULL);
	assert_non_null(g->fake);
	load(g);
	attach(g);
	guard_arm(g);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	return 0;
}

int guard_teardown(void **state)
{
	struct guard *g = *state;

	close(ready[0]);
	close(ready[1]);
	close(go[0]);
	close(go[1]);
	ring_buffer__free(g->ring);
	prism_leg_close(g->leg, PRISM_STOP_REMOVE);
	lsm_bpf__destroy(g->skel);
	sandbox_host_free(g->fake);
	free(g);
	return 0;
}

/* dir: of the directory, closed here. Paths in it may be longer than the kernel takes. */
static void empty_dir(int dir)
{
	DIR *entries = fdopendir(dir);
	struct dirent *entry;

	assert_non_null(entries);
	while ((entry = readdir(entries))) {
		const char *name = entry->d_name;

		if (!strcmp(name, ".") || !strcmp(name, ".."))
			continue;
		if (entry->d_type == DT_DIR)
			empty_dir(openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
		assert_int_equal(unlinkat(dir, name, entry->d_type == DT_DIR ? AT_REMOVEDIR : 0), 0);
	}
	closedir(entries);
}

int guard_begin_test(void **state)
{
	struct guard *g = *state;

	strcpy(g->dir, "/tmp/prism-lsm-XXXXXX");
	assert_non_null(mkdtemp(g->dir));
	guard_copy(g, "program");
	snprintf(g->program, sizeof(g->program), "%s/program", g->dir);
	sandbox_cgroup_make(g->fake, "a", &g->a);
	sandbox_cgroup_make(g->fake, "b", &g->b);
	sandbox_identity(g->fake, PRISM_IDENTITY_ADDED, ID_A, ID_A, &g->a);
	g->config = (struct lsm_config){.hooks = POLICED};
	guard_config(g);
	return 0;
}

static void empty(struct bpf_map *map)
{
	char key[sizeof(struct lsm_key)];

	while (bpf_map_get_next_key(bpf_map__fd(map), NULL, key) == 0)
		assert_int_equal(bpf_map_delete_elem(bpf_map__fd(map), key), 0);
}

/* If it is there. */
static void forget(struct guard *g, uint32_t identity)
{
	const struct prism_workload workload = {.size = sizeof(workload), .identity = identity};

	prism_fake_host_identity(g->fake, PRISM_IDENTITY_REMOVED, &workload, 0);
	prism_fake_host_identity(g->fake, PRISM_IDENTITY_RELEASED, &workload, 0);
}

int guard_end_test(void **state)
{
	struct guard *g = *state;
	const uint32_t zero = 0;
	int n = libbpf_num_possible_cpus();
	struct lsm_stats *none = calloc((size_t)n, sizeof(*none));

	memset(&g->config, 0, sizeof(g->config));
	guard_config(g);
	empty(g->skel->maps.lsm_bindings);
	empty(g->skel->maps.lsm_rules);
	empty(g->skel->maps.lsm_counts);
	empty(g->skel->maps.lsm_rates);
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(g->skel->maps.lsm_stats), &zero, none, BPF_ANY), 0);
	free(none);
	assert_true(ring_buffer__consume(g->ring) >= 0);
	forget(g, ID_A);
	forget(g, ID_B);
	sandbox_cgroup_remove(&g->a);
	sandbox_cgroup_remove(&g->b);
	umount2(guard_file(g, GUARD_MOUNT), MNT_DETACH);
	empty_dir(open(g->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	assert_int_equal(rmdir(g->dir), 0);
	return 0;
}

/* ---- rules --------------------------------------------------------------------------------------------------------
 */

static void put(struct bpf_map *map, const void *key, const void *value)
{
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY), 0);
}

void guard_config(struct guard *g)
{
	const uint32_t zero = 0;

	put(g->skel->maps.lsm_config, &zero, &g->config);
}

void guard_bind(struct guard *g, uint32_t identity, uint32_t ruled, uint32_t bits)
{
	struct lsm_binding binding = {.set = SET, .hooks = ruled, .ruled = ruled, .bits = bits};
	const struct lsm_rules none = {0};

	if (ruled & LSM_HOOK_BIT(LSM_OPEN))
		binding.hooks |= LSM_READ_BIT;

	for (uint32_t hook = 0; hook < LSM_HOOKS; hook++) {
		binding.posture[hook].rule = POSTURE_RULE(hook);
		if (ruled & LSM_HOOK_BIT(hook))
			guard_rule(g, hook, "", 0, &none);
	}
	put(g->skel->maps.lsm_bindings, &identity, &binding);
}

void guard_unbind(struct guard *g, uint32_t identity)
{
	assert_int_equal(bpf_map_delete_elem(bpf_map__fd(g->skel->maps.lsm_bindings), &identity), 0);
}

void guard_posture(struct guard *g, uint32_t identity, enum lsm_hook hook, enum lsm_action action)
{
	struct lsm_binding binding;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(g->skel->maps.lsm_bindings), &identity, &binding), 0);
	binding.hooks |= LSM_HOOK_BIT(hook) | (hook == LSM_OPEN ? LSM_READ_BIT : 0);
	binding.posture[hook].action = action;
	put(g->skel->maps.lsm_bindings, &identity, &binding);
}

static void put_rules(struct guard *g, uint32_t set, enum lsm_hook hook, const void *bytes, uint32_t bits,
		      const struct lsm_rules *rules)
{
	struct lsm_key key = {.prefixlen = LSM_KEY_BITS + bits, .set = set, .hook = hook};

	assert_true(bits <= sizeof(key.bytes) * 8);
	memcpy(key.bytes, bytes, (bits + 7) / 8);
	put(g->skel->maps.lsm_rules, &key, rules);
}

void guard_rule(struct guard *g, enum lsm_hook hook, const void *bytes, uint32_t bits, const struct lsm_rules *rules)
{
	put_rules(g, SET, hook, bytes, bits, rules);
}

/* A directory goes without its NUL. */
static uint32_t path_bits(const char *path)
{
	size_t n = strlen(path);

	return (uint32_t)(n + (path[n - 1] != '/')) * 8;
}

void guard_path_choice(struct guard *g, enum lsm_hook hook, const char *path, struct lsm_choice choice)
{
	guard_rule(g, hook, path, path_bits(path), &(struct lsm_rules){.n = 1, .choices = {choice}});
}

void guard_path(struct guard *g, enum lsm_hook hook, const char *path, uint64_t rule, enum lsm_action action)
{
	guard_path_choice(g, hook, path, (struct lsm_choice){.rule = rule, .action = action});
}

void guard_forget_path(struct guard *g, enum lsm_hook hook, const char *path)
{
	struct lsm_key key = {.prefixlen = LSM_KEY_BITS + path_bits(path), .set = SET, .hook = hook};

	memcpy(key.bytes, path, path_bits(path) / 8);
	assert_int_equal(bpf_map_delete_elem(bpf_map__fd(g->skel->maps.lsm_rules), &key), 0);
}

void guard_source(struct guard *g, const char *path, uint32_t number)
{
	put_rules(g, LSM_SOURCES, LSM_EXEC, path, path_bits(path), &(struct lsm_rules){.source = number});
}

static uint32_t address_bytes(const char *address, uint8_t bytes[17])
{
	const char *slash = strchr(address, '/');
	char name[64];

	snprintf(name, sizeof(name), "%.*s", slash ? (int)(slash - address) : 63, address);
	if (!*name)
		return 0;
	if (inet_pton(AF_INET, name, &bytes[1]) == 1 || !strcmp(name, "ipv4"))
		bytes[0] = AF_INET;
	else if (inet_pton(AF_INET6, name, &bytes[1]) == 1 || !strcmp(name, "ipv6"))
		bytes[0] = AF_INET6;
	else
		bytes[0] = AF_UNIX;
	return 8 + (slash ? (uint32_t)atoi(slash + 1) : 0);
}

void guard_address(struct guard *g, enum lsm_hook hook, const char *address, uint64_t rule, enum lsm_action action,
		   uint16_t first, uint16_t last)
{
	uint8_t bytes[17] = {0};
	uint32_t bits = address_bytes(address, bytes);

	guard_rule(g, hook, bytes, bits,
		   &(struct lsm_rules){
			   .n = 1,
			   .choices = {{.rule = rule, .action = action, .first = first, .last = last}},
		   });
}

void guard_capability(struct guard *g, uint8_t capability, uint64_t rule, enum lsm_action action)
{
	guard_rule(g, LSM_CAPABLE, &capability, 8,
		   &(struct lsm_rules){.n = 1, .choices = {{.rule = rule, .action = action}}});
}

/* ---- deeds --------------------------------------------------------------------------------------------------------
 */

const char *guard_file(struct guard *g, const char *name)
{
	static char paths[4][PATH_MAX];
	static unsigned int next;
	char *path = paths[next++ % 4];

	assert_true(snprintf(path, PATH_MAX, "%s/%s", g->dir, name) < PATH_MAX);
	return path;
}

void guard_make_file(struct guard *g, const char *name)
{
	int fd = open(guard_file(g, name), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "text", 4), 4);
	close(fd);
}

const char *guard_copy(struct guard *g, const char *name)
{
	const char *path = guard_file(g, name);
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	char buffer[1 << 16];
	ssize_t n;

	assert_true(from >= 0 && to >= 0);
	while ((n = read(from, buffer, sizeof(buffer))) > 0)
		assert_int_equal(write(to, buffer, (size_t)n), n);
	close(from);
	close(to);
	return path;
}

static pid_t spawn(const struct sandbox_cgroup *cgroup, const char *program, char *words)
{
	char *argv[WORDS_MAX] = {(char *)(uintptr_t)program, (char[]){"deed"}};
	size_t n = 2;
	pid_t pid;

	while ((argv[n] = strsep(&words, " ")))
		assert_true(++n < WORDS_MAX);
	pid = fork();
	assert_true(pid >= 0);
	if (pid)
		return pid;
	sandbox_join(cgroup);
	if (dup2(ready[1], DEED_READY) < 0 || dup2(go[0], DEED_GO) < 0)
		_exit(DEED_FAILED);
	execv(program, argv);
	_exit(DEED_FAILED);
}

int guard_end(struct guard *g, pid_t pid)
{
	int status = sandbox_wait(pid);

	(void)g;
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) < DEED_FAILED);
	return WEXITSTATUS(status);
}

int guard_deed_by(struct guard *g, const struct sandbox_cgroup *cgroup, const char *program, const char *words)
{
	char copy[2 * PATH_MAX];

	snprintf(copy, sizeof(copy), "%s", words);
	return guard_end(g, spawn(cgroup, guard_file(g, program), copy));
}

int guard_deed(struct guard *g, const struct sandbox_cgroup *cgroup, const char *format, ...)
{
	char words[2 * PATH_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	return guard_deed_by(g, cgroup, "program", words);
}

void guard_ready(struct guard *g)
{
	struct pollfd fd = {.fd = ready[0], .events = POLLIN};
	char c;

	(void)g;
	assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
	assert_int_equal(read(ready[0], &c, 1), 1);
}

pid_t guard_begin(struct guard *g, const struct sandbox_cgroup *cgroup, const char *format, ...)
{
	char words[2 * PATH_MAX];
	va_list args;
	pid_t pid;

	va_start(args, format);
	vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	pid = spawn(cgroup, g->program, words);
	guard_ready(g);
	return pid;
}

void guard_go(struct guard *g)
{
	(void)g;
	assert_int_equal(write(go[1], "g", 1), 1);
}

/* ---- what was said -------------------------------------------------------------------------------------------------
 */

struct lsm_count guard_count(struct guard *g, uint32_t identity, uint64_t rule)
{
	const struct lsm_count_key key = {.rule = rule, .identity = identity};
	int n = libbpf_num_possible_cpus();
	struct lsm_count *rows = test_calloc((size_t)n, sizeof(*rows)), sum = {0};

	if (bpf_map_lookup_elem(bpf_map__fd(g->skel->maps.lsm_counts), &key, rows) == 0) {
		for (int i = 0; i < n; i++) {
			sum.matched += rows[i].matched;
			sum.blocked += rows[i].blocked;
		}
	}
	test_free(rows);
	return sum;
}

struct lsm_stats guard_stats(struct guard *g)
{
	int n = libbpf_num_possible_cpus();
	struct lsm_stats *rows = test_calloc((size_t)n, sizeof(*rows)), sum = {0};
	const uint32_t zero = 0;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(g->skel->maps.lsm_stats), &zero, rows), 0);
	for (int i = 0; i < n; i++) {
		for (size_t word = 0; word < sizeof(sum) / sizeof(__u64); word++)
			((__u64 *)&sum)[word] += ((__u64 *)&rows[i])[word];
	}
	test_free(rows);
	return sum;
}

const struct lsm_event *guard_events(struct guard *g, size_t n)
{
	g->n_events = 0;
	assert_true(ring_buffer__consume(g->ring) >= 0);
	assert_int_equal(g->n_events, n);
	return &g->last;
}
