/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON as it comes off the wire, cut into objects and reduced to the members that are wanted, so that neither a list of
 * 500 pods nor one pod with a megabyte of annotations is ever held in memory. What comes out is JSON again, for
 * jansson. Left out is what was not asked for; it is looked at only as far as it takes to find its end.
 *
 * Two shapes: a stream of values (a watch), each handed out as one item; and a document (a list), of which the elements
 * of one array are handed out, and then, at the end, what else is wanted of it.
 *
 * Input is hostile: depth is bounded (FILTER_DEPTH), so is what is kept of an item (FILTER_KEPT) and the size of an
 * item as it came (max_item). An item beyond a bound is passed over to its end and handed out as refused, with as much
 * of it as was kept. What is no JSON ends everything: -EBADMSG.
 */
#ifndef KUBE_FILTER_H
#define KUBE_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"

#define FILTER_DEPTH 64
#define FILTER_KEPT (256u * 1024)
#define FILTER_KEY 64 /* longest key that can be asked for */

/* A tree of members, each level ended by key NULL. */
struct json_want {
	const char *key;
	const struct json_want *below; /* of an object; NULL: all of it */
	bool each;                     /* an array whose elements are items, reduced to `below` */
};

enum json_part {
	JSON_ITEM,
	JSON_REFUSED, /* an item that is too large, possibly cut: no JSON */
	JSON_REST,    /* of a document, with its items' array empty */
};

/* data: NUL-terminated, to be changed at will, gone afterwards. Not 0 ends feeding with this result. */
typedef int (*json_part_fn)(void *arg, enum json_part part, char *data, size_t len);

struct json_filter;

/* stream: a sequence of values; otherwise one document. want is borrowed. NULL without memory. */
struct json_filter *json_filter_new(const struct json_want *want, bool stream, size_t max_item, json_part_fn fn,
				    void *arg);
void json_filter_free(struct json_filter *f);

/* -EBADMSG when this is no JSON, -ENOMEM, or what fn returned. After a failure nothing more is to be fed. */
int json_filter_feed(struct json_filter *f, const char *data, size_t len, struct error *e);
/* Is the input so far cut in the middle of a value? */
bool json_filter_cut(const struct json_filter *f);

#endif
