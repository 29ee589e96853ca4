// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <string.h>

#include <prism/node.h>

/* Words of the configuration are short; a longer one is not a typing mistake in one of them. */
#define MAX_WORD 40

/* Case, and `-` for `_`, are the mistakes that cost nothing. */
static char fold(char c)
{
	return c == '-' ? '_' : (char)tolower((unsigned char)c);
}

static unsigned int least(unsigned int a, unsigned int b, unsigned int c)
{
	unsigned int ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* Edits between two words, where two neighbours that changed places are one edit (optimal string alignment). */
static unsigned int distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	unsigned int rows[3][MAX_WORD + 1];
	unsigned int *before = rows[0], *above = rows[1], *row = rows[2];

	for (size_t j = 0; j <= b_len; j++)
		above[j] = (unsigned int)j;
	for (size_t i = 1; i <= a_len; i++) {
		unsigned int *spare = before;

		row[0] = (unsigned int)i;
		for (size_t j = 1; j <= b_len; j++) {
			unsigned int change = fold(a[i - 1]) != fold(b[j - 1]);

			row[j] = least(above[j] + 1, row[j - 1] + 1, above[j - 1] + change);
			if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) && fold(a[i - 2]) == fold(b[j - 1]) &&
			    before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
		before = above;
		above = row;
		row = spare;
	}
	return above[b_len];
}

const char *prism_suggest(const char *word, uint32_t n, const char *(*at)(const void *arg, uint32_t i), const void *arg)
{
	size_t len = strnlen(word, MAX_WORD + 1);
	const char *best = NULL;
	unsigned int best_distance = 0;

	if (!len || len > MAX_WORD)
		return NULL;
	for (uint32_t i = 0; i < n; i++) {
		const char *candidate = at(arg, i);
		size_t candidate_len = candidate ? strnlen(candidate, MAX_WORD + 1) : 0;
		size_t longer = candidate_len > len ? candidate_len : len;
		unsigned int d;

		if (!candidate_len || candidate_len > MAX_WORD)
			continue;
		d = distance(word, len, candidate, candidate_len);
		/* One in three letters may be wrong, and at least one must be right. */
		if (d > (longer + 2) / 3 || d >= longer || (best && d >= best_distance))
			continue;
		best = candidate;
		best_distance = d;
	}
	return best;
}
