/* SPDX-License-Identifier: Apache-2.0 */
/* What a loaded module declares: options, metrics, events, capabilities. Its tables may have elements shorter than
 * ours. */
#include <prism/capability.h>

#include "admin/room.h"
#include "base/util.h"
#include "config/option.h"
#include "host/descriptor.h"

static const char *option_kind(uint32_t kind)
{
	static const char *const words[] = {
		[PRISM_OPTION_BOOL] = "bool", [PRISM_OPTION_INT] = "int",           [PRISM_OPTION_SIZE] = "size",
		[PRISM_OPTION_ENUM] = "enum", [PRISM_OPTION_DURATION] = "duration", [PRISM_OPTION_STRING] = "string",
		[PRISM_OPTION_LIST] = "list", [PRISM_OPTION_NODE] = "node",
	};

	return kind < ARRAY_SIZE(words) && words[kind] ? words[kind] : "unknown";
}

static const char *metric_kind(uint32_t kind)
{
	static const char *const words[] = {
		[PRISM_METRIC_COUNTER] = "counter",
		[PRISM_METRIC_GAUGE] = "gauge",
		[PRISM_METRIC_HISTOGRAM] = "histogram",
	};

	return kind < ARRAY_SIZE(words) && words[kind] ? words[kind] : "unknown";
}

static json_t *words_json(const char *const *words)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; words && words[i]; i++)
		json_array_append_new(list, json_any(words[i]));
	return list;
}

static json_t *option_json(const struct prism_option *o)
{
	bool bounded = o->min || o->max;
	char allowed[256];

	return json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:b, s:o}", "name", json_any(o->name), "kind",
			 option_kind(o->kind), "default", json_any(o->fallback), "min",
			 bounded ? json_integer(o->min) : json_null(), "max",
			 bounded ? json_integer(o->max) : json_null(), "choices", words_json(o->choices), "allowed",
			 json_any(option_range(o, allowed, sizeof(allowed))), "required",
			 (o->flags & PRISM_OPTION_REQUIRED) != 0, "help", json_any(o->help));
}

static json_t *options_json(const struct prism_module *d)
{
	json_t *list = json_array();
	uint32_t i;

	for (i = 0; d && i < d->n_options; i++) {
		const struct prism_option o = option_at(d->options, d->option_size, i);

		json_array_append_new(list, option_json(&o));
	}
	return list;
}

static json_t *metrics_json(const struct prism_module *d)
{
	json_t *list = json_array();
	uint32_t i;

	for (i = 0; d && i < d->n_metrics; i++) {
		const struct prism_metric m = descriptor_metric(d, i);

		json_array_append_new(list, json_pack("{s:o, s:s, s:o, s:o}", "name", json_any(m.name), "kind",
						      metric_kind(m.kind), "help", json_any(m.help), "labels",
						      words_json(m.labels)));
	}
	return list;
}

static json_t *events_json(const struct prism_module *d)
{
	json_t *list = json_array();
	uint32_t i;

	for (i = 0; d && i < d->n_events; i++) {
		const struct prism_event_type t = descriptor_event(d, i);

		json_array_append_new(list,
				      json_pack("{s:o, s:o}", "name", json_any(t.name), "help", json_any(t.help)));
	}
	return list;
}

static json_t *capabilities_json(const struct prism_module *d)
{
	json_t *list = json_array();
	char name[CAPABILITY_NAME_MAX];
	unsigned int i;

	for (i = 0; d && descriptor_says_capabilities(d) && i < PRISM_CAPABILITIES; i++)
		if (d->capabilities & PRISM_CAPABILITY(i))
			json_array_append_new(list, json_string(capability_name(i, name)));
	return list;
}

json_t *view_declared(const struct prism_module *descriptor)
{
	return json_pack("{s:o, s:o, s:o, s:o}", "options", options_json(descriptor), "metrics",
			 metrics_json(descriptor), "events", events_json(descriptor), "capabilities",
			 capabilities_json(descriptor));
}
