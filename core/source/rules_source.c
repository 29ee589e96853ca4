/* SPDX-License-Identifier: Apache-2.0 */
/* Rules applied: which rule a path matches, and the workload that comes of it. */
#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "source/rule.h"
#include "source/rules.h"

struct rules_source {
	struct source source;
	struct rules *rules; /* NULL before the first configure() */
	/* The answer in hand: labels point into text. */
	struct text text;
	struct prism_label *labels;
	size_t *offset; /* of each label's value in text, which moves while it grows */
	size_t capacity;
};

/* The first rule that matches. */
static const struct rule *find(const struct rules_source *s, const char *path, struct capture capture[PATTERN_CAPTURES])
{
	size_t i;

	for (i = 0; s->rules && i < s->rules->n; i++)
		if (pattern_match(s->rules->rule[i].pattern, path, capture))
			return &s->rules->rule[i];
	return NULL;
}

static const struct capture *captured(const struct rule *rule, const char *name, size_t len,
				      const struct capture capture[PATTERN_CAPTURES])
{
	unsigned int i;

	for (i = 0; i < pattern_captures(rule->pattern); i++) {
		const char *n = pattern_capture_name(rule->pattern, i);

		if (strlen(n) == len && strncmp(n, name, len) == 0)
			return &capture[i];
	}
	return NULL;
}

/* Appends a template with its captures put in, and a NUL; returns where it starts in the text. */
static size_t expand(struct text *out, const struct rule *rule, const char *template,
		     const struct capture capture[PATTERN_CAPTURES])
{
	size_t start = out->len, n;
	const char *s = template;

	while (*s) {
		n = strcspn(s, "{");
		text_append_n(out, s, n);
		s += n;
		if (*s == '{') {
			const char *close = strchr(s, '}'); /* there is one, and it is known: checked when compiled */
			const struct capture *c = captured(rule, s + 1, (size_t)(close - s - 1), capture);

			text_append_n(out, c->start, c->len);
			s = close + 1;
		}
	}
	text_append_n(out, "", 1);
	return start;
}

static bool reserve(struct rules_source *s, size_t n)
{
	struct prism_label *labels;
	size_t *offset;

	if (n <= s->capacity)
		return true;
	labels = reallocarray(s->labels, n, sizeof(*labels));
	if (labels)
		s->labels = labels;
	offset = reallocarray(s->offset, n, sizeof(*offset));
	if (offset)
		s->offset = offset;
	if (!labels || !offset)
		return false;
	s->capacity = n;
	return true;
}

static bool claim(struct source *source, struct cgroup *cg, const char *path, struct workload_spec *ret)
{
	struct rules_source *s = container_of(source, struct rules_source, source);
	struct capture capture[PATTERN_CAPTURES];
	const struct rule *rule = find(s, path, capture);
	size_t namespace_at, account_at, i;

	(void)cg;
	if (!rule || !reserve(s, rule->n_labels))
		return false;
	text_clear(&s->text);
	namespace_at = expand(&s->text, rule, rule->namespace_name, capture);
	account_at = expand(&s->text, rule, rule->service_account, capture);
	for (i = 0; i < rule->n_labels; i++)
		s->offset[i] = expand(&s->text, rule, rule->labels[i].value, capture);
	if (s->text.failed)
		return false;
	for (i = 0; i < rule->n_labels; i++)
		s->labels[i] = (struct prism_label){.key = rule->labels[i].key, .value = s->text.data + s->offset[i]};
	*ret = (struct workload_spec){
		.namespace_name = s->text.data + namespace_at,
		.service_account = s->text.data + account_at,
		.labels = s->labels,
		.n_labels = rule->n_labels,
		.latency_class = rule->latency_class,
		.weight = rule->weight[0] ? rule->weight : NULL,
		.origin = rule->origin,
	};
	return true;
}

static void reconsider(void *arg, struct cgroup *cg)
{
	struct rules_source *s = arg;

	s->source.env.reconsider(s->source.env.arg, cg);
}

static int configure(struct source *source, const struct settings *settings, struct problems *p)
{
	struct rules_source *s = container_of(source, struct rules_source, source);
	struct rules *rules;
	int r;

	r = rules_compile(settings->cgroup_enabled ? settings->rules : NULL, &rules, p);
	if (r < 0)
		return r;
	rules_free(s->rules);
	s->rules = rules;
	if (s->source.env.cgroups)
		cgroup_walk(cgroups_root(s->source.env.cgroups), reconsider, s);
	return 0;
}

static void explain(struct source *source, const char *path, struct text *out)
{
	struct rules_source *s = container_of(source, struct rules_source, source);
	struct capture capture[PATTERN_CAPTURES];
	const struct rule *rule = find(s, path, capture);
	unsigned int i;

	if (!rule) {
		text_appendf(out, "none of %zu cgroup rules matches %s", s->rules ? s->rules->n : 0, path);
		return;
	}
	text_appendf(out, "%s matches %s", rule->origin, path);
	for (i = 0; i < pattern_captures(rule->pattern); i++)
		text_appendf(out, "%s{%s} = %.*s", i ? ", " : ": ", pattern_capture_name(rule->pattern, i),
			     (int)capture[i].len, capture[i].start);
}

static bool synced(struct source *source)
{
	(void)source;
	return true; /* its world is the cgroup tree, which the start-up walk has shown it */
}

static void rules_source_free(struct source *source)
{
	struct rules_source *s = container_of(source, struct rules_source, source);

	rules_free(s->rules);
	text_done(&s->text);
	free(s->labels);
	free(s->offset);
	free(s);
}

static const struct source_ops ops = {
	.name = "cgroup",
	.claim = claim,
	.configure = configure,
	.explain = explain,
	.synced = synced,
	.free = rules_source_free,
};

int rules_source_new(const struct source_env *env, struct source **ret)
{
	struct rules_source *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->source.ops = &ops;
	s->source.env = *env;
	*ret = &s->source;
	return 0;
}
