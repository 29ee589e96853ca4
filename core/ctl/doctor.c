/* SPDX-License-Identifier: Apache-2.0 */
/* prismctl doctor: the list of checks, and how it reads. */
#include "ctl/doctor.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ctl/client.h"
#include "ctl/commands.h"

static const char *const words[] = {
	[VERDICT_OK] = "ok",
	[VERDICT_WARN] = "warn",
	[VERDICT_FAIL] = "fail",
};

void doctor_report(struct doctor *d, const char *name, enum verdict verdict, const char *remedy, const char *format,
		   ...)
{
	char text[2048];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	d->warnings += verdict == VERDICT_WARN;
	d->failures += verdict == VERDICT_FAIL;
	json_array_append_new(d->checks, json_pack("{s:s, s:s, s:o, s:o}", "name", name, "result", words[verdict],
						   "text", json_string_any(text), "remedy",
						   remedy ? json_string_any(remedy) : json_null()));
}

const char *doctor_read_line(const char *path, char *buf, size_t size)
{
	FILE *f = fopen(path, "re");

	if (!f || !fgets(buf, (int)size, f))
		buf[0] = '\0';
	if (f)
		fclose(f);
	buf[strcspn(buf, "\n")] = '\0';
	return buf;
}

static void print_doctor(struct ctl *ctl, const json_t *doc)
{
	static const struct column columns[] = {{.title = "RESULT"}, {.title = "CHECK"}, {.title = "FINDING"}};
	struct style uncut = ctl->style;
	const json_t *c;
	struct table t;
	size_t i;

	uncut.width = 0; /* a remedy that is cut off helps nobody */
	table_init(&t, columns, ARRAY_SIZE(columns));
	json_array_foreach(json_object_get(doc, "checks"), i, c)
	{
		table_cell(&t, tone_of(json_text(c, "result")), "%s", json_text(c, "result"));
		table_cell(&t, TONE_PLAIN, "%s", json_text(c, "name"));
		table_cell(&t, TONE_PLAIN, "%s", json_text(c, "text"));
		if (!*json_text(c, "remedy"))
			continue;
		table_cell(&t, TONE_PLAIN, "%s", "");
		table_cell(&t, TONE_PLAIN, "%s", "");
		table_cell(&t, TONE_PLAIN, "-> %s", json_text(c, "remedy"));
	}
	table_print(&t, &uncut);
	table_done(&t);
}

static int run_doctor(struct ctl *ctl, const struct invocation *inv)
{
	struct doctor d = {.ctl = ctl, .checks = json_array()};
	struct error e;
	json_t *doc;
	int r;

	(void)inv;
	if (client_get(ctl, "/v1/status", &d.status, &e) < 0)
		d.status = NULL;
	if (offline_open(ctl, &d.pinned, &d.no_bus) < 0)
		d.pinned = NULL;
	doctor_machine(&d);
	doctor_legs(&d);
	doctor_node(&d);
	doctor_bus(&d);
	doctor_hooks(&d);
	json_decref(d.status);
	offline_free(d.pinned);
	doc = json_document();
	json_object_set_new(doc, "failures", json_integer(d.failures));
	json_object_set_new(doc, "warnings", json_integer(d.warnings));
	json_object_set_new(doc, "checks", d.checks);
	r = ctl_print(ctl, doc, print_doctor);
	return r ? r : d.failures ? CTL_ERROR : CTL_OK;
}

const struct command doctor_command = {
	.noun = "doctor",
	.summary = "Check the machine and the installation",
	.detail = "One line a check: ok, warn or fail, and what to do. Kernel abilities are tried by loading a tiny\n"
		  "program. Runs without prismd too. Exit code 1 when a check fails; warnings alone are 0.",
	.examples = "  prismctl doctor\n"
		    "  prismctl doctor -o json | jq '.checks[] | select(.result != \"ok\")'\n",
	.run = run_doctor,
};
