/* SPDX-License-Identifier: Apache-2.0 */
/* prismctl version. */
#include <errno.h>

#include "ctl/client.h"
#include "ctl/commands.h"

static void print_version(struct ctl *ctl, const json_t *doc)
{
	const char *daemon = json_text(doc, "prismd");
	struct table t;

	fields_init(&t);
	fields_add(&t, "prismctl", TONE_PLAIN, "%s", json_text(doc, "prismctl"));
	fields_add(&t, "prismd", TONE_PLAIN, "%s", *daemon ? daemon : "not running");
	fields_print(&t, &ctl->style);
	table_done(&t);
}

/* A daemon that is down or may not be asked is no error here: the client's version is known. */
static int run_version(struct ctl *ctl, const struct invocation *inv)
{
	_cleanup_json_ json_t *status = NULL;
	json_t *doc = json_document();
	struct error e = {0};
	int r;

	(void)inv;
	r = client_get(ctl, "/v1/status", &status, &e);
	if (r < 0 && r != -ENOTCONN)
		ctl_note(ctl, "%s: %s", e.where, e.text);
	json_object_set_new(doc, "prismctl", json_string(PRISM_VERSION));
	json_object_set_new(doc, "prismd", r < 0 ? json_null() : json_string(json_text(status, "version")));
	return ctl_print(ctl, doc, print_version);
}

const struct command version_command = {
	.noun = "version",
	.summary = "Versions of prismctl and of the running prismd",
	.examples = "  prismctl version\n"
		    "  prismctl version -o json\n",
	.run = run_version,
};
