/* SPDX-License-Identifier: Apache-2.0 */
#include "source/pattern.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

#define MAX_TEXT 1024

enum op {
	OP_END,
	OP_CHAR,      /* this byte */
	OP_ANY_CHAR,  /* ?: one byte but a slash */
	OP_ANY,       /* *: any bytes but slashes */
	OP_CAPTURE,   /* {name}: one or more bytes but slashes */
	OP_ANY_DEPTH, /* "**" and the slash behind it: any number of whole components */
};

struct step {
	enum op op;
	unsigned char arg; /* CHAR: the byte; CAPTURE: its index */
};

struct pattern {
	unsigned int n_names;
	char *name[PATTERN_CAPTURES];
	struct step step[];
};

struct match {
	const struct pattern *p;
	struct capture *capture;
	unsigned int budget;
};

static int add_name(struct pattern *p, const char *start, size_t len, const char **ret_why)
{
	unsigned int i;
	size_t k;

	*ret_why = "a capture is {name}, with a name of letters, digits, `_`, `-` and `.`";
	if (!len)
		return -EINVAL;
	for (k = 0; k < len; k++)
		if (!isalnum((unsigned char)start[k]) && !strchr("_-.", start[k]))
			return -EINVAL;
	for (i = 0; i < p->n_names; i++) {
		if (strlen(p->name[i]) == len && strncmp(p->name[i], start, len) == 0) {
			*ret_why = "a name is captured twice";
			return -EINVAL;
		}
	}
	if (p->n_names == PATTERN_CAPTURES) {
		*ret_why = "more than 8 captures";
		return -EINVAL;
	}
	p->name[p->n_names] = strndup(start, len);
	return p->name[p->n_names++] ? 0 : -ENOMEM;
}

/* "**" counts as a whole component only. */
static bool at_depth_wildcard(const char *text, const char *s)
{
	return s[0] == '*' && s[1] == '*' && (s == text || s[-1] == '/') && (s[2] == '/' || !s[2]);
}

static int compile(struct pattern *p, const char *text, const char **ret_why)
{
	struct step *to = p->step;
	const char *s, *close;
	int r;

	for (s = text; *s; s++) {
		if (at_depth_wildcard(text, s)) {
			*to++ = (struct step){.op = OP_ANY_DEPTH};
			s += s[2] == '/' ? 2 : 1;
		} else if (*s == '*') {
			*to++ = (struct step){.op = OP_ANY};
		} else if (*s == '?') {
			*to++ = (struct step){.op = OP_ANY_CHAR};
		} else if (*s == '{') {
			close = strchr(s, '}');
			*ret_why = "a `{` without its `}`";
			if (!close)
				return -EINVAL;
			r = add_name(p, s + 1, (size_t)(close - s - 1), ret_why);
			if (r < 0)
				return r;
			*to++ = (struct step){.op = OP_CAPTURE, .arg = (unsigned char)(p->n_names - 1)};
			s = close;
		} else {
			if (*s == '\\' && s[1])
				s++;
			*to++ = (struct step){.op = OP_CHAR, .arg = (unsigned char)*s};
		}
	}
	to->op = OP_END;
	return 0;
}

int pattern_new(const char *text, struct pattern **ret, const char **ret_why)
{
	_cleanup_free_ char *trimmed = NULL;
	struct pattern *p;
	size_t len;
	int r;

	text += strspn(text, "/");
	len = strlen(text);
	for (; len && text[len - 1] == '/'; len--)
		;
	while (len > 3 && strncmp(text + len - 3, "/**", 3) == 0)
		for (len -= 3; len && text[len - 1] == '/'; len--)
			;
	*ret_why = "it is empty: the root of the hierarchy is nobody's workload";
	if (!len)
		return -EINVAL;
	*ret_why = "it is longer than 1024 bytes";
	if (len > MAX_TEXT)
		return -EINVAL;
	trimmed = strndup(text, len);
	p = calloc(1, sizeof(*p) + (len + 1) * sizeof(struct step));
	if (!trimmed || !p) {
		free(p);
		return -ENOMEM;
	}
	r = compile(p, trimmed, ret_why);
	if (r < 0) {
		pattern_free(p);
		return r;
	}
	*ret = p;
	return 0;
}

void pattern_free(struct pattern *p)
{
	unsigned int i;

	if (!p)
		return;
	for (i = 0; i < p->n_names; i++)
		free(p->name[i]);
	free(p);
}

unsigned int pattern_captures(const struct pattern *p)
{
	return p->n_names;
}

const char *pattern_capture_name(const struct pattern *p, unsigned int i)
{
	return i < p->n_names ? p->name[i] : NULL;
}

static bool match_here(struct match *m, const struct step *step, const char *s);

/* Longest first: `{unit}.service` takes all of `a.service.service` but its end. */
static bool match_run(struct match *m, const struct step *step, const char *s, size_t least)
{
	size_t n = strcspn(s, "/");

	for (;; n--) {
		if (n < least)
			return false;
		if (match_here(m, step + 1, s + n)) {
			if (step->op == OP_CAPTURE)
				m->capture[step->arg] = (struct capture){.start = s, .len = n};
			return true;
		}
		if (n == 0)
			return false;
	}
}

/* None, one, two ... whole components. */
static bool match_depth(struct match *m, const struct step *step, const char *s)
{
	for (;;) {
		if (match_here(m, step + 1, s))
			return true;
		s = strchr(s, '/');
		if (!s)
			return (step + 1)->op == OP_END;
		s++;
	}
}

static bool match_here(struct match *m, const struct step *step, const char *s)
{
	for (;; step++, s++) {
		if (!m->budget || !--m->budget)
			return false;
		switch (step->op) {
		case OP_END:
			return !*s;
		case OP_CHAR:
			if ((unsigned char)*s != step->arg)
				return false;
			break;
		case OP_ANY_CHAR:
			if (!*s || *s == '/')
				return false;
			break;
		case OP_ANY:
			return match_run(m, step, s, 0);
		case OP_CAPTURE:
			return match_run(m, step, s, 1);
		case OP_ANY_DEPTH:
			return match_depth(m, step, s);
		}
	}
}

bool pattern_match(const struct pattern *p, const char *path, struct capture ret[PATTERN_CAPTURES])
{
	struct match m = {.p = p, .capture = ret, .budget = PATTERN_STEPS};

	path += strspn(path, "/");
	return *path && match_here(&m, p->step, path);
}
