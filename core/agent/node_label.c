/* SPDX-License-Identifier: Apache-2.0 */
/* Labels of the Node object, by which profiles are chosen: to the file that settings_load() reads, and a reload. */
#include <limits.h>
#include <string.h>

#include "agent/agent.h"
#include "base/file.h"
#include "base/log.h"
#include "base/util.h"

static bool is_kept(const char *path, const char *labels)
{
	_cleanup_free_ char *kept = NULL;
	struct error e;
	size_t len;

	return file_read(path, NODE_LABELS_MAX, &kept, &len, &e) == 0 && strcmp(kept, labels) == 0;
}

void agent_node_labels(struct agent *a, const char *labels)
{
	struct error e = {0};
	char path[PATH_MAX];

	node_labels_path(a->settings->state_dir, path, sizeof(path));
	if (is_kept(path, labels))
		return;
	if (strlen(labels) >= NODE_LABELS_MAX || file_write_atomic(path, labels, strlen(labels), 0644, &e) < 0) {
		log_error("config",
			  "the labels of the Node object cannot be kept, so no profile is chosen by them: %s: %s",
			  e.code ? e.where : path, e.code ? e.text : "they are too long");
		return;
	}
	log_info("config", "the labels of the Node object have changed: profiles are chosen anew");
	a->node_labels_changed = true;
}

static void reloaded(void *arg, const struct problems *p)
{
	size_t i;

	(void)arg;
	for (i = 0; i < p->n; i++)
		log_problem(LOG_LEVEL_ERROR, "config", &p->list[i]);
}

void agent_choose_profiles(struct agent *a)
{
	struct problems p = {0};

	if (!a->node_labels_changed || a->reloading || a->stopping || !a->modules_rested)
		return;
	a->node_labels_changed = false;
	if (agent_reload(a, &p, reloaded, a) < 0)
		reloaded(a, &p);
	problems_done(&p);
}
