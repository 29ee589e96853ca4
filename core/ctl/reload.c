/* SPDX-License-Identifier: Apache-2.0 */
/* prismctl reload. */
#include <errno.h>

#include "ctl/client.h"
#include "ctl/commands.h"

static size_t count_troubled(const json_t *doc)
{
	const json_t *m;
	size_t i, n = 0;

	json_array_foreach(json_object_get(doc, "modules"), i, m) n += module_troubled(m);
	return n;
}

static void print_reload(struct ctl *ctl, const json_t *doc)
{
	size_t i, troubled = count_troubled(doc);
	const json_t *m;
	struct table t;

	fields_init(&t);
	if (troubled)
		fields_add(&t, "Configuration", TONE_WARN, "read again and in force; %zu module%s not well", troubled,
			   troubled == 1 ? " is" : "s are");
	else
		fields_add(&t, "Configuration", TONE_GOOD, "read again");
	json_array_foreach(json_object_get(doc, "modules"), i, m)
		fields_add(&t, json_text(m, "name"), tone_of(json_text(m, "state")), "%s%s%s", json_text(m, "state"),
			   *module_reason(m) ? ": " : "", module_reason(m));
	fields_print(&t, &ctl->style);
	table_done(&t);
}

/* A bad configuration is shown whole: the first problem is the error itself. */
static int refused(struct ctl *ctl, const struct error *e)
{
	const json_t *problem;
	struct error next;
	int code = ctl_fail(e);
	size_t i;

	json_array_foreach(json_object_get(ctl->refusal, "problems"), i, problem)
	{
		if (!i)
			continue;
		error_set(&next, EINVAL, json_text(problem, "where"), "%s", json_text(problem, "text"));
		ctl_fail(&next);
	}
	if (json_number(ctl->refusal, "dropped"))
		ctl_note(ctl, "and %d more", (int)json_number(ctl->refusal, "dropped"));
	if (json_array_size(json_object_get(ctl->refusal, "problems")))
		ctl_note(ctl, "nothing was changed");
	return code;
}

static int run_reload(struct ctl *ctl, const struct invocation *inv)
{
	struct error e = {0};
	json_t *doc = NULL;
	int r, code;

	(void)inv;
	if (client_post(ctl, "/v1/reload", &doc, &e) < 0)
		return refused(ctl, &e);
	code = count_troubled(doc) ? CTL_DEGRADED : CTL_OK;
	r = ctl_print(ctl, doc, print_reload);
	return r ? r : code;
}

const struct command reload_command = {
	.noun = "reload",
	.summary = "Have prismd read its configuration again",
	.detail = "Modules are added, removed, reconfigured or replaced by a new file one by one; the others do not\n"
		  "notice. A configuration with errors changes nothing: they are printed and the exit code is 1.\n"
		  "When it is in force but a module failed, is quarantined, or is required and not running: 4.",
	.examples = "  prismctl config check && prismctl reload\n",
	.run = run_reload,
};
