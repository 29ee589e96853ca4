/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/reflector.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "kube/http.h"
#include "kube/trouble.h"

#define CHUNK 500                  /* objects of one page of a list */
#define ANSWER_MS 15000            /* for an answer to begin */
#define LIST_IDLE_MS 30000         /* without a byte */
#define LIST_DEADLINE_MS 60000     /* for WatchList to say that it is complete */
#define CONNECT_MS 3000            /* most attempts to connect */
#define CONNECT_PATIENT_MS 15000   /* one in four: for a slow network */
#define WATCH_LEAST_S 300          /* how long the server is asked to let a watch live: from here to twice that */
#define STEADY_NS (5 * NS_PER_SEC) /* a watch that lived so long was a good one */

enum phase {
	WAITING, /* for the timer */
	LISTING,
	WATCH_LISTING,
	WATCHING,
};

struct reflector {
	struct reflector_options o;
	struct reflector_callbacks callbacks;
	struct json_want stream_want[3], metadata_want[3], list_want[4];
	char *selector; /* escaped */
	uv_timer_t timer;
	enum phase phase;
	struct kube_http *http;
	struct kube_request *request;
	struct json_filter *filter;
	char *server, *origin;
	char *version;      /* the last one seen; NULL: none that counts */
	char *continuation; /* of the next page */
	bool listed;        /* once */
	bool relist;        /* the next attempt begins with a list */
	bool consistent;    /* the next list asks for the newest state, whatever that costs */
	bool no_watch_list;
	bool fresh; /* the last connection was not good */
	bool opened, bytes;
	bool whole; /* every object of the list could be read */
	bool warned_insecure;
	uint64_t opened_ns, last_event_ns, expired_ns;
	long event_code;          /* of an ERROR event that ended the watch */
	struct error event_error; /* why the body was not read on */
	struct trouble trouble;
	unsigned int refused;
	char refused_name[256];
};

static void attempt(struct reflector *r);

/* ---- small things ---- */

static int replace(char **to, const char *text)
{
	char *copy = text && *text ? strdup(text) : NULL;

	if (text && *text && !copy)
		return -ENOMEM;
	free(*to);
	*to = copy;
	return 0;
}

static void append_escaped(struct text *out, const char *s)
{
	for (; *s; s++) {
		if ((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || (*s >= '0' && *s <= '9') ||
		    strchr("-._~", *s))
			text_append_n(out, s, 1);
		else
			text_appendf(out, "%%%02X", (unsigned char)*s);
	}
}

static void count_restart(struct reflector *r, const char *reason)
{
	metric_add(r->o.metrics, METRIC_KUBE_WATCH_RESTARTS, reason, 1);
}

static void set_connected(struct reflector *r, bool connected)
{
	metric_set(r->o.metrics, METRIC_KUBE_CONNECTED, r->o.name, connected);
}

/* ---- objects ---- */

static const char *string_at(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s ? s : "";
}

static void decode_failure(struct reflector *r, const char *text)
{
	metric_add(r->o.metrics, METRIC_KUBE_DECODE_FAILURES, NULL, 1);
	log_warning("kubernetes", "%s: an object cannot be read: %s", r->o.name, text);
	r->whole = false;
}

/* The value of a string member in JSON that may be cut; metadata comes first in what a server writes. */
static void peek(const char *data, const char *member, char *buf, size_t size)
{
	const char *s = strstr(data, member);

	buf[0] = '\0';
	if (s)
		snprintf(buf, size, "%.*s", (int)strcspn(s + strlen(member), "\""), s + strlen(member));
}

static void refuse_object(struct reflector *r, const char *data)
{
	char name[254], namespace_name[64];

	peek(data, "\"name\":\"", name, sizeof(name));
	peek(data, "\"namespace\":\"", namespace_name, sizeof(namespace_name));
	snprintf(r->refused_name, sizeof(r->refused_name), "%.63s/%.190s", namespace_name, name);
	r->refused++;
	r->whole = false;
	metric_add(r->o.metrics, METRIC_KUBE_OBJECTS_REFUSED, NULL, 1);
	log_warning("kubernetes",
		    "%s: %s is larger than sources.kubernetes.max_object, or its labels than %u KiB: it is passed "
		    "over, and "
		    "stays as it was",
		    r->o.name, r->refused_name, FILTER_KEPT >> 10);
}

static void hand_on(struct reflector *r, enum kube_change change, const json_t *object)
{
	struct error e = {0};

	if (r->callbacks.object(r->callbacks.arg, change, object, &e) < 0)
		decode_failure(r, e.text);
}

/* ---- a watch ---- */

static void seen(struct reflector *r)
{
	r->last_event_ns = monotonic_ns();
	metric_set(r->o.metrics, METRIC_KUBE_LAST_EVENT, r->o.name, (double)wall_ns() / 1e9);
}

static void list_ended(struct reflector *r)
{
	r->listed = true;
	r->relist = false;
	r->consistent = false;
	r->callbacks.list_ends(r->callbacks.arg, r->whole);
}

static void bookmark(struct reflector *r, const json_t *metadata)
{
	if (r->phase != WATCH_LISTING ||
	    strcmp(string_at(json_object_get(metadata, "annotations"), "k8s.io/initial-events-end"), "true") != 0)
		return;
	uv_timer_stop(&r->timer);
	r->phase = WATCHING;
	metric_add(r->o.metrics, METRIC_KUBE_LISTS, "watchlist", 1);
	list_ended(r);
	trouble_clear(&r->trouble);
}

static int error_event(struct reflector *r, const json_t *status)
{
	r->event_code = (long)json_integer_value(json_object_get(status, "code"));
	return error_set(&r->event_error, EREMOTEIO, r->origin, "the API server ends the watch: %s (%ld %s)",
			 string_at(status, "message"), r->event_code, string_at(status, "reason"));
}

uint64_t kube_version(const char *version)
{
	char *end;
	unsigned long long n = strtoull(version, &end, 10);

	return *version >= '0' && *version <= '9' && !*end ? n : 0;
}

/*
 * A server sends changes in their order. Something between that does not may have sent an object's end before its last
 * change, and then nobody says again that it has ended. An end itself may have the version of the change before it.
 */
static int move_on(struct reflector *r, const char *type, const char *version)
{
	bool back = r->version && kube_version(version) && kube_version(version) < kube_version(r->version);

	if (!back)
		return replace(&r->version, version);
	if (strcmp(type, "ADDED") != 0 && strcmp(type, "MODIFIED") != 0)
		return 0;
	return error_set(&r->event_error, EPROTO, r->server, "events come out of order: version %s after %s", version,
			 r->version);
}

static int event(struct reflector *r, const json_t *doc)
{
	static const struct {
		const char *type, *metric;
		enum kube_change change;
	} changes[] = {{"ADDED", "added", KUBE_ADDED},
		       {"MODIFIED", "modified", KUBE_MODIFIED},
		       {"DELETED", "deleted", KUBE_DELETED}};
	const char *type = string_at(doc, "type");
	const json_t *object = json_object_get(doc, "object"), *metadata = json_object_get(object, "metadata");
	const char *version = string_at(metadata, "resourceVersion");
	bool initial = r->phase == WATCH_LISTING;
	size_t i;

	if (strcmp(type, "ERROR") == 0) {
		metric_add(r->o.metrics, METRIC_KUBE_EVENTS, "error", 1);
		return error_event(r, object);
	}
	seen(r);
	for (i = 0; i < ARRAY_SIZE(changes); i++) {
		if (strcmp(type, changes[i].type) != 0)
			continue;
		metric_add(r->o.metrics, METRIC_KUBE_EVENTS, changes[i].metric, 1);
		hand_on(r, changes[i].change, object);
	}
	if (strcmp(type, "BOOKMARK") == 0) {
		metric_add(r->o.metrics, METRIC_KUBE_EVENTS, "bookmark", 1);
		bookmark(r, metadata);
	}
	/* Initial events come in no order: the bookmark after them has the version to go on from. */
	if (r->phase != WATCHING || !*version)
		return 0;
	return initial ? replace(&r->version, version) : move_on(r, type, version);
}

/* ---- a list ---- */

static int rest_of_list(struct reflector *r, const json_t *doc)
{
	const json_t *metadata = json_object_get(doc, "metadata");

	if (!json_is_array(json_object_get(doc, "items")) || !*string_at(metadata, "resourceVersion"))
		return error_set(&r->event_error, EPROTO, r->server, "the answer is no list of %s", r->o.name);
	if (replace(&r->continuation, string_at(metadata, "continue")) < 0 ||
	    replace(&r->version, string_at(metadata, "resourceVersion")) < 0)
		return error_set(&r->event_error, ENOMEM, r->server, "out of memory");
	return 0;
}

static int part(void *arg, enum json_part kind, char *data, size_t len)
{
	struct reflector *r = arg;
	json_error_t bad;
	json_t *doc;
	int result = 0;

	if (kind == JSON_REFUSED) {
		refuse_object(r, data);
		return 0;
	}
	doc = json_loadb(data, len, 0, &bad);
	if (!doc && kind == JSON_ITEM && r->phase == LISTING) {
		decode_failure(r, bad.text);
	} else if (!doc) {
		/* One event less, and nobody knows which: what exists has to be asked for again. */
		decode_failure(r, bad.text);
		result = error_set(&r->event_error, EPROTO, r->server, "an object is no JSON: %s", bad.text);
	} else if (r->phase != LISTING) {
		result = event(r, doc);
	} else if (kind == JSON_ITEM) {
		hand_on(r, KUBE_ADDED, doc);
	} else {
		result = rest_of_list(r, doc);
	}
	json_decref(doc);
	return result;
}

/* ---- answers ---- */

static void on_timer(uv_timer_t *timer)
{
	struct reflector *r = timer->data;

	if (r->phase == WATCH_LISTING) {
		/* A server that knows of no WatchList and does not say so. */
		log_info("kubernetes", "%s: WatchList does not come to an end: listing in chunks", r->o.name);
		kube_cancel(TAKE_PTR(r->request));
		r->no_watch_list = true;
	}
	attempt(r);
}

static void wait_ms(struct reflector *r, uint64_t ms)
{
	r->phase = WAITING;
	uv_timer_start(&r->timer, on_timer, ms, 0);
}

static void on_opened(void *arg)
{
	struct reflector *r = arg;

	r->opened = true;
	r->opened_ns = monotonic_ns();
	r->fresh = false;
	if (r->phase == WATCHING)
		trouble_clear(&r->trouble);
	set_connected(r, true);
}

static int on_body(void *arg, const char *data, size_t len)
{
	struct reflector *r = arg;
	int result;

	r->bytes = true;
	r->callbacks.arrived(r->callbacks.arg);
	result = json_filter_feed(r->filter, data, len, &r->event_error);
	if (result == -EBADMSG) {
		metric_add(r->o.metrics, METRIC_KUBE_DECODE_FAILURES, NULL, 1);
		snprintf(r->event_error.where, sizeof(r->event_error.where), "%s", r->server);
	}
	r->callbacks.settled(r->callbacks.arg);
	return result;
}

static void fail(struct reflector *r, const struct error *e, long status, uint64_t retry_after_ms)
{
	trouble_set(&r->trouble, e);
	wait_ms(r, trouble_delay_ms(&r->trouble, status, retry_after_ms, r->o.retry_max_ms));
}

/* The version is too old to go on from. Once at once: what went by is wanted soon. */
static void expired(struct reflector *r, const struct error *e)
{
	uint64_t now = monotonic_ns();
	bool often = r->expired_ns && now - r->expired_ns < STEADY_NS;

	count_restart(r, "expired");
	log_debug("kubernetes", "%s: %s", r->o.name, e->text);
	r->expired_ns = now;
	r->relist = true;
	if (often)
		fail(r, e, 410, 0);
	else
		attempt(r);
}

/* The version, or the page, that was asked for is none: the newest state is asked for instead. */
static void forget_version(struct reflector *r)
{
	r->relist = true;
	r->consistent = true;
	replace(&r->continuation, NULL);
	replace(&r->version, NULL);
}

/* An answer with another status than 200. */
static void refused(struct reflector *r, const struct kube_answer *answer)
{
	bool versioned = r->version || r->continuation;
	struct error e = {0};

	trouble_of_status(answer, r->origin, &e);
	if (r->phase == WATCH_LISTING && (answer->status == 422 || answer->status == 400)) {
		log_info("kubernetes", "%s: the server has no WatchList: listing in chunks", r->o.name);
		r->no_watch_list = true;
		attempt(r);
		return;
	}
	if (answer->status == 410 && r->phase == WATCHING) {
		expired(r, &e);
		return;
	}
	if (answer->status == 410 || answer->status == 400 || answer->status == 504 ||
	    (answer->status == 500 && r->trouble.failures))
		forget_version(r);
	if ((answer->status == 410 || answer->status == 504) && versioned)
		attempt(r);
	else
		fail(r, &e, answer->status, answer->retry_after_ms);
}

/* The body ended the request: an ERROR event, or no JSON. */
static void broken(struct reflector *r)
{
	if (monotonic_ns() - r->opened_ns > STEADY_NS)
		r->trouble.failures = 0;
	if (r->event_code == 410) {
		expired(r, &r->event_error);
		return;
	}
	r->fresh = true;
	count_restart(r, r->event_code ? "error" : "garbage");
	r->relist |= !r->event_code;
	fail(r, &r->event_error, r->event_code ? r->event_code : 200, 0);
}

/* No answer, or one that was cut. */
static void cut(struct reflector *r, const struct kube_answer *answer)
{
	bool was_watching = r->opened && r->phase == WATCHING;
	bool steady = was_watching && monotonic_ns() - r->opened_ns > STEADY_NS;

	r->fresh = true;
	/* After a time without a connection the server may be another one. */
	if (!r->opened)
		r->no_watch_list = false;
	if (was_watching)
		count_restart(r, answer->result == -ETIMEDOUT ? "idle" : "cut");
	if (was_watching && answer->result == -ETIMEDOUT && !r->bytes)
		r->relist = true; /* also what a version from the future looks like */
	if (steady) {
		r->trouble.failures = 0;
		log_debug("kubernetes", "%s: the watch broke: %s", r->o.name, answer->e.text);
		wait_ms(r, trouble_jitter(100));
		return;
	}
	fail(r, &answer->e, r->opened ? 200 : 0, 0);
}

static void list_done(struct reflector *r)
{
	struct error e = {0};

	if (json_filter_cut(r->filter)) {
		error_set(&e, EPROTO, r->server, "the answer is no list of %s", r->o.name);
		fail(r, &e, 200, 0);
		return;
	}
	seen(r);
	if (!r->continuation) {
		metric_add(r->o.metrics, METRIC_KUBE_LISTS, "list", 1);
		list_ended(r);
		r->callbacks.settled(r->callbacks.arg);
	}
	attempt(r);
}

static void watch_done(struct reflector *r)
{
	struct error e = {0};
	bool steady = monotonic_ns() - r->opened_ns > STEADY_NS;

	count_restart(r, "end");
	if (r->phase == WATCH_LISTING || json_filter_cut(r->filter)) {
		error_set(&e, EPROTO, r->server, "the API server ended the watch in the middle");
		fail(r, &e, 200, 0);
	} else if (steady) {
		r->trouble.failures = 0;
		attempt(r);
	} else {
		wait_ms(r, trouble_delay_ms(&r->trouble, 200, 0, r->o.retry_max_ms));
	}
}

static void on_done(void *arg, const struct kube_answer *answer)
{
	struct reflector *r = arg;
	char code[16];

	r->request = NULL;
	uv_timer_stop(&r->timer);
	snprintf(code, sizeof(code), "%ld", answer->status);
	metric_add(r->o.metrics, METRIC_KUBE_REQUESTS, answer->status ? code : "none", 1);
	set_connected(r, false);
	if (answer->status && answer->status != 200 && (answer->result == 0 || answer->result == -ECONNRESET))
		refused(r, answer);
	else if (answer->result < 0 && !answer->e.code)
		broken(r);
	else if (answer->result < 0)
		cut(r, answer);
	else if (r->phase == LISTING)
		list_done(r);
	else
		watch_done(r);
}

/* ---- requests ---- */

static void append_query(struct reflector *r, struct text *url)
{
	uint32_t seconds = WATCH_LEAST_S + (uint32_t)trouble_jitter(WATCH_LEAST_S);

	text_appendf(url, "%s?fieldSelector=%s", r->o.path, r->selector);
	switch (r->phase) {
	case LISTING:
		text_appendf(url, "&limit=%d", CHUNK);
		if (r->continuation) {
			text_append(url, "&continue=");
			append_escaped(url, r->continuation);
		} else if (r->version && !r->consistent) {
			text_append(url, "&resourceVersionMatch=NotOlderThan&resourceVersion=");
			append_escaped(url, r->version);
		} else if (!r->consistent) {
			text_append(url, "&resourceVersion=0");
		}
		return;
	case WATCH_LISTING:
		text_append(url, "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan");
		break;
	default:
		text_append(url, "&resourceVersion=");
		append_escaped(url, r->version);
		break;
	}
	text_appendf(url, "&watch=1&allowWatchBookmarks=true&timeoutSeconds=%u", seconds);
}

static void choose_phase(struct reflector *r)
{
	if (r->continuation)
		r->phase = LISTING;
	else if (r->version && !r->relist)
		r->phase = WATCHING;
	else
		r->phase = r->no_watch_list ? LISTING : WATCH_LISTING;
}

static int send_request(struct reflector *r, const struct kube_access *access, struct error *e)
{
	struct kube_get get = {
		.connect_timeout_ms = r->trouble.failures % 4 == 3 ? CONNECT_PATIENT_MS : CONNECT_MS,
		.answer_ms = ANSWER_MS,
		.idle_ms = r->phase == LISTING ? LIST_IDLE_MS : r->o.idle_ms,
		.opened = on_opened,
		.body = on_body,
		.done = on_done,
		.arg = r,
	};
	struct text url = {0};
	int result;

	append_query(r, &url);
	if (url.failed) {
		text_done(&url);
		return error_set(e, ENOMEM, r->o.name, "out of memory");
	}
	if (r->fresh)
		kube_http_reset(r->http);
	get.path = url.data;
	result = kube_get(r->http, access, &get, &r->request, e);
	text_done(&url);
	return result;
}

static int prepare(struct reflector *r, struct kube_access *access, struct error *e)
{
	int result = kube_access_load(&r->o.access, access, e);

	if (result < 0)
		return result;
	if (replace(&r->server, access->url) < 0 || replace(&r->origin, access->origin) < 0)
		return error_set(e, ENOMEM, r->o.name, "out of memory");
	if (access->insecure && !r->warned_insecure)
		log_warning("kubernetes", "%s: the certificate of %s is not checked (insecure-skip-tls-verify)",
			    access->origin, access->url);
	r->warned_insecure = access->insecure;
	json_filter_free(r->filter);
	r->filter = json_filter_new(r->phase == LISTING ? r->list_want : r->stream_want, r->phase != LISTING,
				    r->o.max_object, part, r);
	return r->filter ? 0 : error_set(e, ENOMEM, r->o.name, "out of memory");
}

static void attempt(struct reflector *r)
{
	struct kube_access access = {0};
	struct error e = {0};
	int result;

	choose_phase(r);
	r->opened = r->bytes = false;
	r->event_code = 0;
	r->event_error = (struct error){0};
	result = prepare(r, &access, &e);
	if (result == 0 && r->phase != WATCHING && !r->continuation) {
		r->whole = true;
		r->refused = 0;
		r->callbacks.list_begins(r->callbacks.arg);
	}
	if (result == 0)
		result = send_request(r, &access, &e);
	kube_access_done(&access);
	if (result < 0)
		fail(r, &e, 0, 0);
	else if (r->phase == WATCH_LISTING)
		uv_timer_start(&r->timer, on_timer, LIST_DEADLINE_MS, 0);
}

/* ---- life ---- */

void reflector_view(const struct reflector *r, struct reflector_view *ret)
{
	*ret = (struct reflector_view){
		.listed = r->listed,
		.watching = r->phase == WATCHING && r->opened,
		.server = r->server ? r->server : "",
		.origin = r->origin ? r->origin : "",
		.trouble = r->trouble.e.code ? &r->trouble.e : NULL,
		.trouble_seconds = (double)(monotonic_ns() - r->trouble.since_ns) / 1e9,
		.last_event_ns = r->last_event_ns,
		.refused = r->refused,
		.refused_name = r->refused_name,
	};
}

static void want(struct reflector *r)
{
	r->stream_want[0] = (struct json_want){.key = "type"};
	r->stream_want[1] = (struct json_want){.key = "object", .below = r->o.want};
	r->metadata_want[0] = (struct json_want){.key = "resourceVersion"};
	r->metadata_want[1] = (struct json_want){.key = "continue"};
	r->list_want[0] = (struct json_want){.key = "metadata", .below = r->metadata_want};
	r->list_want[1] = (struct json_want){.key = "items", .below = r->o.want, .each = true};
}

int reflector_new(const struct reflector_options *options, const struct reflector_callbacks *callbacks,
		  struct reflector **ret, struct error *e)
{
	struct reflector *r = calloc(1, sizeof(*r));
	struct text selector = {0};
	int result;

	append_escaped(&selector, options->field_selector);
	if (!r || selector.failed || !selector.data) {
		text_done(&selector);
		free(r);
		return error_set(e, ENOMEM, options->name, "out of memory");
	}
	r->o = *options;
	r->callbacks = *callbacks;
	r->selector = selector.data;
	r->trouble.name = options->name;
	want(r);
	result = kube_http_new(options->loop, &r->http, e);
	if (result < 0) {
		free(r->selector);
		free(r);
		return result;
	}
	uv_timer_init(options->loop, &r->timer);
	r->timer.data = r;
	wait_ms(r, 0);
	*ret = r;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void reflector_free(struct reflector *r)
{
	if (!r)
		return;
	kube_cancel(r->request);
	kube_http_free(r->http);
	json_filter_free(r->filter);
	free(r->selector);
	free(r->server);
	free(r->origin);
	free(r->version);
	free(r->continuation);
	uv_timer_stop(&r->timer);
	uv_close((uv_handle_t *)&r->timer, on_closed);
}
