/* SPDX-License-Identifier: Apache-2.0 */
/* Every file that prismd refuses, and the very words it does it with. */
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <prism/note.h>

#include "base/file.h"
#include "base/util.h"

struct refusal {
	const char *name;
	const char *more; /* further lines of its entry */
	const char *reason;
	void (*prepare)(struct world *w); /* NULL: the fixture of that name */
};

#define AT "prismd.yaml:5:5: module "

static void spoil(struct world *w, const char *name, size_t (*change)(unsigned char *data, size_t len))
{
	_cleanup_free_ char *data = NULL;
	struct error e = {};
	size_t len;

	world_install(w, "plain", name);
	assert_int_equal(file_read(world_path(w, "modules/%s.so", name), 64 << 20, &data, &len, &e), 0);
	len = change((unsigned char *)data, len);
	assert_int_equal(file_write_atomic(world_path(w, "modules/%s.so", name), data, len, 0644, &e), 0);
}

static struct prism_note_section *note_in(unsigned char *data, size_t len)
{
	unsigned char *name = memmem(data, len, "plain\0", 6);

	/* The first "plain" that has the note's head before it. */
	while (name) {
		struct prism_note_section *s =
			(void *)(name - offsetof(struct prism_note, name) - offsetof(struct prism_note_section, desc));

		if (!memcmp(s->owner, PRISM_NOTE_OWNER, sizeof(PRISM_NOTE_OWNER)))
			return s;
		name = memmem(name + 1, len - (size_t)(name + 1 - data), "plain\0", 6);
	}
	fail_msg("no note in the fixture");
	return NULL;
}

static size_t to_text(unsigned char *data, size_t len)
{
	memcpy(data, "#!/bin/sh\n", 10);
	return len;
}

static size_t cut(unsigned char *data, size_t len)
{
	(void)data;
	return len / 2;
}

static size_t empty(unsigned char *data, size_t len)
{
	(void)data;
	(void)len;
	return 0;
}

static size_t other_machine(unsigned char *data, size_t len)
{
	data[18] = 0x16; /* e_machine: s390 */
	data[19] = 0;
	return len;
}

static size_t huge_desc(unsigned char *data, size_t len)
{
	note_in(data, len)->desc_size = 0xfffffff0;
	return len;
}

static size_t huge_owner(unsigned char *data, size_t len)
{
	note_in(data, len)->owner_size = 0xfffffff0;
	return len;
}

static size_t endless_name(unsigned char *data, size_t len)
{
	memset(note_in(data, len)->desc.name, 'a', PRISM_NAME_MAX);
	return len;
}

static size_t path_name(unsigned char *data, size_t len)
{
	memcpy(note_in(data, len)->desc.name, "../x", 5);
	return len;
}

#define SPOILED(fn, change)                                                                                            \
	static void fn(struct world *w)                                                                                \
	{                                                                                                              \
		spoil(w, "plain", change);                                                                             \
	}
SPOILED(make_text, to_text)
SPOILED(make_cut, cut)
SPOILED(make_empty, empty)
SPOILED(make_other_machine, other_machine)
SPOILED(make_huge_desc, huge_desc)
SPOILED(make_huge_owner, huge_owner)
SPOILED(make_endless_name, endless_name)
SPOILED(make_path_name, path_name)

static void make_nothing(struct world *w)
{
	(void)w;
}

static void make_world_writable(struct world *w)
{
	world_install(w, "plain", NULL);
	assert_int_equal(chmod(world_path(w, "modules/plain.so"), 0666), 0);
}

static void make_foreign(struct world *w)
{
	world_install(w, "plain", NULL);
	assert_int_equal(chown(world_path(w, "modules/plain.so"), 1234, 0), 0);
}

static void make_outside(struct world *w)
{
	world_install(w, "plain", NULL);
	assert_int_equal(mkdir(world_path(w, "elsewhere"), 0755), 0);
	assert_int_equal(rename(world_path(w, "modules/plain.so"), world_path(w, "elsewhere/plain.so")), 0);
}

static void make_open_directory(struct world *w)
{
	world_install(w, "plain", NULL);
	assert_int_equal(chmod(world_path(w, "modules"), 0777), 0);
}

static void make_symlink(struct world *w)
{
	world_install(w, "plain", "real");
	assert_int_equal(symlink("real.so", world_path(w, "modules/plain.so")), 0);
}

static void make_directory(struct world *w)
{
	assert_int_equal(mkdir(world_path(w, "modules/plain.so"), 0755), 0);
}

static void make_fifo(struct world *w)
{
	assert_int_equal(mkfifo(world_path(w, "modules/plain.so"), 0644), 0);
}

static void make_huge(struct world *w)
{
	int fd = open(world_path(w, "modules/plain.so"), O_CREAT | O_WRONLY | O_CLOEXEC, 0644);

	assert_int_equal(ftruncate(fd, (off_t)65 << 20), 0);
	close(fd);
}

static const struct refusal refusals[] = {
	{"plain", "", AT "plain: no file plain.so in DIR/modules: install it there, or say where it is with `file:`",
	 make_nothing},
	{"plain", "",
	 AT "plain: DIR/modules/plain.so: is writable by others (mode 0666): chmod go-w DIR/modules/plain.so",
	 make_world_writable},
	{"plain", "",
	 AT "plain: DIR/modules/plain.so: belongs to uid 1234, not to root: chown root DIR/modules/plain.so",
	 make_foreign},
	{"plain", "    file: DIR/elsewhere/plain.so\n",
	 AT "plain: DIR/elsewhere/plain.so: is not in a module directory (DIR/modules): move it there, or add "
	    "DIR/elsewhere to `module_dirs:`",
	 make_outside},
	{"plain", "",
	 AT
	 "plain: DIR/modules/plain.so: directory DIR/modules is writable by others (mode 0777): chmod go-w DIR/modules",
	 make_open_directory},
	{"plain", "", AT "plain: DIR/modules/plain.so: is a symbolic link: install the file itself", make_symlink},
	{"plain", "",
	 AT "plain: DIR/modules/plain.so: is not a regular file (a directory): install the module's file there",
	 make_directory},
	{"plain", "", AT "plain: DIR/modules/plain.so: is not a regular file (a FIFO): install the module's file there",
	 make_fifo},
	{"plain", "",
	 AT "plain: DIR/modules/plain.so: has 68157440 bytes, more than the limit of 67108864: strip it (strip -g)",
	 make_huge},
	{"plain", "", AT "plain: DIR/modules/plain.so: is not an ELF file: build the module as a shared object",
	 make_text},
	{"plain", "", AT "plain: DIR/modules/plain.so: is not an ELF file: build the module as a shared object",
	 make_empty},
	{"plain", "",
	 AT "plain: DIR/modules/plain.so: is cut off: its section table ends at byte # of #; install it again",
	 make_cut},
	{"plain", "",
	 AT "plain: DIR/modules/plain.so: is built for another machine (class 2, byte order 1, machine #; this one is "
	    "2, 1, "
	    "#): build it for this one",
	 make_other_machine},
	{"plain", "",
	 AT "plain: DIR/modules/plain.so: has a module note whose content claims 4294967280 bytes; 68 are there and "
	    "ABI 1.0 "
	    "has 68",
	 make_huge_desc},
	{"plain", "",
	 AT
	 "plain: DIR/modules/plain.so: has a module note of another owner or type (owner of 4294967280 bytes, type 1)",
	 make_huge_owner},
	{"plain", "",
	 AT "plain: DIR/modules/plain.so: has a module note with an unusable name: [a-z][a-z0-9_-]*, at most 31 bytes",
	 make_endless_name},
	{"plain", "",
	 AT "plain: DIR/modules/plain.so: has a module note with an unusable name: [a-z][a-z0-9_-]*, at most 31 bytes",
	 make_path_name},
	{"plain", "    sha256: 0000000000000000000000000000000000000000000000000000000000000000\n",
	 AT "plain: DIR/modules/plain.so: has sha256 #, the configuration pins "
	    "0000000000000000000000000000000000000000000000000000000000000000: install the file that was meant, or "
	    "correct "
	    "`sha256:`",
	 NULL},
	{"no-note", "",
	 AT "no-note: DIR/modules/no-note.so: carries no module note (.note.prism.module): it is not a Prism module, "
	    "or its "
	    "source lacks PRISM_MODULE_NOTE()",
	 NULL},
	{"other-name", "",
	 AT "other-name: DIR/modules/other-name.so: is the module \"somebody-else\" 1.0, the configuration calls it "
	    "\"other-name\": correct `name:` or `file:`",
	 NULL},
	{"major", "",
	 AT "major: DIR/modules/major.so: is built for module ABI 2.0, this prismd has 1.2: install the build of the "
	    "module "
	    "that goes with it",
	 NULL},
	{"minor", "",
	 AT
	 "minor: DIR/modules/minor.so: is built for module ABI 1.9, newer than this prismd's 1.2: upgrade prismd, or "
	 "build the module with the SDK of this one",
	 NULL},
	{"crash-constructor", "",
	 AT "crash-constructor: DIR/modules/crash-constructor.so: crashed with SIGSEGV in the test-load, in a "
	    "constructor: "
	    "install a build of it that works, or report it to its author",
	 NULL},
	{"abort-constructor", "",
	 AT "abort-constructor: DIR/modules/abort-constructor.so: crashed with SIGABRT in the test-load, in a "
	    "constructor: "
	    "install a build of it that works, or report it to its author",
	 NULL},
	{"loop-constructor", "",
	 AT "loop-constructor: DIR/modules/loop-constructor.so: did not load within 2 s of CPU time (test-load): an "
	    "endless loop in a constructor\n" AT
	    "loop-constructor: DIR/modules/loop-constructor.so: did not load within 10 s (test-load): a wait in a "
	    "constructor", /* where the machine leaves it less than a fifth of a CPU */
	 NULL},
	{"wait-constructor", "",
	 AT "wait-constructor: DIR/modules/wait-constructor.so: did not load within 10 s (test-load): a wait in a "
	    "constructor",
	 NULL},
	{"exit-constructor", "",
	 AT "exit-constructor: DIR/modules/exit-constructor.so: ended the test-load with status 7 and no answer: a "
	    "constructor must not exit the process",
	 NULL},
	{"liar-constructor", "",
	 AT "liar-constructor: DIR/modules/liar-constructor.so: ended the test-load with status 0 and no answer: a "
	    "constructor must not exit the process",
	 NULL},
	{"unresolved", "",
	 AT "unresolved: DIR/modules/unresolved.so: cannot be loaded: undefined symbol: prism_fixture_nowhere: link it "
	    "against what it uses (-Wl,-z,defs finds this when it is built) and install its libraries",
	 NULL},
	{"no-symbol", "",
	 AT "no-symbol: DIR/modules/no-symbol.so: exports no symbol `prism_module`: define `const struct prism_module "
	    "prism_module` in its source, with default visibility",
	 NULL},
	{"mismatch-name", "",
	 AT "mismatch-name: DIR/modules/mismatch-name.so: calls itself \"somebody-else\" in its descriptor and "
	    "\"mismatch-name\" in its note: build both from one source",
	 NULL},
	{"mismatch-version", "",
	 AT
	 "mismatch-version: DIR/modules/mismatch-version.so: is version \"1.0\" in its descriptor and \"1.1\" in its "
	 "note: build both from one source",
	 NULL},
	{"mismatch-abi", "",
	 AT "mismatch-abi: DIR/modules/mismatch-abi.so: says ABI 1.3 in its descriptor and 1.2 in its note: build both "
	    "from "
	    "one source",
	 NULL},
	{"short-descriptor", "",
	 AT
	 "short-descriptor: DIR/modules/short-descriptor.so: has a descriptor of 24 bytes where ABI 1.0 has 160: put "
	 "PRISM_MODULE_HEADER into it",
	 NULL},
	{"wild-table", "",
	 AT "wild-table: DIR/modules/wild-table.so: crashed with SIGSEGV in the test-load, while its descriptor was "
	    "read: a table points nowhere: install a build of it that works, or report it to its author",
	 NULL},
	{"bad-option", "",
	 AT
	 "bad-option: DIR/modules/bad-option.so: declares an unsound option: option \"level\": its default \"10\" is "
	 "wrong: 10 is out of range: 1 to 9",
	 NULL},
	{"bad-metric", "",
	 AT
	 "bad-metric: DIR/modules/bad-metric.so: metric 0 (prism_fixture_things) is a counter: its name has to end in "
	 "_total",
	 NULL},
	{"bad-element-size", "",
	 AT
	 "bad-element-size: DIR/modules/bad-element-size.so: declares events of 8 bytes each where ABI 1.0 has 16: put "
	 "PRISM_MODULE_HEADER into its descriptor",
	 NULL},
};

/* In the expected text # stands for a number or digest; after the end of a line comes what it may be as well. */
static bool matches(const char *text, const char *expected)
{
	const char *other = strchr(expected, '\n'), *end = other ? other : expected + strlen(expected);

	if (other && matches(text, other + 1))
		return true;
	while (expected < end) {
		if (*expected == '#') {
			size_t n = strspn(text, "0123456789abcdef");

			if (!n)
				return false;
			text += n;
			expected++;
		} else if (*text++ != *expected++) {
			return false;
		}
	}
	return !*text;
}

static void entry(struct world *w, const struct refusal *r, char *buf, size_t size)
{
	const char *dir = strstr(r->more, "DIR");

	snprintf(buf, size, "  - name: life\n  - name: %s\n%.*s%s%s", r->name,
		 dir ? (int)(dir - r->more) : (int)strlen(r->more), r->more, dir ? w->dir : "", dir ? dir + 3 : "");
}

static void test_refusal(void **state)
{
	struct world *w = *state;
	const struct refusal *r = w->param;
	char modules[512];

	world_install(w, "life", NULL);
	world_run(w, "  - name: life\n");
	world_forget(w);
	if (r->prepare)
		r->prepare(w);
	else
		world_install(w, r->name, NULL);
	entry(w, r, modules, sizeof(modules));
	world_run(w, modules);
	if (!matches(world_reason(w, r->name), r->reason))
		assert_string_equal(world_reason(w, r->name), r->reason);
	assert_int_equal(world_state(w, r->name), MODULE_FAILED);
	world_assert_nothing_left(w, r->name);
	/* The other one did not notice. */
	assert_int_equal(world_state(w, "life"), MODULE_RUNNING);
	assert_string_equal(world_steps(w, "life"), "");
	assert_int_equal(host_health(w->host), 1);
}

/* modules: as it stands in prismd.yaml, which has nothing else but where they are. */
static struct settings *settings_of(struct world *w, const char *modules)
{
	struct settings_source source = {.path = world_path(w, "prismd.yaml")};
	struct settings *settings = NULL;
	FILE *f = fopen(source.path, "w");

	assert_non_null(f);
	fprintf(f, "module_dirs: [%s]\nmodules:\n%s", world_path(w, "modules"), modules);
	fclose(f);
	assert_int_equal(settings_load(&source, &settings, NULL), 0);
	return settings;
}

/* host_check_modules() says the same without a daemon, all at once. */
static void test_check_without_daemon(void **state)
{
	struct world *w = *state;
	struct settings *settings;
	struct problems p = {};

	world_install(w, "life", NULL);
	world_install(w, "major", NULL);
	world_install(w, "crash-constructor", NULL);
	world_install(w, "facet-one", NULL);
	world_install(w, "facet-two", NULL);
	settings = settings_of(w, "  - name: major\n  - name: crash-constructor\n  - name: life\n"
				  "    config: {level: 10}\n  - name: absent\n    enabled: false\n"
				  "  - name: facet-one\n  - name: facet-two\n");
	assert_int_equal(host_check_modules(settings, world_exe, &p), -EINVAL);
	assert_int_equal(p.n, 4);
	assert_non_null(strstr(p.list[0].text, "module major"));
	assert_non_null(strstr(p.list[1].text, "crashed with SIGSEGV"));
	assert_string_equal(p.list[2].where, "prismd.yaml:6:14");
	assert_string_equal(p.list[2].text, "modules[2].config.level: 10 is out of range: 1 to 9");
	assert_string_equal(p.list[3].where, "prismd.yaml:10:5");
	assert_string_equal(p.list[3].text, "module facet-two: facet \"shared\" belongs to module facet-one, module "
					    "facet-two cannot have it too: disable one of them");
	problems_done(&p);
	settings_free(settings);
}

struct declared {
	uint64_t life, older;
	unsigned int n;
};

static void keep_declared(void *arg, const struct prism_module *m)
{
	struct declared *declared = arg;

	declared->n++;
	if (!strcmp(m->name, "life"))
		declared->life = m->capabilities;
	else
		declared->older = m->capabilities;
}

/* What lies behind the descriptor of a module of an older minor is not what it declares. */
static void test_declared_without_daemon(void **state)
{
	struct world *w = *state;
	struct declared declared = {.older = 1};
	struct settings *settings;
	struct problems p = {};

	world_install(w, "older", NULL);
	world_install(w, "crash-constructor", NULL);
	world_install(w, "life", NULL);
	settings = settings_of(w, "  - name: older\n  - name: crash-constructor\n  - name: life\n"
				  "  - name: absent\n    enabled: false\n");
	assert_int_equal(host_declared(settings, world_exe, keep_declared, &declared, &p), -EINVAL);
	assert_int_equal(declared.n, 2);
	assert_int_equal(declared.life, PRISM_CAPABILITY(CAP_BPF) | PRISM_CAPABILITY(CAP_SYS_TIME));
	assert_int_equal(declared.older, 0);
	assert_int_equal(p.n, 1);
	assert_non_null(strstr(p.list[0].text, "crashed with SIGSEGV"));
	problems_done(&p);
	settings_free(settings);
}

int main(int argc, char **argv)
{
	struct CMUnitTest tests[ARRAY_SIZE(refusals) + 2];

	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++)
		tests[i] = (struct CMUnitTest){refusals[i].name, test_refusal, world_setup, world_teardown,
					       (void *)&refusals[i]};
	tests[ARRAY_SIZE(refusals)] = (struct CMUnitTest)cmocka_unit_test_setup_teardown(test_check_without_daemon,
											 world_setup, world_teardown);
	tests[ARRAY_SIZE(refusals) + 1] =
		(struct CMUnitTest)cmocka_unit_test_setup_teardown(test_declared_without_daemon, world_setup,
								   world_teardown);
	return world_main(argc, argv, tests, ARRAY_SIZE(tests));
}
