/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/json.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/text.h"
#include "base/util.h"

json_t *json_any(const char *s)
{
	_cleanup_(text_done) struct text quoted = {0};
	json_t *value;

	if (!s)
		return json_null();
	value = json_string(s);
	if (value)
		return value;
	/* Not UTF-8. The escaping that the event stream uses replaces what is wrong. */
	text_append(&quoted, "\"");
	text_append_json(&quoted, s, strlen(s));
	text_append(&quoted, "\"");
	return quoted.failed ? NULL : json_loadb(quoted.data, quoted.len, JSON_DECODE_ANY, NULL);
}

json_t *json_words(const char *s)
{
	json_t *list = json_array();
	size_t n;

	for (; *s; s += n + (s[n] == ',')) {
		n = strcspn(s, ",");
		if (json_array_append_new(list, json_stringn(s, n)) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

json_t *json_problem(const struct error *e)
{
	const char *name;

	if (!e || !e->code)
		return json_null();
	name = strerrorname_np(e->code);
	return json_pack("{s:s, s:o, s:o}", "code", name ? name : "EIO", "where", json_any(e->where), "text",
			 json_any(e->text));
}

json_t *json_finite(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

int json_put(json_t *object, const char *key, json_t *value)
{
	json_t *name = json_any(key);
	int r = name ? json_object_set_new(object, json_string_value(name), value) : -1;

	if (!name)
		json_decref(value);
	json_decref(name);
	return r < 0 ? -ENOMEM : 0;
}
