// SPDX-License-Identifier: Apache-2.0
#include "select.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include <prism/bus.h>

#define CLASS_PREFIX "class:"

static const char *const class_names[] = {
	[PRISM_CLASS_UNSET] = "unset",
	[PRISM_CLASS_CRITICAL] = "critical",
	[PRISM_CLASS_NORMAL] = "normal",
	[PRISM_CLASS_BATCH] = "batch",
};

static int add_class(struct select *select, const char *name)
{
	for (uint32_t i = 0; i < sizeof(class_names) / sizeof(class_names[0]); i++) {
		if (!strcmp(name, class_names[i])) {
			select->classes |= 1u << i;
			return 0;
		}
	}
	return -EINVAL;
}

int select_add(struct select *select, const char *text)
{
	char **names;

	if (!*text)
		return -EINVAL;
	if (!strncmp(text, CLASS_PREFIX, strlen(CLASS_PREFIX)))
		return add_class(select, text + strlen(CLASS_PREFIX));
	names = reallocarray(select->names, select->n + 1, sizeof(*names));
	if (!names)
		return -ENOMEM;
	select->names = names;
	names[select->n] = strdup(text);
	if (!names[select->n])
		return -ENOMEM;
	select->n++;
	return 0;
}

void select_done(struct select *select)
{
	for (size_t i = 0; i < select->n; i++)
		free(select->names[i]);
	free(select->names);
	*select = (struct select){0};
}

bool select_empty(const struct select *select)
{
	return !select->n && !select->classes;
}

bool select_matches(const struct select *select, const char *name, uint32_t flags)
{
	if (select->classes & 1u << PRISM_FLAGS_CLASS(flags))
		return true;
	for (size_t i = 0; i < select->n; i++) {
		if (fnmatch(select->names[i], name, 0) == 0)
			return true;
	}
	return false;
}
