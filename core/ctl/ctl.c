/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ctl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <prism/bus.h>

#include "config/tree.h"

/* Strings belong to the tree, except the socket below the runtime directory. */
struct places {
	struct tree *tree;
	const char *socket, *bus_dir, *state_dir;
	char runtime_socket[256];
};

static void places_free(struct places *p)
{
	if (p)
		tree_free(p->tree);
	free(p);
}

void ctl_done(struct ctl *ctl)
{
	settings_free(ctl->settings);
	ctl->settings = NULL;
	places_free(ctl->places);
	ctl->places = NULL;
	json_decref(ctl->refusal);
	ctl->refusal = NULL;
	free(ctl->facets);
	ctl->facets = NULL;
}

/* ---- what it says on stderr ------------------------------------------------------------------------------------- */

static void say(const char *text)
{
	struct text escaped = {0};

	escape_terminal(&escaped, text, strlen(text));
	fprintf(stderr, "prismctl: %s\n", escaped.data ? escaped.data : "out of memory");
	text_done(&escaped);
}

void ctl_note(const struct ctl *ctl, const char *format, ...)
{
	char text[2048];
	va_list args;

	if (ctl->quiet)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	say(text);
}

int ctl_fail(const struct error *e)
{
	char text[sizeof(struct error)];

	say(error_format(e, text, sizeof(text)));
	if (e->code == ENOTCONN)
		return CTL_DOWN;
	return e->code == ENOENT ? CTL_NOT_FOUND : CTL_ERROR;
}

int ctl_no_memory(void)
{
	return ctl_fail(&(struct error){.code = ENOMEM, .text = "out of memory"});
}

int ctl_usage(const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	say(text);
	fprintf(stderr, "Try 'prismctl --help'.\n");
	return CTL_USAGE;
}

/* ---- configuration ---------------------------------------------------------------------------------------------- */

int ctl_settings_load(const struct ctl *ctl, const char *path, struct settings **ret, struct problems *p)
{
	const struct settings_source source = {
		.path = path          ? path
			: ctl->config ? ctl->config
				      : PRISM_CONFIG,
		.optional = !path && !ctl->config,
	};

	return settings_load(&source, ret, p);
}

static const char *scalar_at(const struct prism_node *root, const char *section, const char *key)
{
	const struct prism_node *map = root && root->kind == PRISM_NODE_MAP ? node_get(root, section) : NULL;
	const struct prism_node *value = map && map->kind == PRISM_NODE_MAP ? node_get(map, key) : NULL;

	return value && value->kind == PRISM_NODE_SCALAR && value->text && *value->text ? value->text : NULL;
}

/*
 * A configuration that was broken since prismd read it must not hide prismd: that is when one asks it. Only the main
 * file, unchecked.
 */
static struct places *find_places(const struct ctl *ctl)
{
	_cleanup_problems_ struct problems ignored = {0};
	struct places *p = calloc(1, sizeof(*p));
	struct prism_node *root = NULL;
	const char *runtime;

	if (!p)
		return NULL;
	p->tree = tree_new();
	if (!p->tree || tree_parse_file(p->tree, ctl->config ? ctl->config : PRISM_CONFIG, &root, &ignored) < 0)
		return p;
	runtime = scalar_at(root, "node", "runtime_dir");
	p->socket = scalar_at(root, "admin", "socket");
	p->bus_dir = scalar_at(root, "bus", "dir");
	p->state_dir = scalar_at(root, "node", "state_dir");
	if (!p->socket && runtime) {
		snprintf(p->runtime_socket, sizeof(p->runtime_socket), "%s/prismd.sock", runtime);
		p->socket = p->runtime_socket;
	}
	return p;
}

const struct settings *ctl_settings(struct ctl *ctl)
{
	_cleanup_problems_ struct problems p = {0};
	char text[sizeof(struct error)];

	if (ctl->settings_tried)
		return ctl->settings;
	ctl->settings_tried = true;
	if (ctl_settings_load(ctl, NULL, &ctl->settings, &p) == 0)
		return ctl->settings;
	ctl->settings = NULL;
	ctl->places = find_places(ctl);
	ctl_note(ctl, "the configuration has errors (see 'prismctl config check'): %s",
		 p.n ? error_format(&p.list[0], text, sizeof(text)) : "it cannot be read");
	return NULL;
}

const char *ctl_socket(struct ctl *ctl)
{
	const struct settings *s;

	if (ctl->socket)
		return ctl->socket;
	s = ctl_settings(ctl);
	if (s && s->socket)
		return s->socket;
	return ctl->places && ctl->places->socket ? ctl->places->socket : CTL_DEFAULT_SOCKET;
}

const char *ctl_bus_dir(struct ctl *ctl)
{
	const struct settings *s;

	if (ctl->bus_dir)
		return ctl->bus_dir;
	s = ctl_settings(ctl);
	if (s && s->bus_dir)
		return s->bus_dir;
	return ctl->places && ctl->places->bus_dir ? ctl->places->bus_dir : PRISM_BUS_DIR;
}

const char *ctl_state_dir(struct ctl *ctl)
{
	const struct settings *s = ctl_settings(ctl);

	if (s && s->state_dir)
		return s->state_dir;
	return ctl->places && ctl->places->state_dir ? ctl->places->state_dir : CTL_DEFAULT_STATE_DIR;
}

/* ---- output ----------------------------------------------------------------------------------------------------- */

int ctl_print(struct ctl *ctl, json_t *doc, void (*table)(struct ctl *ctl, const json_t *doc))
{
	int r = 0;

	if (!doc)
		return ctl_no_memory();
	if (ctl->style.format == OUTPUT_JSON)
		r = output_json(doc, ctl->style.out);
	else if (ctl->style.format == OUTPUT_YAML)
		r = output_yaml(doc, ctl->style.out);
	else
		table(ctl, doc);
	json_decref(doc);
	if (r == 0 && (fflush(ctl->style.out) == EOF || ferror(ctl->style.out)))
		r = -errno;
	if (r < 0) {
		struct error e = {.code = -r, .where = "standard output"};

		snprintf(e.text, sizeof(e.text), "%s", strerror(-r));
		return ctl_fail(&e);
	}
	return CTL_OK;
}

/* ---- small parsers ---------------------------------------------------------------------------------------------- */

int ctl_parse_number(const char *text, uint64_t max, uint64_t *ret)
{
	uint64_t n = 0;

	if (!*text)
		return -EINVAL;
	for (const char *p = text; *p; p++) {
		uint64_t digit = (uint64_t)(*p - '0');

		if (*p < '0' || *p > '9' || digit > max || n > (max - digit) / 10)
			return -EINVAL;
		n = n * 10 + digit;
	}
	*ret = n;
	return 0;
}

int ctl_parse_duration(const char *text, uint64_t *ret_ms)
{
	static const struct {
		const char *unit;
		uint64_t ms;
	} units[] = {{"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
	size_t digits = strspn(text, "0123456789");
	char number[16];
	uint64_t n;

	if (digits >= sizeof(number))
		return -EINVAL;
	memcpy(number, text, digits);
	number[digits] = '\0';
	if (ctl_parse_number(number, 1000000000, &n) < 0)
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (strcmp(text + digits, units[i].unit) == 0) {
			*ret_ms = n * units[i].ms;
			return 0;
		}
	}
	return -EINVAL;
}

const char *json_text(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s ? s : "";
}

int64_t json_number(const json_t *object, const char *key)
{
	const json_t *v = json_object_get(object, key);

	return json_is_real(v) ? (int64_t)json_real_value(v) : (int64_t)json_integer_value(v);
}

double json_decimal(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

bool json_flag(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

json_t *json_string_any(const char *s)
{
	json_t *j = json_string(s);
	struct text escaped = {0};

	if (j)
		return j;
	escape_terminal(&escaped, s, strlen(s));
	j = json_string(escaped.data ? escaped.data : "");
	text_done(&escaped);
	return j;
}

json_t *json_document(void)
{
	return json_pack("{s:i}", "schema_version", CTL_SCHEMA_VERSION);
}
