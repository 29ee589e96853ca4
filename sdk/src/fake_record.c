// SPDX-License-Identifier: Apache-2.0
#include <bpf/bpf.h>
#include <jansson.h>
#include <math.h>

#include "fake.h"

/* Takes line. */
static void push(struct lines *lines, char *line)
{
	char **at = line ? realloc(lines->at, (lines->n + 1) * sizeof(char *)) : NULL;

	if (!at) {
		free(line);
		return;
	}
	lines->at = at;
	at[lines->n++] = line;
}

static void lines_done(struct lines *lines)
{
	size_t i;

	for (i = 0; i < lines->n; i++)
		free(lines->at[i]);
	free(lines->at);
	*lines = (struct lines){};
}

/* Where this line is; lines->n: nowhere. */
static size_t find(const struct lines *lines, const char *line)
{
	size_t i;

	for (i = 0; i < lines->n && strcmp(lines->at[i], line) != 0; i++)
		;
	return i;
}

static const char *level_name(int level)
{
	switch (level) {
	case PRISM_LOG_ERROR:
		return "error";
	case PRISM_LOG_WARNING:
		return "warning";
	case PRISM_LOG_INFO:
		return "info";
	default:
		return "debug";
	}
}

void fake_log(struct prism_host *host, int level, const char *text)
{
	char *line;

	if (asprintf(&line, "%s: %s", level_name(level), text) < 0)
		return;
	push(&fake_of(host)->log, line);
}

void fake_fail(struct prism_host *host, int code, const char *where, const char *text)
{
	struct prism_fake_host *fake = fake_of(host);

	(void)code;
	snprintf(fake->reason, sizeof(fake->reason), "%s%s%s", where ? where : "", where ? ": " : "", text);
	fake_log(host, PRISM_LOG_ERROR, fake->reason);
}

void fake_condition(struct prism_host *host, const char *text)
{
	struct prism_fake_host *fake = fake_of(host);

	snprintf(fake->condition, sizeof(fake->condition), "%s", text ? text : "");
}

int fake_program(struct prism_host *host, const char *name, int fd)
{
	struct lines *programs = &fake_of(host)->programs;
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);
	size_t i;

	if (fd >= 0 && (!name[0] || bpf_prog_get_info_by_fd(fd, &info, &len) < 0))
		return -EINVAL;
	i = find(programs, name);
	if (i < programs->n) {
		free(programs->at[i]);
		programs->at[i] = programs->at[--programs->n];
	}
	if (fd >= 0)
		push(programs, strdup(name));
	return 0;
}

bool prism_fake_host_program(const struct prism_fake_host *fake, const char *name)
{
	return find(&fake->programs, name) < fake->programs.n;
}

void fake_programs_done(struct prism_fake_host *fake)
{
	lines_done(&fake->programs);
}

/* Bytes that are not UTF-8 become \xNN, so that no event is lost for its text. */
static json_t *text_value(const char *text)
{
	json_t *value = json_string(text ? text : "");
	char *escaped, *p;

	if (value || !text)
		return value;
	escaped = p = malloc(strlen(text) * 4 + 1);
	for (; escaped && *text; text++)
		p += (unsigned char)*text < 0x80 ? sprintf(p, "%c", *text)
						 : sprintf(p, "\\x%02x", (unsigned char)*text);
	value = escaped ? json_string(escaped) : NULL;
	free(escaped);
	return value;
}

static json_t *list_value(const struct prism_field *field)
{
	json_t *list = json_array();
	uint32_t i;

	for (i = 0; i < field->n; i++)
		json_array_append_new(list, text_value(field->v.list[i]));
	return list;
}

static json_t *field_value(const struct prism_field *field)
{
	char text[24];

	switch (field->kind) {
	case PRISM_FIELD_UNSIGNED:
		if (field->v.u > INT64_MAX) {
			snprintf(text, sizeof(text), "%llu", (unsigned long long)field->v.u);
			return json_string(text);
		}
		return json_integer((json_int_t)field->v.u);
	case PRISM_FIELD_SIGNED:
		return json_integer((json_int_t)field->v.i);
	case PRISM_FIELD_TEXT:
		return text_value(field->v.text);
	case PRISM_FIELD_LIST:
		return list_value(field);
	case PRISM_FIELD_BOOL:
		return json_boolean(field->v.u);
	default:
		return NULL;
	}
}

/* A key that the line has already goes under `<module>.<key>`, as in prismd's event stream. */
static int add_fields(struct prism_fake_host *fake, const struct prism_event *event, json_t *object)
{
	struct prism_field field;
	char key[256];
	json_t *value;
	uint32_t i;

	for (i = 0; i < event->n_fields; i++) {
		fake_element(&field, sizeof(field), event->fields, event->field_size, i);
		value = field.key ? field_value(&field) : NULL;
		if (!value)
			return -EINVAL;
		if (json_object_get(object, field.key))
			snprintf(key, sizeof(key), "%s.%s", fake->module->name, field.key);
		else
			snprintf(key, sizeof(key), "%s", field.key);
		json_object_set_new(object, key, value);
	}
	return 0;
}

static int event_head(struct prism_fake_host *fake, const struct prism_event *event, json_t *object)
{
	struct prism_event_type type;
	char name[128];

	if (event->type >= fake->module->n_events)
		return -EINVAL;
	fake_element(&type, sizeof(type), fake->module->events, fake->module->event_size, event->type);
	snprintf(name, sizeof(name), "%s.%s", fake->module->name, type.name);
	json_object_set_new(object, "type", text_value(name));
	json_object_set_new(object, "identity", json_integer(event->identity));
	json_object_set_new(object, "flags", json_integer(event->flags));
	return 0;
}

int fake_event(struct prism_host *host, const struct prism_event *from)
{
	struct prism_fake_host *fake = fake_of(host);
	struct prism_event event;
	json_t *object = json_object();
	int r;

	fake_element(&event, sizeof(event), from, from->size, 0);
	r = event_head(fake, &event, object);
	if (!r)
		r = add_fields(fake, &event, object);
	if (!r)
		push(&fake->events, json_dumps(object, JSON_COMPACT));
	json_decref(object);
	return r;
}

static struct prism_metric metric_at(const struct prism_fake_host *fake, uint32_t i)
{
	struct prism_metric metric = {};

	if (i < fake->module->n_metrics)
		fake_element(&metric, sizeof(metric), fake->module->metrics, fake->module->metric_size, i);
	return metric;
}

/* a="b",c="d" in declared order. */
static char *join_labels(const struct prism_metric *metric, const char *const *labels)
{
	char *joined = strdup(""), *longer;
	size_t i;

	for (i = 0; joined && metric->labels && metric->labels[i]; i++) {
		if (asprintf(&longer, "%s%s%s=\"%s\"", joined, i ? "," : "", metric->labels[i],
			     labels ? labels[i] : "") < 0)
			longer = NULL;
		free(joined);
		joined = longer;
	}
	return joined;
}

/* Takes labels. */
static void add_joined(struct prism_sink *sink, uint32_t metric, uint32_t identity, char *labels, const char *suffix,
		       double value)
{
	struct sample *samples = labels ? realloc(sink->samples, (sink->n + 1) * sizeof(*samples)) : NULL;

	if (!samples) {
		free(labels);
		return;
	}
	sink->samples = samples;
	samples[sink->n++] = (struct sample){metric, identity, labels, suffix, value};
}

static void add_sample(struct prism_sink *sink, uint32_t metric, uint32_t identity, const char *const *labels,
		       const char *suffix, double value)
{
	struct prism_metric declared = metric_at(sink->fake, metric);

	add_joined(sink, metric, identity, join_labels(&declared, labels), suffix, value);
}

/* le comes last: a="b",le="0.001"; value: how many were not above it. */
static void add_bucket(struct prism_sink *sink, uint32_t metric, uint32_t identity, const char *const *labels,
		       uint32_t bucket, double value)
{
	struct prism_metric declared = metric_at(sink->fake, metric);
	char *joined = join_labels(&declared, labels), *all;
	char bound[32] = "+Inf";

	if (bucket < declared.n_buckets)
		snprintf(bound, sizeof(bound), "%g", declared.buckets[bucket]);
	if (!joined || asprintf(&all, "%s%sle=\"%s\"", joined, joined[0] ? "," : "", bound) < 0)
		all = NULL;
	free(joined);
	add_joined(sink, metric, identity, all, "_bucket", value);
}

void fake_sample(struct prism_sink *sink, uint32_t metric, uint32_t identity, const char *const *labels, double value)
{
	add_sample(sink, metric, identity, labels, "", value);
}

void fake_histogram(struct prism_sink *sink, uint32_t metric, uint32_t identity, const char *const *labels,
		    const uint64_t *counts, double sum)
{
	uint32_t i, n = metric_at(sink->fake, metric).n_buckets + 1;
	double count = 0;

	for (i = 0; i < n; i++) {
		count += (double)counts[i];
		add_bucket(sink, metric, identity, labels, i, count);
	}
	add_sample(sink, metric, identity, labels, "_count", count);
	add_sample(sink, metric, identity, labels, "_sum", sum);
}

static bool is_sample(const struct prism_fake_host *fake, const struct sample *s, const char *metric, uint32_t identity,
		      const char *labels)
{
	const char *name = metric_at(fake, s->metric).name;
	size_t len = name ? strlen(name) : 0;

	return name && s->identity == identity && !strncmp(metric, name, len) && !strcmp(metric + len, s->suffix) &&
	       !strcmp(s->labels, labels ? labels : "");
}

double prism_fake_host_sample(struct prism_fake_host *fake, const char *metric, uint32_t identity, const char *labels)
{
	struct prism_sink sink = {.fake = fake};
	double value = NAN;
	size_t i;

	if (fake->state == FAKE_RUNNING && fake->module->collect)
		fake->module->collect(fake->self, &sink);
	for (i = 0; i < sink.n; i++) {
		if (is_sample(fake, &sink.samples[i], metric, identity, labels))
			value = sink.samples[i].value;
		free(sink.samples[i].labels);
	}
	free(sink.samples);
	return value;
}

void fake_text(struct prism_text *out, const char *text)
{
	size_t n = strlen(text);
	char *grown = realloc(out->text, out->len + n + 2);

	if (!grown)
		return;
	memcpy(grown + out->len, text, n);
	memcpy(grown + out->len + n, "\n", 2);
	out->text = grown;
	out->len += n + 1;
}

const char *prism_fake_host_explain(struct prism_fake_host *fake, const struct prism_workload *workload)
{
	free(fake->explained.text);
	fake->explained = (struct prism_text){};
	if (fake->state == FAKE_RUNNING && fake->module->explain)
		fake->module->explain(fake->self, workload, &fake->explained);
	return fake->explained.text ? fake->explained.text : "";
}

const char *prism_fake_host_log_line(const struct prism_fake_host *fake, unsigned int i)
{
	return i < fake->log.n ? fake->log.at[i] : NULL;
}

const char *prism_fake_host_event(const struct prism_fake_host *fake, unsigned int i)
{
	return i < fake->events.n ? fake->events.at[i] : NULL;
}

void fake_record_done(struct prism_fake_host *fake)
{
	lines_done(&fake->log);
	lines_done(&fake->events);
	fake_programs_done(fake);
	free(fake->explained.text);
}
