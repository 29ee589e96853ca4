/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the module host that need no module file: descriptors, ledger, settings, what is known of identities. */
#include "test.h"

#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "host/crash.h"
#include "host/descriptor.h"
#include "host/known.h"
#include "host/ledger.h"
#include "host/pins.h"
#include "host/setting.h"

static char dir[64];

static const char *in_dir(const char *name)
{
	static char path[4][128];
	static unsigned int next;
	char *p = path[next++ % 4];

	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

static int make_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/prism-test-%d-XXXXXX", (int)getpid());
	return mkdtemp(dir) ? 0 : -1;
}

static int drop_dir(void **state)
{
	(void)state;
	unlink(in_dir("host.state"));
	unlink(in_dir("host.state.damaged"));
	pins_remove(dir, "pins", NULL, NULL);
	return rmdir(dir);
}

/* ---- descriptor -------------------------------------------------------------------------------------------------- */

static const struct prism_note note = {.abi_major = PRISM_ABI_MAJOR,
				       .abi_minor = PRISM_ABI_MINOR,
				       .name = "net",
				       .version = "1.0"};

static struct prism_module sound(void)
{
	struct prism_module m = {PRISM_MODULE_HEADER, .name = "net", .version = "1.0", .summary = "s"};

	return m;
}

static void assert_refused(const struct prism_module *m, const char *part)
{
	struct prism_module copy = {.size = 77};
	struct error e = {};

	assert_true(descriptor_read(m, &note, &copy, &e) < 0);
	assert_contains(e.text, part);
	assert_int_equal(copy.size, 77);
}

static void test_descriptor_sizes(void **state)
{
	struct prism_module m = sound(), copy;
	unsigned char longer[sizeof(m) + 64] = {};
	struct error e = {};

	(void)state;
	assert_int_equal(descriptor_read(&m, &note, &copy, &e), 0);
	/* A later ABI of the same minor would not, but a longer structure alone is no fault. */
	m.size = sizeof(longer);
	memcpy(longer, &m, sizeof(m));
	assert_int_equal(descriptor_read((struct prism_module *)longer, &note, &copy, &e), 0);
	m.size = 159;
	assert_refused(&m, "has a descriptor of 159 bytes where ABI 1.0 has 160");
	m.size = 0xffffffff;
	assert_refused(&m, "has a descriptor of 4294967295 bytes");
}

static void test_descriptor_identity(void **state)
{
	struct prism_module m = sound();

	(void)state;
	m.name = NULL;
	assert_refused(&m, "calls itself \"\"");
	m = sound();
	m.version = "2";
	assert_refused(&m, "is version \"2\" in its descriptor and \"1.0\" in its note");
	m = sound();
	m.facet = "Not This";
	assert_refused(&m, "claims a facet called \"Not This\"");
	m = sound();
	m.n_options = 2;
	assert_refused(&m, "declares 2 options without a table of them");
	m.options = (const struct prism_option *)"x";
	m.n_options = 257;
	assert_refused(&m, "declares 257 options, more than 256");
}

static void refuse_metric(const struct prism_metric *metric, const char *part)
{
	struct prism_module m = sound();

	m.metrics = metric;
	m.n_metrics = 1;
	assert_refused(&m, part);
}

static void test_descriptor_metrics(void **state)
{
	static const double falling[] = {1, 0.5}, infinite[] = {1, INFINITY};
	static const char *const labels[] = {"ok", "not ok", NULL};
	struct prism_metric m = {.name = "prism_x", .kind = PRISM_METRIC_GAUGE, .help = "h"};

	(void)state;
	m.name = "x";
	refuse_metric(&m, "metric 0 is called \"x\": a metric's name begins with prism_ and has ");
	m.name = "prism_";
	refuse_metric(&m, "metric 0 is called \"prism_\"");
	m.name = "prism_X";
	refuse_metric(&m, "metric 0 is called \"prism_X\"");
	m.name = "prism_x{}";
	refuse_metric(&m, "metric 0 is called");
	m.name = "prism_x";
	m.kind = 9;
	refuse_metric(&m, "of unknown kind 9");
	m.kind = PRISM_METRIC_COUNTER;
	refuse_metric(&m, "has to end in _total");
	m.kind = PRISM_METRIC_HISTOGRAM;
	refuse_metric(&m, "is a histogram with 0 buckets");
	m.buckets = falling;
	m.n_buckets = 2;
	refuse_metric(&m, "bucket 1 does not ascend");
	m.buckets = infinite;
	refuse_metric(&m, "bucket 1 does not ascend");
	m.kind = PRISM_METRIC_GAUGE;
	m.labels = labels;
	refuse_metric(&m, "label 1 is not a name");
	m.labels = NULL;
	m.help = NULL;
	refuse_metric(&m, "has no help text");
}

/* Elements of an older, shorter kind get zeroes for what they lack; longer ones are stepped over whole. */
static void test_descriptor_strides(void **state)
{
	struct {
		struct prism_event_type t;
		uint64_t later;
	} table[2] = {{.t = {"a", "h"}, .later = 1}, {.t = {"b", "h"}, .later = 2}};
	struct prism_module m = sound(), copy;
	struct error e = {};

	(void)state;
	m.events = &table[0].t;
	m.event_size = sizeof(table[0]);
	m.n_events = 2;
	assert_int_equal(descriptor_read(&m, &note, &copy, &e), 0);
	assert_string_equal(descriptor_event(&copy, 1).name, "b");
	m.event_size = 9;
	assert_refused(&m, "declares events of 9 bytes each where ABI 1.0 has 16");
}

/* ---- ledger ------------------------------------------------------------------------------------------------------ */

static struct ledger *open_ledger(void)
{
	struct ledger *l = NULL;
	struct error e = {};

	if (ledger_open(dir, &l, &e))
		fail_msg("%s: %s", e.where, e.text);
	return l;
}

static uint32_t crashes(struct ledger *l, int slot)
{
	struct ledger_record record;

	ledger_get(l, slot, &record);
	return record.crashes;
}

/* As the signal handler or the watchdog leaves the file. */
static void mark_file(uint64_t mark)
{
	struct crash_page page = {};
	int fd = open(in_dir("host.state"), O_RDWR | O_CLOEXEC);

	assert_int_equal(pread(fd, &page, sizeof(page), 8), sizeof(page));
	page.mark = mark;
	page.mark_ns = 1000000000ull;
	assert_int_equal(pwrite(fd, &page, sizeof(page), 8), sizeof(page));
	close(fd);
}

static void test_ledger_marks(void **state)
{
	static const uint8_t a[MODULE_DIGEST_SIZE] = {1}, b[MODULE_DIGEST_SIZE] = {2};
	struct ledger *l = open_ledger();
	int net = ledger_slot(l, "net"), trace = ledger_slot(l, "trace");
	uint64_t outer, inner;

	(void)state;
	assert_int_not_equal(net, trace);
	ledger_content(l, net, a);
	/* Died without a mark, in the middle of nested callbacks: nobody's crash. */
	outer = ledger_enter(l, net, CALLBACK_START);
	inner = ledger_enter(l, trace, CALLBACK_TIMER);
	assert_true(inner != 0);
	assert_int_equal(outer, 0);
	ledger_close(l);
	l = open_ledger();
	assert_int_equal(crashes(l, net), 0);
	ledger_close(l);
	mark_file((uint64_t)11 << 16 | CALLBACK_TIMER << 8 | (uint64_t)(net + 1));
	l = open_ledger();
	assert_int_equal(ledger_slot(l, "net"), net);
	assert_int_equal(crashes(l, net), 1);
	assert_int_equal(crashes(l, trace), 0);
	ledger_content(l, net, a);
	assert_int_equal(crashes(l, net), 1);
	ledger_content(l, net, b);
	assert_int_equal(crashes(l, net), 0);
	ledger_close(l);
	/* A mark counts once. */
	l = open_ledger();
	assert_int_equal(crashes(l, net), 0);
	ledger_close(l);
}

static void test_ledger_describes(void **state)
{
	struct ledger_record record = {.cause = 11, .callback = CALLBACK_START, .when_ns = 1};
	char buf[128];

	(void)state;
	assert_string_equal(ledger_describe(&record, buf, sizeof(buf)),
			    "SIGSEGV in its start(), 1970-01-01 00:00:00 UTC");
	record.cause = LEDGER_CAUSE_DEADLINE;
	assert_string_equal(ledger_describe(&record, buf, sizeof(buf)),
			    "its start() held the loop beyond node.callback_deadline, 1970-01-01 00:00:00 UTC");
}

static void test_ledger_hostile(void **state)
{
	static const uint64_t marks[] = {0xff, 0xffff, ~0ull, 65, 0x00ff01, 0xffffffffff00};
	struct ledger *l = open_ledger();
	int slot = ledger_slot(l, "net");

	(void)state;
	ledger_close(l);
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		mark_file(marks[i]);
		l = open_ledger();
		assert_int_equal(crashes(l, slot), 0);
		ledger_close(l);
	}
}

static void test_ledger_damaged(void **state)
{
	struct error e = {};
	struct ledger *l;

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		l = open_ledger();
		ledger_slot(l, "net");
		ledger_close(l);
		if (i == 0) {
			assert_int_equal(truncate(in_dir("host.state"), 100), 0);
		} else {
			assert_int_equal(file_write_atomic(in_dir("host.state"), "garbage", 7, 0600, &e), 0);
		}
		l = open_ledger();
		assert_int_equal(access(in_dir("host.state.damaged"), F_OK), 0);
		assert_int_equal(ledger_slot(l, "net"), 0);
		ledger_close(l);
		unlink(in_dir("host.state.damaged"));
	}
}

static void test_ledger_slots(void **state)
{
	struct ledger *l = open_ledger();
	char name[16];

	(void)state;
	for (int i = 0; i < LEDGER_SLOTS; i++) {
		snprintf(name, sizeof(name), "m%d", i);
		assert_int_equal(ledger_slot(l, name), i);
	}
	assert_int_equal(ledger_slot(l, "one-more"), -ENOSPC);
	ledger_close(l);
	/* In the next run nobody uses them, and they give way. */
	l = open_ledger();
	assert_int_equal(ledger_slot(l, "m3"), 3);
	assert_int_equal(ledger_slot(l, "one-more"), 0);
	assert_int_equal(ledger_slot(l, "m3"), 3);
	ledger_close(l);
}

static void test_ledger_override(void **state)
{
	struct ledger *l = open_ledger();
	int slot = ledger_slot(l, "net");

	(void)state;
	ledger_set_override(l, slot, OVERRIDE_DISABLED, 42);
	ledger_close(l);
	l = open_ledger();
	slot = ledger_slot(l, "net");
	assert_int_equal(ledger_get_override(l, slot, 42), OVERRIDE_DISABLED);
	assert_int_equal(ledger_get_override(l, slot, 43), OVERRIDE_NONE);
	ledger_close(l);
}

static void test_ledger_locked(void **state)
{
	struct ledger *l = open_ledger(), *second = NULL;
	struct error e = {};

	(void)state;
	assert_int_equal(ledger_open(dir, &second, &e), -EBUSY);
	assert_null(second);
	assert_contains(e.text, "another prismd uses this state directory");
	ledger_close(l);
}

/* ---- settings ---------------------------------------------------------------------------------------------------- */

static const char text[] = "modules:\n"
			   "  - name: a\n"
			   "    config: {x: [1, 2], y: {z: 3}}\n"
			   "  - name: b\n"
			   "    config:\n"
			   "      x:\n"
			   "        - 1\n"
			   "        - 2\n"
			   "      y: {z: 3}\n"
			   "  - name: c\n"
			   "    config: {x: [1, 2], y: {z: \"3\"}}\n";

static void take_setting(const struct prism_node *list, uint32_t i, struct module_setting **ret)
{
	const struct prism_node *node = list->child[i];
	struct module_setting s = {.name = node_get(node, "name")->text,
				   .enabled = true,
				   .node = node,
				   .config = node_get(node, "config")};

	assert_int_equal(setting_copy(&s, ret), 0);
}

static void test_setting_copy(void **state)
{
	struct module_setting *a, *b, *c;
	struct prism_node *root = NULL;
	struct tree *tree = tree_new();
	struct problems p = {};
	char buf[128];

	(void)state;
	assert_int_equal(tree_parse_text(tree, "/etc/t.yaml", text, sizeof(text) - 1, &root, &p), 0);
	take_setting(node_get(root, "modules"), 0, &a);
	take_setting(node_get(root, "modules"), 1, &b);
	take_setting(node_get(root, "modules"), 2, &c);
	tree_free(tree);
	/* Places and paths live on without the tree. */
	assert_string_equal(node_where(node_get(a->config, "y"), false, buf, sizeof(buf)), "t.yaml:3:25");
	assert_string_equal(node_path(node_get(b->config, "x")->child[1], buf, sizeof(buf)), "modules[1].config.x[1]");
	assert_true(setting_same_config(a, b));
	/* Quoted, it is a text. */
	assert_false(setting_same_config(a, c));
	assert_true(setting_fingerprint(a) == setting_fingerprint(a));
	assert_true(setting_fingerprint(a) != setting_fingerprint(b));
	b->enabled = false;
	assert_true(setting_fingerprint(b) != setting_fingerprint(c));
	setting_free(a);
	setting_free(b);
	setting_free(c);
}

/* ---- known identities -------------------------------------------------------------------------------------------- */

static void test_known(void **state)
{
	struct known *table = NULL, *k;

	(void)state;
	k = known_get(&table, 300);
	k->told = 3;
	k->on = 2;
	k->fresh = 2;
	known_get(&table, 301)->off = 2;
	assert_ptr_equal(known_find(&table, 300), k);
	/* Only what the present run did not say goes. */
	assert_true(known_drop(&table, 2, false, true, true));
	assert_null(known_find(&table, 301));
	assert_int_equal(known_find(&table, 300)->on, 2);
	known_age(table, 2);
	assert_true(known_drop(&table, 2, true, true, true));
	assert_int_equal(known_find(&table, 300)->told, 1);
	assert_false(known_drop(&table, 1, true, true, false));
	assert_null(table);
	known_free(&table);
}

/* ---- pins -------------------------------------------------------------------------------------------------------- */

static void touch(const char *path)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
}

static void test_pins(void **state)
{
	struct pins_list before;
	struct error e = {};

	(void)state;
	assert_int_equal(pins_make(dir, "pins", &e), 0);
	touch(in_dir("pins/old"));
	pins_list(dir, "pins", &before);
	touch(in_dir("pins/new"));
	assert_int_equal(mkdir(in_dir("pins/deep"), 0700), 0);
	touch(in_dir("pins/deep/er"));
	/* A link out of the directory goes as a link. */
	assert_int_equal(symlink("/etc", in_dir("pins/etc")), 0);
	assert_int_equal(pins_remove(dir, "pins", &before, &e), 0);
	pins_list_done(&before);
	assert_int_equal(access(in_dir("pins/old"), F_OK), 0);
	assert_int_equal(access(in_dir("pins/new"), F_OK), -1);
	assert_int_equal(access(in_dir("pins/deep"), F_OK), -1);
	assert_int_equal(access("/etc/passwd", F_OK), 0);
	assert_int_equal(pins_remove(dir, "pins", NULL, &e), 0);
	assert_int_equal(access(in_dir("pins"), F_OK), -1);
	assert_int_equal(pins_remove(dir, "pins", NULL, &e), 0);
	assert_int_equal(pins_remove(dir, "../etc", NULL, &e), -EINVAL);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, make_dir, drop_dir)
	const struct CMUnitTest tests[] = {
		TEST(test_descriptor_sizes),
		TEST(test_descriptor_identity),
		TEST(test_descriptor_metrics),
		TEST(test_descriptor_strides),
		TEST(test_ledger_marks),
		TEST(test_ledger_describes),
		TEST(test_ledger_hostile),
		TEST(test_ledger_damaged),
		TEST(test_ledger_slots),
		TEST(test_ledger_override),
		TEST(test_ledger_locked),
		TEST(test_setting_copy),
		TEST(test_known),
		TEST(test_pins),
	};

	log_setup((enum log_level)0, LOG_FORMAT_PLAIN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
