/* SPDX-License-Identifier: Apache-2.0 */
/* One identity's own data: everything people see of it is read back from its canonical form, the one home of it. */
#include "identity/entry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

/* Labels that name a workload, best first. */
static const char *const naming[] = {"app.kubernetes.io/name", "app", "k8s-app", "unit", "container", "name"};

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Undoes the percent-encoding in place. */
static void decode(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (*s == '%' && hex(s[1]) >= 0 && hex(s[2]) >= 0 && (hex(s[1]) || hex(s[2]))) {
			*to++ = (char)(hex(s[1]) << 4 | hex(s[2]));
			s += 2;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

/* Cuts `prefix<value>;` off *s; the value, or NULL when *s does not begin so. */
static char *cut(char **s, const char *prefix)
{
	size_t len = strlen(prefix);
	char *value = *s + len, *end;

	if (strncmp(*s, prefix, len) != 0)
		return NULL;
	end = strchr(value, ';');
	if (!end)
		return NULL;
	*end = '\0';
	*s = end + 1;
	return value;
}

static int split_labels(struct identity *id, char *s)
{
	size_t n = 0;
	char *p, *next, *equals;

	for (p = s; *p; p++)
		n += *p == ';';
	id->labels = calloc(n + 1, sizeof(*id->labels));
	if (!id->labels)
		return -ENOMEM;
	for (p = *s ? s : NULL; p; p = next) {
		next = strchr(p, ';');
		if (next)
			*next++ = '\0';
		equals = strchr(p, '=');
		if (!equals)
			return -EINVAL;
		*equals = '\0';
		id->labels[id->n_labels++] = (struct prism_label){.key = p, .value = equals + 1};
	}
	for (n = 0; n < id->n_labels; n++) {
		decode((char *)id->labels[n].key);
		decode((char *)id->labels[n].value);
	}
	return 0;
}

static const char *label_value(const struct identity *id, const char *key)
{
	uint32_t i;

	for (i = 0; i < id->n_labels; i++)
		if (strcmp(id->labels[i].key, key) == 0)
			return id->labels[i].value;
	return NULL;
}

/* "namespace/app": what it is called in tables and events. */
static int make_name(struct identity *id)
{
	const char *short_name = NULL;
	char *name;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(naming) && !(short_name && *short_name); i++)
		short_name = label_value(id, naming[i]);
	if (!short_name || !*short_name)
		short_name = *id->service_account ? id->service_account : "-";
	if (asprintf(&name, "%s/%s", *id->namespace_name ? id->namespace_name : "-", short_name) < 0)
		return -ENOMEM;
	id->name = name;
	return 0;
}

int entry_new(const char *canonical, struct entry **ret)
{
	struct entry *e = calloc(1, sizeof(*e));
	char *parts = NULL, *namespace_name, *service_account;
	int r = -ENOMEM;

	if (!e)
		return -ENOMEM;
	e->canonical_len = strlen(canonical);
	/* One allocation: the canonical form, then a copy that is cut into its parts. */
	e->id.canonical = malloc(2 * (e->canonical_len + 1));
	if (!e->id.canonical)
		goto fail;
	parts = (char *)e->id.canonical + e->canonical_len + 1;
	memcpy((char *)e->id.canonical, canonical, e->canonical_len + 1);
	memcpy(parts, canonical, e->canonical_len + 1);

	r = -EINVAL;
	namespace_name = cut(&parts, "io.prism/namespace=");
	service_account = namespace_name ? cut(&parts, "io.prism/serviceaccount=") : NULL;
	if (!service_account)
		goto fail;
	decode(namespace_name);
	decode(service_account);
	e->id.namespace_name = namespace_name;
	e->id.service_account = service_account;
	r = split_labels(&e->id, parts);
	if (r == 0)
		r = make_name(&e->id);
	if (r < 0)
		goto fail;
	*ret = e;
	return 0;
fail:
	entry_free(e);
	return r;
}

void entry_free(struct entry *e)
{
	if (!e)
		return;
	free((char *)e->id.canonical);
	free((char *)e->id.name);
	free(e->id.labels);
	free(e);
}
