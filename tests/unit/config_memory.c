/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that runs out at any one place while loading gives an error that says so, and nothing is left behind. */
#include "config_site.h"

#include <errno.h>

/* The program is linked with --wrap for each of these. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_reallocarray(void *p, size_t n, size_t size);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
char *__wrap_strdup(const char *s);

static long until_failure = -1; /* allocations that still work; negative: all */
static bool failed;

static bool fails(void)
{
	if (until_failure < 0 || until_failure-- > 0)
		return false;
	failed = true;
	errno = ENOMEM;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return fails() ? NULL : __real_realloc(p, size);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
	return fails() ? NULL : __real_reallocarray(p, n, size);
}

char *__wrap_strdup(const char *s)
{
	return fails() ? NULL : __real_strdup(s);
}

static void test_each_allocation(void **state)
{
	struct site *site = *state;
	char conf_d[80];
	struct settings_source source = {.path = site->main, .overlay = site->overlay, .conf_d = conf_d};
	unsigned int failures = 0;
	struct text printed = {0};

	snprintf(conf_d, sizeof(conf_d), "%s/conf.d", site->dir);
	write_file(site, "prismd.yaml",
		   "modules: [{name: net, config: {a: [1, 2]}}, {name: trace}]\n"
		   "profiles:\n"
		   "  - {name: p, hosts: ['*'], file: profiles/p.yaml}\n"
		   "  - {name: q, hosts: ['*'], overlay: {log: {level: debug}}}\n");
	write_file(site, "conf.d/a.yaml", "bus: {capacity: 5}\nsources: {cgroup: {rules: [{match: a}]}}\n");
	write_file(site, "profiles/p.yaml", "identity: {labels: {include: [a, b]}}\n");
	site->overlay[0] = "modules.net.enabled=false";
	for (long n = 0; !n || failed; n++) {
		drop(site);
		failed = false;
		until_failure = n;
		site->r = settings_load(&source, &site->s, &site->p);
		until_failure = -1;
		if (!failed)
			break;
		failures++;
		assert_true(site->r < 0);
		assert_null(site->s);
		/* The list of problems needs memory too: then it counts. */
		assert_true(site->p.n || site->p.dropped);
	}
	assert_true(failures > 100);
	assert_int_equal(site->r, 0);
	settings_print(site->s, &printed);
	assert_non_null(strstr(printed.data, "capacity: 5 "));
	text_done(&printed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SITE_TEST(test_each_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
