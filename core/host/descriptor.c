/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

#include <prism/capability.h>
#include <prism/names.h>

#include "config/option.h"
#include "host/descriptor.h"
#include "host/note.h"

/* What the structures measured in ABI 1.0: nothing of major 1 is shorter. */
enum {
	MODULE_SIZE_1_0 = 160,
	OPTION_SIZE_1_0 = 56,
	METRIC_SIZE_1_0 = 56,
	EVENT_SIZE_1_0 = 16,
};
_Static_assert(sizeof(struct prism_module) >= MODULE_SIZE_1_0, "append-only");
_Static_assert(sizeof(struct prism_option) >= OPTION_SIZE_1_0, "append-only");
_Static_assert(sizeof(struct prism_metric) >= METRIC_SIZE_1_0, "append-only");
_Static_assert(sizeof(struct prism_event_type) >= EVENT_SIZE_1_0, "append-only");

static const void *element(const void *table, uint32_t size, uint32_t i)
{
	return (const char *)table + (size_t)size * i;
}

static size_t at_most(size_t a, size_t b)
{
	return a < b ? a : b;
}

struct prism_metric descriptor_metric(const struct prism_module *module, uint32_t i)
{
	struct prism_metric m = {};

	memcpy(&m, element(module->metrics, module->metric_size, i), at_most(sizeof(m), module->metric_size));
	return m;
}

struct prism_event_type descriptor_event(const struct prism_module *module, uint32_t i)
{
	struct prism_event_type t = {};

	memcpy(&t, element(module->events, module->event_size, i), at_most(sizeof(t), module->event_size));
	return t;
}

static int check_table(const char *what, const void *table, uint32_t n, uint32_t size, uint32_t least, struct error *e)
{
	if (!n)
		return 0;
	if (!table || n > DESCRIPTOR_MAX_ELEMENTS)
		return error_set(e, EINVAL, NULL, "declares %u %s%s", n, what,
				 table ? ", more than 256" : " without a table of them");
	if (size < least || size > 4096 || size % sizeof(void *))
		return error_set(e, EINVAL, NULL,
				 "declares %s of %u bytes each where ABI %u.0 has %u: put PRISM_MODULE_HEADER into its "
				 "descriptor",
				 what, size, PRISM_ABI_MAJOR, least);
	return 0;
}

static int check_buckets(const struct prism_metric *m, uint32_t i, struct error *e)
{
	if (!m->buckets || !m->n_buckets || m->n_buckets > 64)
		return error_set(e, EINVAL, NULL, "metric %u (%s) is a histogram with %u buckets: 1 to 64", i, m->name,
				 m->n_buckets);
	for (uint32_t b = 0; b < m->n_buckets; b++)
		if (!isfinite(m->buckets[b]) || (b && m->buckets[b] <= m->buckets[b - 1]))
			return error_set(e, EINVAL, NULL, "metric %u (%s): bucket %u does not ascend", i, m->name, b);
	return 0;
}

static int check_labels(const struct prism_metric *m, uint32_t i, struct error *e)
{
	for (uint32_t l = 0; m->labels && m->labels[l]; l++)
		if (l == PRISM_METRIC_LABELS_MAX || !prism_label_name_valid(m->labels[l]))
			return error_set(e, EINVAL, NULL, "metric %u (%s): label %u is %s", i, m->name, l,
					 l == PRISM_METRIC_LABELS_MAX ? "one too many (8)" : "not a name");
	return 0;
}

static int check_metric(const struct prism_module *module, uint32_t i, struct error *e)
{
	struct prism_metric m = descriptor_metric(module, i);
	int r;

	if (!m.name || !prism_metric_name_valid(m.name))
		return error_set(e, EINVAL, NULL,
				 "metric %u is called \"%.128s\": a metric's name " PRISM_METRIC_NAME_RULE, i,
				 m.name ? m.name : "");
	for (uint32_t j = 0; j < i; j++)
		if (!strcmp(descriptor_metric(module, j).name, m.name))
			return error_set(e, EINVAL, NULL, "metrics %u and %u are both called %s", j, i, m.name);
	if (m.kind < PRISM_METRIC_COUNTER || m.kind > PRISM_METRIC_HISTOGRAM)
		return error_set(e, EINVAL, NULL, "metric %u (%s) is of unknown kind %u", i, m.name, m.kind);
	if (m.kind == PRISM_METRIC_COUNTER && !prism_counter_name_valid(m.name))
		return error_set(e, EINVAL, NULL, "metric %u (%s) is a counter: its name has to end in _total", i,
				 m.name);
	if (!m.help)
		return error_set(e, EINVAL, NULL, "metric %u (%s) has no help text", i, m.name);
	r = check_labels(&m, i, e);
	return r || m.kind != PRISM_METRIC_HISTOGRAM ? r : check_buckets(&m, i, e);
}

static int check_event(const struct prism_module *module, uint32_t i, struct error *e)
{
	struct prism_event_type t = descriptor_event(module, i);

	if (!t.name || !prism_name_valid(t.name))
		return error_set(e, EINVAL, NULL, "event %u is called \"%.64s\": an event's name " PRISM_NAME_RULE, i,
				 t.name ? t.name : "");
	for (uint32_t j = 0; j < i; j++)
		if (!strcmp(descriptor_event(module, j).name, t.name))
			return error_set(e, EINVAL, NULL, "events %u and %u are both called %s", j, i, t.name);
	return 0;
}

static int check_tables(const struct prism_module *m, struct error *e)
{
	int r = check_table("options", m->options, m->n_options, m->option_size, OPTION_SIZE_1_0, e);

	if (!r)
		r = check_table("metrics", m->metrics, m->n_metrics, m->metric_size, METRIC_SIZE_1_0, e);
	if (!r)
		r = check_table("events", m->events, m->n_events, m->event_size, EVENT_SIZE_1_0, e);
	if (!r && m->n_options) {
		r = option_table_check(m->options, m->n_options, m->option_size, e);
		if (r)
			error_prefix(e, "declares an unsound option");
	}
	for (uint32_t i = 0; !r && i < m->n_metrics; i++)
		r = check_metric(m, i, e);
	for (uint32_t i = 0; !r && i < m->n_events; i++)
		r = check_event(m, i, e);
	return r;
}

static int check_identity(const struct prism_module *m, const struct prism_note *note, struct error *e)
{
	if (m->abi_major != note->abi_major || m->abi_minor != note->abi_minor)
		return error_set(e, EINVAL, NULL,
				 "says ABI %u.%u in its descriptor and %u.%u in its note: build both from one source",
				 m->abi_major, m->abi_minor, note->abi_major, note->abi_minor);
	if (!m->name || strcmp(m->name, note->name) != 0)
		return error_set(e, EINVAL, NULL,
				 "calls itself \"%.64s\" in its descriptor and \"%s\" in its note: build both from one "
				 "source",
				 m->name ? m->name : "", note->name);
	if (!m->version || strcmp(m->version, note->version) != 0)
		return error_set(
			e, EINVAL, NULL,
			"is version \"%.64s\" in its descriptor and \"%s\" in its note: build both from one source",
			m->version ? m->version : "", note->version);
	if (m->facet && !prism_name_valid(m->facet))
		return error_set(e, EINVAL, NULL, "claims a facet called \"%.64s\": a facet's name " PRISM_NAME_RULE,
				 m->facet);
	return 0;
}

int descriptor_read(const struct prism_module *module, const struct prism_note *note, struct prism_module *ret,
		    struct error *e)
{
	struct prism_module copy = {};
	int r;

	if (module->size < MODULE_SIZE_1_0 || module->size > 65536)
		return error_set(e, EINVAL, NULL,
				 "has a descriptor of %u bytes where ABI %u.0 has %u: put PRISM_MODULE_HEADER into it",
				 module->size, PRISM_ABI_MAJOR, MODULE_SIZE_1_0);
	memcpy(&copy, module, at_most(sizeof(copy), module->size));
	r = check_identity(&copy, note, e);
	if (!r)
		r = check_tables(&copy, e);
	if (!r)
		*ret = copy;
	return r;
}

bool descriptor_says_capabilities(const struct prism_module *module)
{
	return module->capabilities && !(module->capabilities >> PRISM_CAPABILITIES);
}

const char *capability_name(unsigned int number, char buf[static CAPABILITY_NAME_MAX])
{
	char small[CAPABILITY_NAME_MAX - sizeof("CAP_") + 1];
	size_t i;

	prism_capability_name(number, small, sizeof(small));
	memcpy(buf, "CAP_", 4);
	for (i = 0; small[i]; i++)
		buf[4 + i] = (char)toupper((unsigned char)small[i]);
	buf[4 + i] = '\0';
	return buf;
}
