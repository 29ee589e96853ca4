/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/trouble.h"

#include <errno.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"

#define FIRST_MS 100
#define OVERLOAD_MS 1000
#define SAY_AGAIN_NS (30 * NS_PER_SEC)

/* ---- when it begins and when it ends ---- */

void trouble_set(struct trouble *t, const struct error *e)
{
	uint64_t now = monotonic_ns();
	bool begins = !t->e.code, differs = begins || t->e.code != e->code;

	if (begins)
		t->since_ns = now;
	t->e = *e;
	if (!begins && !(differs && now - t->said_ns > SAY_AGAIN_NS))
		return;
	t->said_ns = now;
	log_warning("kubernetes", "%s: %s%s%s; what is on the bus stays as it is", t->name, e->where,
		    e->where[0] ? ": " : "", e->text);
}

void trouble_clear(struct trouble *t)
{
	if (t->e.code)
		log_info("kubernetes", "%s: in step with the API server again after %.1f s", t->name,
			 (double)(monotonic_ns() - t->since_ns) / 1e9);
	t->e = (struct error){0};
}

/* ---- how long to wait ---- */

uint64_t trouble_jitter(uint64_t ms)
{
	return ms / 2 + randombytes_uniform((uint32_t)(ms - ms / 2 + 1));
}

static uint64_t doubled(uint64_t ms, unsigned int times, uint64_t most)
{
	while (times-- && ms < most)
		ms *= 2;
	return ms < most ? ms : most;
}

uint64_t trouble_delay_ms(struct trouble *t, long status, uint64_t retry_after_ms, uint64_t retry_max_ms)
{
	unsigned int n;
	uint64_t ms;

	/* A server that answers at last is another one than the one that did not. */
	if (!status != !t->status)
		t->failures = 0;
	t->status = status;
	n = t->failures++;
	if (status == 429)
		ms = doubled(OVERLOAD_MS, n, retry_max_ms);
	else if (!status || n < TROUBLE_PATIENCE)
		ms = doubled(FIRST_MS, n, TROUBLE_SHORT_MS);
	else
		ms = doubled(TROUBLE_SHORT_MS, n - TROUBLE_PATIENCE + 1, retry_max_ms);
	if (retry_after_ms)
		return retry_after_ms + trouble_jitter(retry_after_ms / 4);
	return trouble_jitter(ms);
}

/* ---- what the server says ---- */

/* The `message` of a Status, or the first line of whatever else it is. */
static void message_of(const char *body, char *buf, size_t size)
{
	json_t *doc = json_loads(body, 0, NULL);
	const char *message = json_string_value(json_object_get(doc, "message"));

	if (!message)
		message = body;
	snprintf(buf, size, "%.*s", (int)strcspn(message, "\r\n"), message);
	json_decref(doc);
}

int trouble_of_status(const struct kube_answer *answer, const char *origin, struct error *e)
{
	char message[400];

	message_of(answer->body, message, sizeof(message));
	switch (answer->status) {
	case 401:
		return error_set(e, EACCES, origin,
				 "the API server does not know who this is (HTTP 401 %s): the token or certificate has "
				 "expired, was revoked, or is another cluster's",
				 message);
	case 403:
		return error_set(e, EPERM, origin,
				 "the API server forbids it (HTTP 403 %s): give prismd the rights of conf/kubernetes",
				 message);
	case 404:
		return error_set(e, ENOENT, origin, "there is no API server at this address (HTTP 404 %s)", message);
	case 429:
		return error_set(e, EBUSY, origin, "the API server is overloaded (HTTP 429 %s)", message);
	default:
		return error_set(e, EREMOTEIO, origin, "the API server answers HTTP %ld %s", answer->status, message);
	}
}
