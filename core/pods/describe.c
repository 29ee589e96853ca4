/* SPDX-License-Identifier: Apache-2.0 */
/* The source in words: why has this cgroup its identity, and what is not well. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "pods/room.h"

bool pods_synced(struct source *source)
{
	const struct pods_source *s = container_of(source, struct pods_source, source);
	struct reflector_view view;

	if (!s->active || !s->reflector)
		return true;
	reflector_view(s->reflector, &view);
	return view.listed || monotonic_ns() - s->started_ns > s->config.sync_timeout_ms * NS_PER_MS;
}

/* ---- status ---- */

void pods_summary(struct source *source, struct text *out)
{
	const struct pods_source *s = container_of(source, struct pods_source, source);
	struct reflector_view view;

	if (!s->active || !s->reflector)
		return;
	reflector_view(s->reflector, &view);
	text_appendf(out, "%u pods of node %s", s->index.n[POD_KNOWN], s->config.node);
	if (s->index.n[POD_WAITING])
		text_appendf(out, ", %u cgroups of pods that nobody knows", s->index.n[POD_WAITING]);
	if (s->index.n[POD_ADOPTED])
		text_appendf(out, ", %u as the run before had them", s->index.n[POD_ADOPTED]);
	if (s->index.n[POD_LEFT])
		text_appendf(out, ", %u gone from the API server and still there", s->index.n[POD_LEFT]);
	text_appendf(out, "; %s %s", view.watching ? "watching" : "not in step with",
		     *view.server ? view.server : "the API server");
	if (view.last_event_ns)
		text_appendf(out, ", which spoke %.0f s ago", (double)(monotonic_ns() - view.last_event_ns) / 1e9);
}

/* ---- conditions ---- */

struct speaker {
	void (*fn)(void *arg, const char *subject, const char *text);
	void *arg;
};

__attribute__((format(printf, 2, 3))) static void say(const struct speaker *to, const char *format, ...)
{
	char text[1600];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	to->fn(to->arg, "kubernetes", text);
}

void pods_conditions(struct source *source, void (*fn)(void *arg, const char *subject, const char *text), void *arg)
{
	const struct pods_source *s = container_of(source, struct pods_source, source);
	const struct speaker to = {.fn = fn, .arg = arg};
	struct reflector_view view;

	if (!s->reflector)
		return;
	if (s->node) {
		reflector_view(s->node, &view);
		if (view.trouble)
			say(&to, "the Node object of %s, by whose labels profiles are chosen: %s%s%s; for %.0f s",
			    s->config.node, view.trouble->where, view.trouble->where[0] ? ": " : "", view.trouble->text,
			    view.trouble_seconds);
	}
	reflector_view(s->reflector, &view);
	if (view.trouble)
		say(&to, "%s%s%s; for %.0f s. What is on the bus stays; new pods wait", view.trouble->where,
		    view.trouble->where[0] ? ": " : "", view.trouble->text, view.trouble_seconds);
	else if (!view.listed)
		say(&to, "the first list of the pods of node %s is not in yet", s->config.node);
	if (view.refused)
		say(&to,
		    "%u pods are larger than sources.kubernetes.max_object and stay as they were, %s the last of "
		    "them; raise it if that is no mistake",
		    view.refused, view.refused_name);
	if (s->conflicts)
		say(&to,
		    "%u pods claimed the cgroup of another in kubernetes.io/config.hash and got no identity; the log "
		    "names them",
		    s->conflicts);
	if (view.listed && !s->index.n[POD_KNOWN] && s->index.n[POD_WAITING])
		say(&to,
		    "the API server knows no pod of node %s, but there are cgroups of %u: is "
		    "sources.kubernetes.node_name right?",
		    s->config.node, s->index.n[POD_WAITING]);
}

/* ---- explain ---- */

/* The nearest pod's cgroup at or above path; *ret_len: how much of path it is. */
static bool find(const char *path, struct pod_path *ret, size_t *ret_len)
{
	size_t len = strlen(path);

	while (len > 1) {
		if (pod_path_parse(path, len, ret)) {
			*ret_len = len;
			return true;
		}
		while (len && path[len - 1] != '/')
			len--;
		if (len)
			len--;
	}
	return false;
}

static void describe_container(const char *below, struct text *out)
{
	struct container_name container;

	if (*below == '/')
		below++;
	if (!container_name_parse(below, strcspn(below, "/"), &container))
		return;
	text_appendf(out, "; container %.12s%s%s", container.id, *container.runtime ? " of " : "", container.runtime);
}

static void describe_window(const struct pod *pod, struct text *out)
{
	unsigned int i;

	for (i = 0; i < pod->n_cgroups; i++)
		if (pod->cgroups[i].window_ns)
			text_appendf(out, "; on the bus %.3f ms after its cgroup was made",
				     (double)pod->cgroups[i].window_ns / 1e6);
}

static void describe_pod(const struct pod *pod, const struct pod_path *path, struct text *out)
{
	static const char *const said_by[] = {
		[POD_ADOPTED] = "as the run before had it, until the API server speaks",
		[POD_KNOWN] = "known to the API server",
		[POD_LEFT] = "gone from the API server, and it stays what it was until its cgroup goes",
	};

	text_appendf(out, "%s cgroup of a %s pod: %s/%s, uid %s", path->driver, path->qos, pod_namespace(pod),
		     pod_name(pod), pod_uid(pod));
	if (pod->mirror)
		text_appendf(out, ", a static pod, by its config.hash %s", pod->key);
	if (pod->host_network)
		text_append(out, ", in the host's network");
	text_appendf(out, "; %s", said_by[pod->state]);
	if (*pod->phase)
		text_appendf(out, "; %s%s", pod->phase, pod->deleting ? ", being deleted" : "");
}

void pods_explain(struct source *source, const char *path, struct text *out)
{
	struct pods_source *s = container_of(source, struct pods_source, source);
	struct pod_path parsed;
	const struct pod *pod;
	size_t len;

	if (!s->active) {
		text_append(out, "off: sources.kubernetes.enabled is false, or auto and there is neither a kubeconfig "
				 "nor a service account");
		return;
	}
	if (!find(path, &parsed, &len)) {
		text_appendf(out, "%s is no pod's cgroup, by its name", path);
		return;
	}
	pod = pod_find(&s->index, parsed.uid);
	if (pod && pod->facts) {
		describe_pod(pod, &parsed, out);
		describe_container(path + len, out);
		describe_window(pod, out);
	} else {
		text_appendf(out,
			     "%s cgroup of a %s pod with uid %s, of which the API server has said nothing: it is on no "
			     "list of node %s",
			     parsed.driver, parsed.qos, parsed.uid, s->config.node);
	}
}
