/* SPDX-License-Identifier: Apache-2.0 */
/* prismctl caps: the capabilities that prismd needs with this configuration. */
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <prism/capability.h>
#include <prism/module.h>

#include "ctl/commands.h"
#include "host/descriptor.h"
#include "host/host.h"

#define PRIVILEGED_PORTS 1024

/* ---- what the core needs ----------------------------------------------------------------------------------------- */

static bool always(const struct settings *s)
{
	(void)s;
	return true;
}

static bool is_realtime(const struct settings *s)
{
	return s->scheduling == SCHEDULING_REALTIME;
}

static bool is_favoured(const struct settings *s)
{
	return s->nice < 0;
}

static bool has_group(const struct settings *s)
{
	return s->socket_group;
}

static bool has_low_port(const struct settings *s)
{
	const char *port = s->metrics ? strrchr(s->metrics, ':') : NULL;
	long number = port ? strtol(port + 1, NULL, 10) : 0;

	return number > 0 && number < PRIVILEGED_PORTS;
}

static const struct {
	unsigned int capability;
	bool (*is_needed)(const struct settings *s);
	const char *why;
} needs[] = {
	{CAP_BPF, always, "maps, programs, pins"},
	{CAP_PERFMON, always, "the cgroup watch follows the kernel's own pointers"},
	{CAP_DAC_READ_SEARCH, always, "the cgroup watch finds the path of a cgroup id"},
	{CAP_SYS_NICE, is_realtime, "node.scheduling: realtime"},
	{CAP_SYS_NICE, is_favoured, "node.nice below 0"},
	{CAP_CHOWN, has_group, "the socket to admin.group"},
	{CAP_NET_BIND_SERVICE, has_low_port, "admin.metrics on a port below 1024"},
};

/* ---- the document ------------------------------------------------------------------------------------------------ */

struct found {
	json_t *needed_by[PRISM_CAPABILITIES]; /* arrays; NULL: nobody needs it */
	json_t *unknown;                       /* names of modules that do not say */
};

static void add(struct found *found, unsigned int capability, const char *by, const char *why)
{
	json_t **list = &found->needed_by[capability];

	if (!*list)
		*list = json_array();
	json_array_append_new(*list, json_pack("{s:o, s:o}", "by", json_string_any(by), "why", json_string_any(why)));
}

static void add_core(struct found *found, const struct settings *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(needs); i++)
		if (needs[i].is_needed(s))
			add(found, needs[i].capability, "prismd", needs[i].why);
}

static void add_module(void *arg, const struct prism_module *m)
{
	struct found *found = arg;
	char by[PRISM_NAME_MAX + 8];

	if (!descriptor_says_capabilities(m)) {
		json_array_append_new(found->unknown, json_string_any(m->name));
		return;
	}
	snprintf(by, sizeof(by), "module %s", m->name);
	for (unsigned int i = 0; i < PRISM_CAPABILITIES; i++)
		if (m->capabilities & PRISM_CAPABILITY(i))
			add(found, i, by, m->summary ? m->summary : "");
}

/* Takes what was found. */
static json_t *make_document(struct found *found)
{
	json_t *doc = json_document(), *list = json_array();
	char name[CAPABILITY_NAME_MAX];

	for (unsigned int i = 0; i < PRISM_CAPABILITIES; i++)
		if (found->needed_by[i])
			json_array_append_new(list, json_pack("{s:s, s:o}", "name", capability_name(i, name),
							      "needed_by", found->needed_by[i]));
	json_object_set_new(doc, "capabilities", list);
	json_object_set_new(doc, "unknown", found->unknown);
	return doc;
}

/* ---- printing ---------------------------------------------------------------------------------------------------- */

static void print_table(struct ctl *ctl, const json_t *doc)
{
	static const struct column columns[] = {{.title = "CAPABILITY"}, {.title = "NEEDED BY"}, {.title = "FOR"}};
	const json_t *c, *need;
	struct table t;
	size_t i, j;

	table_init(&t, columns, ARRAY_SIZE(columns));
	json_array_foreach(json_object_get(doc, "capabilities"), i, c)
	{
		json_array_foreach(json_object_get(c, "needed_by"), j, need)
		{
			table_cell(&t, TONE_PLAIN, "%s", json_text(c, "name"));
			table_cell(&t, TONE_PLAIN, "%s", json_text(need, "by"));
			table_cell(&t, TONE_PLAIN, "%s", json_text(need, "why"));
		}
	}
	table_print(&t, &ctl->style);
	table_done(&t);
}

static void print_names(FILE *out, const json_t *doc, size_t skip, const char *separator)
{
	const json_t *c;
	size_t i;

	json_array_foreach(json_object_get(doc, "capabilities"), i, c)
		fprintf(out, "%s%s", i ? separator : "", json_text(c, "name") + skip);
}

/* The empty assignment takes away what the unit itself grants: the others would add up. */
static void print_systemd(struct ctl *ctl, const json_t *doc)
{
	fprintf(ctl->style.out, "[Service]\nCapabilityBoundingSet=\nCapabilityBoundingSet=");
	print_names(ctl->style.out, doc, 0, " ");
	fprintf(ctl->style.out, "\n");
}

static void print_kubernetes(struct ctl *ctl, const json_t *doc)
{
	fprintf(ctl->style.out, "capabilities:\n  drop: [ALL]\n  add: [");
	print_names(ctl->style.out, doc, strlen("CAP_"), ", ");
	fprintf(ctl->style.out, "]\n");
}

static void say_unknown(struct ctl *ctl, const json_t *doc)
{
	const json_t *name;
	size_t i;

	json_array_foreach(json_object_get(doc, "unknown"), i, name)
		ctl_note(ctl, "module %s does not say which capabilities it needs: what it needs is missing here",
			 json_string_value(name));
}

static int run_caps(struct ctl *ctl, const struct invocation *inv)
{
	bool systemd = invocation_has(inv, "systemd"), kubernetes = invocation_has(inv, "kubernetes");
	_cleanup_problems_ struct problems p = {0};
	struct found found = {0};
	const struct settings *s;
	int r = CTL_OK, printed;
	json_t *doc;

	if (systemd && kubernetes)
		return ctl_usage("caps: --systemd or --kubernetes, not both");
	s = ctl_settings(ctl);
	if (!s)
		return CTL_ERROR;
	found.unknown = json_array();
	add_core(&found, s);
	host_declared(s, ctl->self_exe, add_module, &found, &p);
	doc = make_document(&found);
	say_unknown(ctl, doc);
	for (size_t i = 0; i < p.n; i++) {
		ctl_fail(&p.list[i]);
		r = CTL_ERROR;
	}
	printed = ctl_print(ctl, doc, systemd ? print_systemd : kubernetes ? print_kubernetes : print_table);
	return printed ? printed : r;
}

const struct command caps_command = {
	.noun = "caps",
	.summary = "The capabilities that prismd needs with this configuration",
	.detail =
		"Read from the configuration files, as prismd would, and from what each enabled module declares: its\n"
		"file is test-loaded in a child process, nothing that runs is touched. A module that does not say "
		"what\n"
		"it needs is named on stderr. Exit code 1 when the file of one cannot be loaded.",
	.examples = "  prismctl caps\n"
		    "  prismctl caps --systemd >/etc/systemd/system/prismd.service.d/capabilities.conf\n"
		    "  prismctl caps --kubernetes\n",
	.options = (const struct ctl_option[]){{"systemd", 0, ARGUMENT_NONE, NULL, "as a drop-in for the unit", NULL},
					       {"kubernetes", 0, ARGUMENT_NONE, NULL,
						"as it stands in a container's securityContext", NULL},
					       {0}},
	.run = run_caps,
};
