/* SPDX-License-Identifier: Apache-2.0 */
/* One event as one JSON line. Text in it comes from the kernel and is hostile: escaped, bounded, valid UTF-8. */
#ifndef EVENT_FORMAT_H
#define EVENT_FORMAT_H

#include <stdint.h>

#include "base/text.h"
#include "event/stream.h"

/* Appends the line without newline, at most STREAM_MAX_EVENT bytes: what does not fit is left out and said so. */
void event_format(const struct stream_tag *tag, const struct prism_event *event, const char *type, uint64_t seq,
		  uint64_t wall_ns, struct text *out);

#endif
