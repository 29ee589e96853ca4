// SPDX-License-Identifier: Apache-2.0
/* Which programs this kernel's verifier takes: a lookup in every context, and no writer of the bus. */
#include "world.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "contexts.skel.h"
#include "writer.skel.h"

static char verifier_log[1 << 20];

static int silent(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

/* Loads only this program of the object, on the world's bus. */
static int load_one(struct world *w, struct bpf_object *object, const char *name)
{
	struct bpf_program *prog;

	bpf_object__for_each_program (prog, object)
		bpf_program__set_autoload(prog, !strcmp(bpf_program__name(prog), name));
	world_attach_bus(w, object);
	verifier_log[0] = '\0';
	return bpf_object__load(object);
}

static int load_context(struct world *w, const char *name)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .kernel_log_buf = verifier_log,
		    .kernel_log_size = sizeof(verifier_log));
	struct contexts_bpf *skel = contexts_bpf__open_opts(&opts);
	int r;

	assert_non_null(skel);
	r = load_one(w, skel->obj, name);
	contexts_bpf__destroy(skel);
	return r;
}

static void every_context_loads(void **state)
{
	struct contexts_bpf *skel = contexts_bpf__open();
	struct bpf_program *prog;
	struct world w;
	int failures = 0, r;

	(void)state;
	world_init(&w);
	assert_non_null(skel);
	bpf_object__for_each_program (prog, skel->obj) {
		if (bpf_program__type(prog) == BPF_PROG_TYPE_SYSCALL && !world_kfunc("bpf_rcu_read_lock"))
			continue;
		r = load_context(&w, bpf_program__name(prog));
		if (r < 0) {
			size_t n = strlen(verifier_log);

			print_error("%s: %s\n%s\n", bpf_program__name(prog), strerror(-r),
				    verifier_log + (n > 2000 ? n - 2000 : 0));
			failures++;
		}
	}
	contexts_bpf__destroy(skel);
	world_done(&w);
	assert_int_equal(failures, 0);
}

static int load_writer(struct world *w, const char *name)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .kernel_log_buf = verifier_log,
		    .kernel_log_size = sizeof(verifier_log));
	struct writer_bpf *skel = writer_bpf__open_opts(&opts);
	int r;

	assert_non_null(skel);
	r = load_one(w, skel->obj, name);
	writer_bpf__destroy(skel);
	return r;
}

static void writers_are_refused(void **state)
{
	static const char *const writers[] = {"updates", "deletes", "stores", "stores_meta"};
	struct world w;
	size_t i;

	(void)state;
	world_init(&w);
	/* Only then does a refusal mean anything. */
	assert_int_equal(load_writer(&w, "reads"), 0);
	for (i = 0; i < sizeof(writers) / sizeof(writers[0]); i++) {
		assert_int_equal(load_writer(&w, writers[i]), -EACCES);
		assert_true(verifier_log[0]);
	}
	world_done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_context_loads),
		cmocka_unit_test(writers_are_refused),
	};

	world_require();
	libbpf_set_print(silent);
	return cmocka_run_group_tests_name("contexts", tests, NULL, NULL);
}
