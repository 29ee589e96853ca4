// SPDX-License-Identifier: Apache-2.0
#include "watched.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define PATIENCE_MS 20000

struct watched *watched_new(const struct prism_module *module, const char *config)
{
	struct watched *w = test_calloc(1, sizeof(*w));

	w->module = module;
	w->events = json_array();
	w->fake = sandbox_host_new(module, config);
	assert_non_null(w->fake);
	sandbox_cgroup_make(w->fake, "a", &w->a);
	sandbox_cgroup_make(w->fake, "b", &w->b);
	if (prism_fake_host_start(w->fake))
		fail_msg("%s", prism_fake_host_reason(w->fake));
	sandbox_identity(w->fake, PRISM_IDENTITY_ADDED, ID_A, ID_A, &w->a);
	return w;
}

void watched_free(struct watched *w)
{
	sandbox_host_free(w->fake);
	sandbox_cgroup_remove(&w->a);
	sandbox_cgroup_remove(&w->b);
	json_decref(w->events);
	test_free(w);
}

void watched_take(struct watched *w)
{
	const char *line;

	while ((line = prism_fake_host_event(w->fake, w->taken))) {
		json_t *event = json_loads(line, 0, NULL);

		assert_non_null(event);
		json_array_append_new(w->events, event);
		w->taken++;
	}
}

static bool is(json_t *event, const char *type, uint32_t identity)
{
	return !strcmp(event_text(event, "type") + strlen("trace."), type) &&
	       event_int(event, "identity") == (int64_t)identity;
}

size_t watched_count(struct watched *w, const char *type, uint32_t identity)
{
	json_t *event;
	size_t i, n = 0;

	watched_take(w);
	json_array_foreach(w->events, i, event) n += is(event, type, identity);
	return n;
}

json_t *watched_event(struct watched *w, const char *type, uint32_t identity, size_t nth)
{
	json_t *event;
	size_t i;

	watched_take(w);
	json_array_foreach(w->events, i, event)
	{
		if (is(event, type, identity) && nth-- == 0)
			return event;
	}
	return NULL;
}

struct wish {
	struct watched *w;
	const char *type;
	uint32_t identity;
	size_t n;
};

static bool fulfilled(void *arg)
{
	struct wish *wish = arg;

	return watched_count(wish->w, wish->type, wish->identity) >= wish->n;
}

json_t *watched_wait(struct watched *w, const char *type, uint32_t identity, size_t n)
{
	struct wish wish = {w, type, identity, n};

	if (!prism_fake_host_run(w->fake, PATIENCE_MS, fulfilled, &wish))
		fail_msg("%zu of %zu %s events of identity %u came", watched_count(w, type, identity), n, type,
			 identity);
	return watched_event(w, type, identity, n - 1);
}

int64_t event_int(json_t *event, const char *key)
{
	json_t *value = json_object_get(event, key);

	if (json_is_boolean(value))
		return json_is_true(value);
	return json_is_integer(value) ? json_integer_value(value) : -1;
}

const char *event_text(json_t *event, const char *key)
{
	const char *text = json_string_value(json_object_get(event, key));

	return text ? text : "";
}

double watched_sample(struct watched *w, const char *metric, uint32_t identity, const char *label, const char *value)
{
	char labels[64];

	snprintf(labels, sizeof(labels), "%s=\"%s\"", label, value);
	return prism_fake_host_sample(w->fake, metric, identity, label ? labels : "");
}

static int open_pin(struct watched *w, const char *name)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", prism_pin_dir(prism_fake_host_host(w->fake)), name);
	fd = bpf_obj_get(path);
	assert_true(fd >= 0);
	return fd;
}

void accounts_open(struct watched *w, struct accounts *ret)
{
	ret->counts_fd = open_pin(w, "trace_counts");
	ret->reader_fd = open_pin(w, "trace_reader");
}

struct trace_counts accounts_counts(const struct accounts *accounts)
{
	int cpus = libbpf_num_possible_cpus();
	struct trace_counts *values = test_calloc((size_t)cpus, sizeof(*values)), sum = {0};
	uint32_t zero = 0;

	assert_int_equal(bpf_map_lookup_elem(accounts->counts_fd, &zero, values), 0);
	for (int i = 0; i < cpus; i++) {
		sum.seen += values[i].seen;
		sum.emitted += values[i].emitted;
		sum.dropped += values[i].dropped;
		sum.limited += values[i].limited;
	}
	test_free(values);
	return sum;
}

struct trace_reader accounts_reader(const struct accounts *accounts)
{
	struct trace_reader reader;
	uint32_t zero = 0;

	assert_int_equal(bpf_map_lookup_elem(accounts->reader_fd, &zero, &reader), 0);
	return reader;
}

static uint64_t lost_by(struct watched *w, const char *reason)
{
	uint64_t sum = 0;
	json_t *event;
	size_t i;

	json_array_foreach(w->events, i, event)
	{
		if (is(event, "lost", 0) && !strcmp(event_text(event, "reason"), reason))
			sum += (uint64_t)event_int(event, "count");
	}
	return sum;
}

void watched_remove_and_check(struct watched *w)
{
	struct accounts accounts;
	struct trace_reader reader;
	struct trace_counts counts;

	accounts_open(w, &accounts);
	assert_int_equal(prism_fake_host_stop(w->fake, PRISM_STOP_REMOVE), 0);
	watched_take(w);
	counts = accounts_counts(&accounts);
	reader = accounts_reader(&accounts);
	close(accounts.counts_fd);
	close(accounts.reader_fd);
	assert_int_equal(counts.seen, counts.emitted + counts.dropped + counts.limited);
	assert_int_equal(reader.delivered, counts.emitted);
	assert_int_equal(lost_by(w, "ring_full"), counts.dropped);
	assert_int_equal(lost_by(w, "rate_limited"), counts.limited);
}
