/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/filter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What happens to a value. */
enum mode {
	SKIP,
	KEEP,    /* as it is */
	DESCEND, /* an object: those members that are wanted */
	EACH,    /* an array: its elements are items */
};

enum state {
	BEFORE_VALUE, /* at the top, after a colon, or after a comma in an array */
	FIRST_VALUE,  /* after [ */
	FIRST_KEY,    /* after { */
	BEFORE_KEY,   /* after a comma in an object */
	IN_KEY,
	IN_KEY_ESCAPE,
	AFTER_KEY,
	IN_STRING,
	IN_ESCAPE,
	IN_SCALAR,
	AFTER_VALUE,
	DONE, /* of a document */
};

struct level {
	bool array;
	enum mode mode;
	const struct json_want *want; /* DESCEND, EACH */
	bool some;                    /* a member was put out: the next one needs a comma */
};

struct json_filter {
	const struct json_want *want;
	bool stream;
	size_t max_item;
	json_part_fn fn;
	void *arg;
	enum state state;
	struct level level[FILTER_DEPTH];
	unsigned int depth; /* levels that are open */
	/* Of the value that begins next, or that is read. */
	enum mode mode;
	const struct json_want *below;
	char key[FILTER_KEY + 1];
	size_t key_len; /* FILTER_KEY + 1: longer than any that is wanted */
	/* Of the item in hand. */
	struct text item;
	struct text rest; /* a document without its items */
	unsigned int item_depth;
	bool in_item;
	size_t size; /* as it came */
	bool refused;
	bool rest_refused;
};

/* What is beyond a bound is read on, but not kept. */
static void put(struct json_filter *f, const char *data, size_t len)
{
	struct text *out = f->in_item ? &f->item : &f->rest;
	bool *refused = f->in_item ? &f->refused : &f->rest_refused;

	if (*refused)
		return;
	if (out->len + len > FILTER_KEPT)
		*refused = true;
	else
		text_append_n(out, data, len);
}

/* ---- which members are wanted ---- */

static const struct json_want *find(const struct json_filter *f, const struct json_want *want)
{
	for (; want && want->key; want++)
		if (strlen(want->key) == f->key_len && memcmp(want->key, f->key, f->key_len) == 0)
			return want;
	return NULL;
}

/* A key was read: decides what becomes of its value, and puts the key out when that is kept. */
static void choose(struct json_filter *f)
{
	struct level *in = &f->level[f->depth - 1];
	const struct json_want *want = NULL;

	if (in->mode != DESCEND) {
		f->mode = in->mode;
		return;
	}
	if (f->key_len <= FILTER_KEY)
		want = find(f, in->want);
	f->mode = !want ? SKIP : want->each ? EACH : want->below ? DESCEND : KEEP;
	f->below = want ? want->below : NULL;
	if (!want)
		return;
	if (in->some)
		put(f, ",", 1);
	in->some = true;
	put(f, "\"", 1);
	put(f, f->key, f->key_len);
	put(f, "\":", 2);
}

/* ---- items begin and end ---- */

static void begin_item(struct json_filter *f)
{
	f->in_item = true;
	f->item_depth = f->depth;
	f->size = 0;
	f->refused = false;
	text_clear(&f->item);
}

static int hand_out(struct json_filter *f, struct text *text, enum json_part part)
{
	if (text->failed)
		return -ENOMEM;
	text_append(text, ""); /* so that there is data */
	return text->data ? f->fn(f->arg, part, text->data, text->len) : -ENOMEM;
}

static int end_item(struct json_filter *f)
{
	int r = hand_out(f, &f->item, f->refused ? JSON_REFUSED : JSON_ITEM);

	f->in_item = false;
	return r;
}

/* A value has ended, at any depth. */
static int end_value(struct json_filter *f)
{
	f->state = AFTER_VALUE;
	if (f->in_item && f->depth == f->item_depth) {
		int r = end_item(f);

		if (r || f->depth)
			return r;
	}
	if (f->depth == 0 && f->stream) {
		f->state = BEFORE_VALUE;
	} else if (f->depth == 0) {
		f->state = DONE;
		return hand_out(f, &f->rest, f->rest_refused ? JSON_REFUSED : JSON_REST);
	}
	return 0;
}

/* ---- values begin ---- */

static int begin_container(struct json_filter *f, char c)
{
	struct level *level;

	if (f->depth == FILTER_DEPTH)
		return -EBADMSG;
	level = &f->level[f->depth];
	*level = (struct level){.array = c == '[', .mode = f->mode, .want = f->below};
	/* Asked for as an object and come as an array, or the other way round: it means nothing to us. */
	if ((f->mode == DESCEND && level->array) || (f->mode == EACH && !level->array)) {
		put(f, "null", 4);
		level->mode = SKIP;
	} else if (f->mode != SKIP) {
		put(f, &c, 1);
	}
	f->depth++;
	f->state = level->array ? FIRST_VALUE : FIRST_KEY;
	return 0;
}

static int end_container(struct json_filter *f, char c)
{
	struct level *level = &f->level[--f->depth];

	if (c != (level->array ? ']' : '}'))
		return -EBADMSG;
	if (level->mode != SKIP)
		put(f, &c, 1);
	return end_value(f);
}

static int begin_value(struct json_filter *f, char c)
{
	struct level *in = f->depth ? &f->level[f->depth - 1] : NULL;

	if (!in) {
		f->mode = DESCEND;
		f->below = f->want;
		if (f->stream)
			begin_item(f);
	} else if (in->array && in->mode == EACH) {
		f->mode = DESCEND;
		f->below = in->want;
		begin_item(f);
	} else if (in->array) {
		f->mode = in->mode;
		f->below = NULL;
	}
	if (c == '{' || c == '[')
		return begin_container(f, c);
	/* A scalar where members were wanted. */
	if (f->mode == DESCEND || f->mode == EACH)
		f->mode = KEEP;
	if (f->mode == KEEP)
		put(f, &c, 1);
	if (c == '"') {
		f->state = IN_STRING;
		return 0;
	}
	if (!((c >= '0' && c <= '9') || c == '-' || c == 't' || c == 'f' || c == 'n'))
		return -EBADMSG;
	f->state = IN_SCALAR;
	return 0;
}

/* ---- bytes ---- */

static bool is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static bool in_scalar(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '+' || c == '-' || c == '.' || c == 'E';
}

/* Bytes of a string up to its end, an escape, or a byte that does not belong there. */
static size_t run_of_string(const char *data, size_t len)
{
	size_t i;

	for (i = 0; i < len && data[i] != '"' && data[i] != '\\' && (unsigned char)data[i] >= 0x20; i++)
		;
	return i;
}

static void add_to_key(struct json_filter *f, const char *data, size_t len)
{
	if (f->key_len + len > FILTER_KEY) {
		f->key_len = FILTER_KEY + 1;
		return;
	}
	memcpy(f->key + f->key_len, data, len);
	f->key_len += len;
}

/* The bytes of strings and scalars, in one go as far as they are there. Returns how many it took, or -EBADMSG. */
static ssize_t take_run(struct json_filter *f, const char *data, size_t len)
{
	bool keep = f->mode == KEEP || (f->state == IN_KEY && f->level[f->depth - 1].mode == KEEP);
	size_t n = 0;

	if (f->state == IN_SCALAR)
		while (n < len && in_scalar(data[n]))
			n++;
	else
		n = run_of_string(data, len);
	if (f->state == IN_KEY && f->level[f->depth - 1].mode == DESCEND)
		add_to_key(f, data, n);
	else if (keep)
		put(f, data, n);
	if (n < len && f->state != IN_SCALAR && data[n] != '"' && data[n] != '\\')
		return -EBADMSG;
	return (ssize_t)n;
}

static bool keeps_key(const struct json_filter *f)
{
	return f->level[f->depth - 1].mode == KEEP;
}

static int step_string(struct json_filter *f, char c)
{
	bool key = f->state == IN_KEY || f->state == IN_KEY_ESCAPE;

	if (key ? keeps_key(f) : f->mode == KEEP)
		put(f, &c, 1);
	/* A key that is written with escapes is none that was asked for. */
	if (key && (c == '\\' || f->state == IN_KEY_ESCAPE))
		f->key_len = FILTER_KEY + 1;
	if (f->state == IN_KEY_ESCAPE || f->state == IN_ESCAPE) {
		/* What \u is followed by are bytes like any other here. */
		if (!strchr("\"\\/bfnrtu", c) || !c)
			return -EBADMSG;
		f->state = key ? IN_KEY : IN_STRING;
		return 0;
	}
	if (c == '\\') {
		f->state = key ? IN_KEY_ESCAPE : IN_ESCAPE;
		return 0;
	}
	if (!key)
		return end_value(f);
	f->state = AFTER_KEY;
	return 0;
}

static int step_structure(struct json_filter *f, char c)
{
	struct level *in = f->depth ? &f->level[f->depth - 1] : NULL;

	switch (f->state) {
	case FIRST_VALUE:
		if (c == ']')
			return end_container(f, c);
		return begin_value(f, c);
	case BEFORE_VALUE:
		return begin_value(f, c);
	case FIRST_KEY:
		if (c == '}')
			return end_container(f, c);
		/* fall through */
	case BEFORE_KEY:
		if (c != '"')
			return -EBADMSG;
		if (keeps_key(f))
			put(f, &c, 1);
		f->key_len = 0;
		f->state = IN_KEY;
		return 0;
	case AFTER_KEY:
		if (c != ':')
			return -EBADMSG;
		choose(f);
		if (keeps_key(f))
			put(f, &c, 1);
		f->state = BEFORE_VALUE;
		return 0;
	case AFTER_VALUE:
		if (c != ',')
			return end_container(f, c);
		if (in->mode == KEEP)
			put(f, &c, 1);
		f->state = in->array ? BEFORE_VALUE : BEFORE_KEY;
		return 0;
	default:
		return -EBADMSG; /* DONE: more than one document */
	}
}

static void count(struct json_filter *f, size_t n)
{
	/* Of a document without an item in hand only what is kept is bounded. */
	if (!f->in_item)
		return;
	f->size += n;
	f->refused |= f->size > f->max_item;
}

/* One step: *ret_n bytes of what is there. */
static int step(struct json_filter *f, const char *data, size_t len, size_t *ret_n)
{
	ssize_t n;
	int r;

	*ret_n = 1;
	switch (f->state) {
	case IN_SCALAR:
	case IN_KEY:
	case IN_STRING:
		n = take_run(f, data, len);
		if (n < 0)
			return (int)n;
		count(f, (size_t)n);
		*ret_n = (size_t)n;
		if ((size_t)n == len)
			return 0;
		/* The byte after it. A scalar's belongs to what is around it. */
		if (f->state == IN_SCALAR)
			return end_value(f);
		count(f, 1);
		++*ret_n;
		return step_string(f, data[n]);
	case IN_KEY_ESCAPE:
	case IN_ESCAPE:
		count(f, 1);
		return step_string(f, *data);
	default:
		if (is_space(*data)) {
			count(f, 1);
			return 0;
		}
		r = step_structure(f, *data);
		count(f, 1);
		return r;
	}
}

int json_filter_feed(struct json_filter *f, const char *data, size_t len, struct error *e)
{
	while (len) {
		size_t n;
		int r = step(f, data, len, &n);

		if (r == -EBADMSG)
			return error_set(e, EBADMSG, NULL, "the answer is no JSON");
		if (r)
			return r == -ENOMEM ? error_set(e, ENOMEM, NULL, "out of memory") : r;
		data += n;
		len -= n;
	}
	return 0;
}

bool json_filter_cut(const struct json_filter *f)
{
	return f->stream ? f->depth || f->state != BEFORE_VALUE : f->state != DONE;
}

struct json_filter *json_filter_new(const struct json_want *want, bool stream, size_t max_item, json_part_fn fn,
				    void *arg)
{
	struct json_filter *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->want = want;
	f->stream = stream;
	f->max_item = max_item;
	f->fn = fn;
	f->arg = arg;
	return f;
}

void json_filter_free(struct json_filter *f)
{
	if (!f)
		return;
	text_done(&f->item);
	text_done(&f->rest);
	free(f);
}
