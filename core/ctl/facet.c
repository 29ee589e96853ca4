/* SPDX-License-Identifier: Apache-2.0 */
/* prismctl facet list, and the names of facet bits. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <prism/bus.h>
#include <prism/note.h>

#include "base/file.h"
#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/offline.h"

#define FACET_BITS 31
#define MAX_FILE (64u << 10)

/* ---- names from the registry's file, which is only read here ---------------------------------------------------- */

struct facet_registry {
	char name[FACET_BITS][PRISM_NAME_MAX];
};

static void read_names(struct ctl *ctl, struct facet_registry *names)
{
	static const char *const builtin[] = {"net", "sched", "trace", "lsm"};
	_cleanup_free_ char *data = NULL;
	char path[512], name[PRISM_NAME_MAX], *save = NULL;
	size_t len;
	int bit;

	snprintf(path, sizeof(path), "%s/facets", ctl_state_dir(ctl));
	if (file_read(path, MAX_FILE, &data, &len, NULL) == 0) {
		for (char *line = strtok_r(data, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
			if (sscanf(line, "%d %31s", &bit, name) == 2 && bit >= 0 && bit < FACET_BITS &&
			    (PRISM_FACET_MASK & PRISM_FACET_BIT(bit)))
				strcpy(names->name[bit], name);
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(builtin); i++)
		strcpy(names->name[i], builtin[i]);
}

/* Read once a run; NULL: no memory. */
static const struct facet_registry *registry(struct ctl *ctl)
{
	if (!ctl->facets) {
		ctl->facets = calloc(1, sizeof(*ctl->facets));
		if (ctl->facets)
			read_names(ctl, ctl->facets);
	}
	return ctl->facets;
}

json_t *facet_names(struct ctl *ctl, uint32_t flags)
{
	json_t *list = json_array();
	const struct facet_registry *names = registry(ctl);
	char number[16];

	for (int bit = 0; names && bit < FACET_BITS; bit++) {
		if (!(flags & PRISM_FACET_MASK & PRISM_FACET_BIT(bit)))
			continue;
		snprintf(number, sizeof(number), "%d", bit);
		json_array_append_new(list, json_string_any(names->name[bit][0] ? names->name[bit] : number));
	}
	return list;
}

static json_t *offline_facets(struct ctl *ctl)
{
	json_t *doc = json_document(), *list = json_array();
	const struct facet_registry *names = registry(ctl);

	for (int bit = 0; names && bit < FACET_BITS; bit++) {
		if (names->name[bit][0])
			json_array_append_new(list, json_pack("{s:o, s:i, s:s, s:b}", "name",
							      json_string_any(names->name[bit]), "bit", bit, "owner",
							      "", "builtin", bit < PRISM_FACET_FIRST_FREE));
	}
	json_object_set_new(doc, "offline", json_true());
	json_object_set_new(doc, "facets", list);
	return doc;
}

/* ---- facet list ------------------------------------------------------------------------------------------------- */

static const struct column columns[] = {
	{.title = "BIT", .right = true},
	{.title = "NAME"},
	{.title = "BUILT IN"},
	{.title = "CLAIMED BY"},
};

static void print_list(struct ctl *ctl, const json_t *doc)
{
	struct table t;
	const json_t *f;
	size_t i;

	table_init(&t, columns, ARRAY_SIZE(columns));
	json_array_foreach(json_object_get(doc, "facets"), i, f)
	{
		const char *owner = json_text(f, "owner");

		table_cell(&t, TONE_PLAIN, "%" PRId64, json_number(f, "bit"));
		table_cell(&t, TONE_PLAIN, "%s", json_text(f, "name"));
		table_cell(&t, TONE_PLAIN, "%s", json_flag(f, "builtin") ? "yes" : "no");
		table_cell(&t, *owner ? TONE_GOOD : TONE_DIM, "%s", *owner ? owner : "-");
	}
	table_print(&t, &ctl->style);
	table_done(&t);
}

static int run_list(struct ctl *ctl, const struct invocation *inv)
{
	struct error e = {0};
	json_t *doc = NULL;

	int r;

	(void)inv;
	r = client_get(ctl, "/v1/facets", &doc, &e);
	if (r < 0 && r != -ENOTCONN)
		return ctl_fail(&e);
	if (r < 0) {
		ctl_note(ctl, "%s: %s; this is read from %s/facets", e.where, e.text, ctl_state_dir(ctl));
		doc = offline_facets(ctl);
	}
	return ctl_print(ctl, doc, print_list);
}

const struct command facet_list_command = {
	.noun = "facet",
	.verb = "list",
	.summary = "Facet bits, their names and who claims them",
	.examples = "  prismctl facet list\n",
	.run = run_list,
};
