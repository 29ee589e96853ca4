/* SPDX-License-Identifier: Apache-2.0 */
/* Which labels count. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "config/tree.h"
#include "identity/canonical.h"

/* Labels that differ between replicas, rollouts or zones of one workload, and policy, which is not identity. */
static const char *const default_exclude[] = {
	"pod-template-hash",
	"controller-revision-hash",
	"pod-template-generation",
	"controller-uid",
	"batch.kubernetes.io/controller-uid",
	"job-name",
	"batch.kubernetes.io/job-name",
	"batch.kubernetes.io/job-completion-index",
	"statefulset.kubernetes.io/pod-name",
	"apps.kubernetes.io/pod-index",
	"topology.kubernetes.io/*",
	"kubectl.kubernetes.io/*",
	"prism.io/*",
	NULL,
};

struct label_filter {
	char **exclude; /* NULL-terminated */
	char **include;
};

static void free_list(char **list)
{
	size_t i;

	for (i = 0; list && list[i]; i++)
		free(list[i]);
	free(list);
}

static char **copy_list(const char *const *list)
{
	size_t n = 0, i;
	char **copy;

	while (list && list[n])
		n++;
	copy = calloc(n + 1, sizeof(*copy));
	for (i = 0; copy && i < n; i++) {
		copy[i] = strdup(list[i]);
		if (!copy[i]) {
			free_list(copy);
			return NULL;
		}
	}
	return copy;
}

int label_filter_new(const char *const *exclude, const char *const *include, struct label_filter **ret)
{
	struct label_filter *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->exclude = copy_list(exclude ? exclude : default_exclude);
	f->include = copy_list(include);
	if (!f->exclude || !f->include) {
		label_filter_free(f);
		return -ENOMEM;
	}
	*ret = f;
	return 0;
}

int label_filter_default(struct label_filter **ret)
{
	return label_filter_new(NULL, NULL, ret);
}

static void free_patterns(const char ***patterns)
{
	free(*patterns);
}

/* The texts of a list, which stay its own; *ret NULL when there is none. */
static int patterns_of(const struct prism_node *list, const char ***ret)
{
	const char **patterns;
	uint32_t i;

	if (!list || list->kind != PRISM_NODE_LIST)
		return 0;
	patterns = calloc(list->n_child + 1, sizeof(*patterns));
	if (!patterns)
		return -ENOMEM;
	for (i = 0; i < list->n_child; i++)
		patterns[i] = list->child[i]->text ? list->child[i]->text : "";
	*ret = patterns;
	return 0;
}

int label_filter_from(const struct prism_node *exclude, const struct prism_node *include, struct label_filter **ret)
{
	_cleanup_(free_patterns) const char **out = NULL;
	_cleanup_(free_patterns) const char **in = NULL;

	if (patterns_of(exclude, &out) < 0 || patterns_of(include, &in) < 0)
		return -ENOMEM;
	return label_filter_new(out, in, ret);
}

void label_filter_free(struct label_filter *f)
{
	if (!f)
		return;
	free_list(f->exclude);
	free_list(f->include);
	free(f);
}

static const char *find(char *const *patterns, const char *key)
{
	size_t i, len;

	for (i = 0; patterns[i]; i++) {
		len = strlen(patterns[i]);
		if (len && patterns[i][len - 1] == '*' ? strncmp(patterns[i], key, len - 1) == 0
						       : strcmp(patterns[i], key) == 0)
			return patterns[i];
	}
	return NULL;
}

bool label_counts(const struct label_filter *f, const char *key, const char **ret_pattern)
{
	const char *pattern = find(f->include, key);
	bool counts = true;

	if (!pattern) {
		pattern = find(f->exclude, key);
		counts = !pattern;
	}
	if (ret_pattern)
		*ret_pattern = pattern;
	return counts;
}
