/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order that is the contract: on arrival the bus is written first and then it is said; on departure it is said
 * first and then the entry goes. Whoever listens looks at the real map at the moment it hears. Modules are told by the
 * same call as the stream, one line before.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <bpf/bpf.h>

#include "agent/pipeline.h"
#include "pipeline_world.h"

#define ID 4711u

struct heard {
	struct stream_listener listener; /* first */
	unsigned int added, removed, changed;
	bool entry_at_added, entry_at_removed;
};

static struct agent agent;
static struct heard heard;

static bool on_map(uint64_t cgroup_id)
{
	struct prism_identity entry;

	return bpf_map_lookup_elem(bus_fd(agent.bus), &cgroup_id, &entry) == 0;
}

static void hear(struct stream_listener *l)
{
	uint64_t missed;
	const struct stream_record *r = stream_read(agent.stream, stream_last_seq(agent.stream), &missed);

	assert_ptr_equal(l, &heard.listener);
	if (strstr(r->json, "\"change\":\"added\"")) {
		heard.added++;
		heard.entry_at_added = on_map(ID);
	} else if (strstr(r->json, "\"change\":\"removed\"")) {
		heard.removed++;
		heard.entry_at_removed = on_map(ID);
	} else if (strstr(r->json, "\"change\":\"changed\"")) {
		heard.changed++;
	}
}

static int setup(void **state)
{
	(void)state;
	pipeline_world_init(&agent, "[{match: 'test/{app}', namespace: test}]", 8);
	heard = (struct heard){.listener.fn = hear};
	stream_listen(agent.stream, &heard.listener);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	stream_unlisten(&heard.listener);
	pipeline_world_done(&agent);
	return 0;
}

static struct cgroup *add(struct cgroup *parent, uint64_t id, const char *name)
{
	struct cgroup *cg;

	assert_int_equal(cgroup_add(agent.cgroups, parent, id, name, &cg), 0);
	pipeline_cgroup_added(agent.pipeline, cg, 1);
	return cg;
}

static void take(struct cgroup *cg)
{
	pipeline_cgroup_removed(agent.pipeline, cg);
	cgroup_remove(agent.cgroups, cg);
}

static void arrival_is_written_then_said(void **state)
{
	struct cgroup *test = add(cgroups_root(agent.cgroups), 2, "test");

	(void)state;
	add(test, ID, "web");
	assert_int_equal(heard.added, 0);
	assert_false(on_map(ID));
	pipeline_flush(agent.pipeline);
	assert_int_equal(heard.added, 1);
	assert_true(heard.entry_at_added);
}

static void departure_is_said_then_written(void **state)
{
	struct cgroup *test = add(cgroups_root(agent.cgroups), 2, "test"), *web = add(test, ID, "web");

	(void)state;
	pipeline_flush(agent.pipeline);
	take(web);
	assert_int_equal(heard.removed, 1);
	assert_true(heard.entry_at_removed);
	pipeline_flush(agent.pipeline);
	assert_false(on_map(ID));
}

/* Both in one batch: nothing was on the bus, yet whoever hears of the one hears of the other, and in that order. */
static void there_and_gone_in_one_batch(void **state)
{
	struct cgroup *test = add(cgroups_root(agent.cgroups), 2, "test"), *web = add(test, ID, "web");

	(void)state;
	take(web);
	pipeline_flush(agent.pipeline);
	assert_int_equal(heard.added, heard.removed);
	assert_true(!heard.added || heard.entry_at_added);
	assert_false(on_map(ID));
}

/* A full map: what found no room is not said until it has, and is not said to go if it never came. */
static void what_a_full_map_keeps_waiting_is_not_said(void **state)
{
	struct cgroup *test = add(cgroups_root(agent.cgroups), 2, "test"), *full[8], *late;
	char name[16];

	(void)state;
	for (unsigned int i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "app%u", i);
		full[i] = add(test, 100 + i, name);
	}
	pipeline_flush(agent.pipeline);
	assert_int_equal(heard.added, 8);
	late = add(test, ID, "late");
	pipeline_flush(agent.pipeline);
	assert_int_equal(heard.added, 8);
	take(late);
	assert_int_equal(heard.removed, 0);
	add(test, ID, "later");
	pipeline_flush(agent.pipeline);
	assert_int_equal(heard.added, 8);
	take(full[0]);
	pipeline_flush(agent.pipeline);
	assert_int_equal(heard.added, 9);
	assert_true(heard.entry_at_added);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(arrival_is_written_then_said, setup, teardown),
		cmocka_unit_test_setup_teardown(departure_is_said_then_written, setup, teardown),
		cmocka_unit_test_setup_teardown(there_and_gone_in_one_batch, setup, teardown),
		cmocka_unit_test_setup_teardown(what_a_full_map_keeps_waiting_is_not_said, setup, teardown),
	};

	return cmocka_run_group_tests_name("pipeline", tests, NULL, NULL);
}
