/* SPDX-License-Identifier: Apache-2.0 */
/* Latency class and weight: from the text of a label to bits of `flags`. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/util.h"
#include "identity/canonical.h"

static const struct {
	const char *word;
	uint32_t latency_class;
} words[] = {
	{"critical", PRISM_CLASS_CRITICAL},
	{"latency-critical", PRISM_CLASS_CRITICAL},
	{"normal", PRISM_CLASS_NORMAL},
	{"batch", PRISM_CLASS_BATCH},
};

/* The text without white space at its ends; *ret_len may become 0. */
static const char *trim(const char *s, size_t *ret_len)
{
	size_t len;

	while (isspace((unsigned char)*s))
		s++;
	len = strlen(s);
	while (len && isspace((unsigned char)s[len - 1]))
		len--;
	*ret_len = len;
	return s;
}

static uint32_t parse_class(const char *text, bool *ret_bad)
{
	size_t len, i;

	text = trim(text, &len);
	for (i = 0; i < ARRAY_SIZE(words); i++)
		if (strlen(words[i].word) == len && strncasecmp(words[i].word, text, len) == 0)
			return words[i].latency_class;
	*ret_bad = len != 0;
	return PRISM_CLASS_UNSET;
}

/* 1..127, larger is clamped; what is no positive number, or none that 64 bits hold, is unset and bad. */
static uint32_t parse_weight(const char *text, bool *ret_bad)
{
	unsigned long long value;
	size_t len, i;
	char *end;

	text = trim(text, &len);
	*ret_bad = len != 0;
	for (i = 0; i < len; i++)
		if (!isdigit((unsigned char)text[i]))
			return 0;
	if (!len)
		return 0;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || value == 0 || value > INT64_MAX)
		return 0;
	*ret_bad = false;
	return value > PRISM_WEIGHT_MAX ? PRISM_WEIGHT_MAX : (uint32_t)value;
}

uint32_t policy_flags(const char *latency_class, const char *weight, unsigned int *ret_bad)
{
	bool bad_class = false, bad_weight = false;
	uint32_t flags = 0;

	if (latency_class)
		flags |= parse_class(latency_class, &bad_class) << PRISM_CLASS_SHIFT;
	if (weight)
		flags |= parse_weight(weight, &bad_weight) << PRISM_WEIGHT_SHIFT;
	if (ret_bad)
		*ret_bad = (bad_class ? 1u : 0u) | (bad_weight ? 2u : 0u);
	return flags;
}

const char *latency_class_name(uint32_t flags)
{
	switch (PRISM_FLAGS_CLASS(flags)) {
	case PRISM_CLASS_UNSET:
		return "unset";
	case PRISM_CLASS_CRITICAL:
		return "critical";
	case PRISM_CLASS_NORMAL:
		return "normal";
	case PRISM_CLASS_BATCH:
		return "batch";
	default:
		return "reserved";
	}
}
