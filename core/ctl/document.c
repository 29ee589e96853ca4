/* SPDX-License-Identifier: Apache-2.0 */
/* A JSON document as JSON or YAML text. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/util.h"
#include "ctl/output.h"

static int write_escaped(const char *data, size_t len, FILE *out)
{
	struct text escaped = {0};
	int r = 0;

	escape_json(&escaped, data, len);
	if (escaped.failed)
		r = -ENOMEM;
	else if (escaped.len && fwrite(escaped.data, 1, escaped.len, out) != escaped.len)
		r = -EIO;
	text_done(&escaped);
	return r;
}

int output_json(const json_t *doc, FILE *out)
{
	_cleanup_free_ char *dump = json_dumps(doc, JSON_INDENT(2) | JSON_ENCODE_ANY);
	int r;

	if (!dump)
		return -ENOMEM;
	r = write_escaped(dump, strlen(dump), out);
	if (r == 0 && fputc('\n', out) == EOF)
		r = -EIO;
	return r;
}

/* Plain only where no YAML reader, 1.1 or 1.2, could take it for anything but this text. */
static bool plain_is_safe(const char *s)
{
	static const char *const words[] = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"};

	if (!isalpha((unsigned char)*s) && *s != '/')
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcasecmp(s, words[i]) == 0)
			return false;
	}
	return s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./+@")] == '\0';
}

static int emit_scalar(yaml_emitter_t *emitter, const char *text, bool plain)
{
	yaml_event_t event;

	if (!yaml_scalar_event_initialize(&event, NULL, NULL, (yaml_char_t *)text, (int)strlen(text), plain, !plain,
					  plain ? YAML_PLAIN_SCALAR_STYLE : YAML_DOUBLE_QUOTED_SCALAR_STYLE))
		return -ENOMEM;
	return yaml_emitter_emit(emitter, &event) ? 0 : -EIO;
}

static int emit_value(yaml_emitter_t *emitter, const json_t *v);

static int emit_object(yaml_emitter_t *emitter, const json_t *v)
{
	yaml_event_t event;
	const char *key;
	json_t *member;

	if (!yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, YAML_ANY_MAPPING_STYLE))
		return -ENOMEM;
	if (!yaml_emitter_emit(emitter, &event))
		return -EIO;
	json_object_foreach((json_t *)v, key, member)
	{
		int r = emit_scalar(emitter, key, plain_is_safe(key));

		if (r == 0)
			r = emit_value(emitter, member);
		if (r < 0)
			return r;
	}
	return yaml_mapping_end_event_initialize(&event) && yaml_emitter_emit(emitter, &event) ? 0 : -EIO;
}

static int emit_array(yaml_emitter_t *emitter, const json_t *v)
{
	yaml_event_t event;
	json_t *element;
	size_t i;

	if (!yaml_sequence_start_event_initialize(&event, NULL, NULL, 1, YAML_ANY_SEQUENCE_STYLE))
		return -ENOMEM;
	if (!yaml_emitter_emit(emitter, &event))
		return -EIO;
	json_array_foreach(v, i, element)
	{
		int r = emit_value(emitter, element);

		if (r < 0)
			return r;
	}
	return yaml_sequence_end_event_initialize(&event) && yaml_emitter_emit(emitter, &event) ? 0 : -EIO;
}

static int emit_value(yaml_emitter_t *emitter, const json_t *v)
{
	_cleanup_free_ char *dump = NULL;

	if (json_is_object(v))
		return emit_object(emitter, v);
	if (json_is_array(v))
		return emit_array(emitter, v);
	if (json_is_string(v))
		return emit_scalar(emitter, json_string_value(v), plain_is_safe(json_string_value(v)));
	dump = json_dumps(v, JSON_ENCODE_ANY);
	return dump ? emit_scalar(emitter, dump, true) : -ENOMEM;
}

static int append_yaml(void *data, unsigned char *buffer, size_t size)
{
	struct text *t = data;

	text_append_n(t, (const char *)buffer, size);
	return !t->failed;
}

static int emit_document(yaml_emitter_t *emitter, const json_t *doc)
{
	yaml_event_t event;
	int r;

	if (!yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING) || !yaml_emitter_emit(emitter, &event))
		return -ENOMEM;
	if (!yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1) || !yaml_emitter_emit(emitter, &event))
		return -ENOMEM;
	r = emit_value(emitter, doc);
	if (r < 0)
		return r;
	if (!yaml_document_end_event_initialize(&event, 1) || !yaml_emitter_emit(emitter, &event))
		return -ENOMEM;
	if (!yaml_stream_end_event_initialize(&event) || !yaml_emitter_emit(emitter, &event))
		return -ENOMEM;
	return yaml_emitter_flush(emitter) ? 0 : -EIO;
}

int output_yaml(const json_t *doc, FILE *out)
{
	yaml_emitter_t emitter;
	struct text text = {0};
	int r;

	if (!yaml_emitter_initialize(&emitter))
		return -ENOMEM;
	yaml_emitter_set_unicode(&emitter, 1);
	yaml_emitter_set_width(&emitter, -1);
	yaml_emitter_set_output(&emitter, append_yaml, &text);
	r = emit_document(&emitter, doc);
	yaml_emitter_delete(&emitter);
	if (r == 0)
		r = write_escaped(text.data ? text.data : "", text.len, out);
	text_done(&text);
	return r;
}
