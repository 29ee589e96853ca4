/* SPDX-License-Identifier: Apache-2.0 */
/* Errors, problems, text, files, log lines. */
#include "test.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "base/util.h"

static char dir[64];

static const char *in_dir(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static int make_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/prism-test-base-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

/* ---- errors ---- */

static void an_error_says_what_and_where(void **state)
{
	struct error e = {0};
	char buf[2000], small[8];

	(void)state;
	assert_int_equal(error_set(&e, ENOENT, "a.yaml:1:2", "no %s", "thing"), -ENOENT);
	assert_int_equal(e.code, ENOENT);
	assert_string_equal(error_format(&e, buf, sizeof(buf)), "a.yaml:1:2: no thing");
	assert_string_equal(error_format(&e, small, sizeof(small)), "a.yaml:");
	assert_int_equal(error_prefix(&e, "module %s", "net"), -ENOENT);
	assert_string_equal(e.text, "module net: no thing");
	assert_int_equal(error_set(&e, EIO, NULL, "x"), -EIO);
	assert_string_equal(error_format(&e, buf, sizeof(buf)), "x");
	assert_int_equal(error_set(NULL, EPERM, "nobody", "listens"), -EPERM);
	assert_int_equal(error_prefix(NULL, "x"), -EIO);
	e.code = 0;
	assert_int_equal(error_prefix(&e, "x"), -EIO);
}

/* A prefix costs no more of the text than what does not fit. */
static void a_long_error_is_cut_at_its_end(void **state)
{
	char longest[3000];
	struct error e = {0};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(longest) - 1; i++)
		longest[i] = (char)('a' + i % 26);
	longest[i] = '\0';
	error_set(&e, EIO, longest, "%s", longest);
	assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
	assert_int_equal(strlen(e.where), sizeof(e.where) - 1);
	error_prefix(&e, "xy");
	assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
	assert_memory_equal(e.text, "xy: abc", 7);
	assert_memory_equal(e.text + 4, longest, sizeof(e.text) - 5);
	error_prefix(&e, "%s", longest);
	assert_true(strlen(e.text) < sizeof(e.text));
	assert_memory_equal(e.text, longest, 511);
}

static void problems_are_counted_beyond_the_limit(void **state)
{
	struct problems p = {0};
	unsigned int i;

	(void)state;
	for (i = 0; i < 130; i++)
		assert_int_equal(problems_add(&p, EINVAL, "here", "%u", i), -EINVAL);
	assert_int_equal(p.n, 100);
	assert_int_equal(p.dropped, 30);
	assert_string_equal(p.list[99].text, "99");
	problems_done(&p);
	assert_null(p.list);
	assert_int_equal(problems_add(NULL, EINVAL, NULL, "x"), -EINVAL);
}

/* ---- text ---- */

static void text_grows(void **state)
{
	struct text t = {0};
	unsigned int i;
	char *s;

	(void)state;
	for (i = 0; i < 10000; i++)
		text_append(&t, "0123456789");
	text_appendf(&t, "%d-%s", 42, "x");
	assert_int_equal(t.len, 100004);
	assert_false(t.failed);
	assert_string_equal(t.data + 100000, "42-x");
	text_clear(&t);
	assert_string_equal(t.data, "");
	s = text_take(&t);
	assert_string_equal(s, "");
	free(s);
	assert_null(t.data);
	s = text_take(&t); /* never written */
	assert_string_equal(s, "");
	free(s);
}

static void text_remembers_failure(void **state)
{
	struct text t = {0};

	(void)state;
	text_append(&t, "abc");
	text_append_n(&t, "", SIZE_MAX - 2); /* the length would overflow: nothing is read */
	assert_true(t.failed);
	text_append(&t, "def");
	assert_int_equal(t.len, 3);
	assert_null(text_take(&t));
	assert_null(t.data);
}

static void json_is_escaped(void **state)
{
	static const struct {
		const char *in;
		const char *out;
	} cases[] = {
		{"plain", "plain"},
		{"\"\\", "\\\"\\\\"},
		{"\n\t\r\x01\x7f", "\\n\\t\\u000d\\u0001\\u007f"},
		{"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
		{"\xc3", "\\ufffd"},                                  /* cut off */
		{"\xc0\xaf", "\\ufffd\\ufffd"},                       /* overlong */
		{"\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd"},            /* surrogate */
		{"\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd"}, /* beyond U+10FFFF */
		{"\xe0\x80\x80", "\\ufffd\\ufffd\\ufffd"},
		{"\xff"
		 "a",
		 "\\ufffd"
		 "a"},
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		/* From a buffer of exactly its size: one byte too far is a finding of the sanitizer. */
		size_t n = strlen(cases[i].in);
		char *exact = malloc(n);
		struct text t = {0};

		memcpy(exact, cases[i].in, n);
		text_append_json(&t, exact, n);
		assert_string_equal(t.data, cases[i].out);
		text_done(&t);
		free(exact);
	}
}

/* ---- files ---- */

static void a_file_is_written_whole_or_not(void **state)
{
	struct error e = {0};
	struct stat st;
	size_t len;
	char *data;

	(void)state;
	assert_int_equal(file_write_atomic(in_dir("f"), "one", 3, 0640, &e), 0);
	assert_int_equal(file_write_atomic(in_dir("f"), "two\0x", 5, 0600, &e), 0);
	assert_int_equal(file_read(in_dir("f"), 5, &data, &len, &e), 0);
	assert_int_equal(len, 5);
	assert_memory_equal(data, "two\0x\0", 6);
	free(data);
	assert_int_equal(stat(in_dir("f"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	/* A directory in its place: nothing is left beside it. */
	assert_int_equal(mkdir(in_dir("d"), 0755), 0);
	assert_int_equal(file_write_atomic(in_dir("d"), "x", 1, 0600, &e), -EISDIR);
	assert_string_equal(e.where, in_dir("d"));
	assert_int_equal(rmdir(in_dir("d")), 0);
	assert_int_equal(unlink(in_dir("f")), 0);
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(file_write_atomic(in_dir("f"), "x", 1, 0600, &e), -ENOENT);
	assert_int_equal(mkdir(dir, 0700), 0);
}

static void a_read_is_bounded(void **state)
{
	char *data = (char *)1, *big = calloc(1, 10000);
	struct error e = {0};
	size_t len = 77;

	(void)state;
	assert_int_equal(file_write_atomic(in_dir("big"), big, 10000, 0600, &e), 0);
	assert_int_equal(file_read(in_dir("big"), 9999, &data, &len, &e), -EFBIG);
	assert_contains(e.text, "9999 bytes");
	assert_int_equal(file_read("/tmp", 10, &data, &len, &e), -EINVAL);
	assert_string_equal(e.text, "is not a regular file");
	assert_int_equal(mkfifo(in_dir("fifo"), 0600), 0);
	assert_int_equal(file_read(in_dir("fifo"), 10, &data, &len, &e), -EINVAL); /* and does not hang */
	assert_int_equal(file_read(in_dir("none"), 10, &data, &len, &e), -ENOENT);
	assert_ptr_equal(data, (char *)1);
	assert_int_equal(len, 77);
	assert_int_equal(file_read(in_dir("big"), 10000, &data, &len, &e), 0);
	assert_int_equal(len, 10000);
	free(data);
	assert_int_equal(file_write_atomic(in_dir("empty"), "", 0, 0600, &e), 0);
	assert_int_equal(file_read(in_dir("empty"), 0, &data, &len, &e), 0);
	assert_int_equal(len, 0);
	assert_string_equal(data, "");
	free(data);
	free(big);
}

static void directories_are_made(void **state)
{
	char deep[PATH_MAX + 10];
	struct error e = {0};
	struct stat st;

	(void)state;
	assert_int_equal(file_make_dirs(in_dir("a//b/c/"), 0750, &e), 0);
	assert_int_equal(stat(in_dir("a/b/c"), &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(file_make_dirs(in_dir("a/b/c"), 0750, &e), 0);
	assert_int_equal(file_make_dirs("/", 0750, &e), 0);
	assert_int_equal(file_write_atomic(in_dir("file"), "", 0, 0600, &e), 0);
	assert_int_equal(file_make_dirs(in_dir("file"), 0750, &e), -ENOTDIR);
	assert_int_equal(file_make_dirs(in_dir("file/x"), 0750, &e), -ENOTDIR);
	assert_int_equal(file_make_dirs("", 0750, &e), -ENOENT);
	memset(deep, 'a', sizeof(deep));
	deep[sizeof(deep) - 1] = '\0';
	assert_int_equal(file_make_dirs(deep, 0750, &e), -ENAMETOOLONG);
}

/* ---- the log ---- */

/* What one log line looks like on stderr. */
static void logged(enum log_format format, enum log_level max, char *buf, size_t size)
{
	int saved = dup(STDERR_FILENO), fd[2];
	ssize_t n;

	assert_int_equal(pipe(fd), 0);
	assert_true(dup2(fd[1], STDERR_FILENO) >= 0);
	close(fd[1]);
	log_setup(max, format);
	log_line(LOG_LEVEL_WARNING, "bus", "a\nb\x1b[0m \"%s\"", "c");
	assert_true(dup2(saved, STDERR_FILENO) >= 0); /* the pipe's last writer is gone now */
	close(saved);
	n = read(fd[0], buf, size - 1);
	assert_true(n >= 0);
	buf[n] = '\0';
	close(fd[0]);
}

static void a_log_line_is_one_line(void **state)
{
	char buf[500];

	(void)state;
	logged(LOG_FORMAT_PLAIN, LOG_LEVEL_INFO, buf, sizeof(buf));
	assert_string_equal(buf + strlen("2026-01-01T00:00:00.000Z"), " warning bus: a\\x0ab\\x1b[0m \"c\"\n");
	logged(LOG_FORMAT_JOURNAL, LOG_LEVEL_INFO, buf, sizeof(buf));
	assert_string_equal(buf, "<4>bus: a\\x0ab\\x1b[0m \"c\"\n");
	logged(LOG_FORMAT_JSON, LOG_LEVEL_INFO, buf, sizeof(buf));
	assert_contains(buf, "\"level\":\"warning\",\"room\":\"bus\",\"message\":\"a\\nb\\u001b[0m \\\"c\\\"\"}\n");
	logged(LOG_FORMAT_PLAIN, LOG_LEVEL_ERROR, buf, sizeof(buf));
	assert_string_equal(buf, "");
	log_setup(LOG_LEVEL_INFO, LOG_FORMAT_AUTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_error_says_what_and_where),
		cmocka_unit_test(a_long_error_is_cut_at_its_end),
		cmocka_unit_test(problems_are_counted_beyond_the_limit),
		cmocka_unit_test(text_grows),
		cmocka_unit_test(text_remembers_failure),
		cmocka_unit_test(json_is_escaped),
		cmocka_unit_test(a_file_is_written_whole_or_not),
		cmocka_unit_test(a_read_is_bounded),
		cmocka_unit_test(directories_are_made),
		cmocka_unit_test(a_log_line_is_one_line),
	};

	return cmocka_run_group_tests_name("base", tests, make_dir, remove_dir);
}
