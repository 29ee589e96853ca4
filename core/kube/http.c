/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/util.h"

/* A peer that does not answer is given up after KEEPALIVE_IDLE + 3 * KEEPALIVE_INTERVAL, or DEAD_MS with data sent. */
#define KEEPALIVE_IDLE 15L
#define KEEPALIVE_INTERVAL 5L
#define DEAD_MS 30000u
#define EVENTS 16
/* More of Retry-After than this is a mistake, or somebody's attempt to make the node blind. */
#define RETRY_AFTER_MAX_S 300

/*
 * libcurl's sockets live in an epoll instance of their own, of which the loop sees one descriptor: they come and go,
 * also with the same number twice, inside of calls to libcurl.
 */
struct kube_http {
	CURLM *multi;
	int epoll_fd;
	uv_poll_t poll;
	uv_timer_t timer;
	unsigned int closing;
};

struct kube_request {
	struct kube_http *http;
	struct kube_get get;
	CURL *curl;
	struct curl_slist *headers;
	struct curl_slist *connect_to;
	uv_timer_t idle;
	uint64_t last_ns; /* when bytes last came */
	struct text error_body;
	int result; /* of body() */
	bool stalled;
	bool answered; /* its headers are there */
	bool ended;    /* its handle is being closed */
	char message[CURL_ERROR_SIZE];
};

/* ---- the end of a request ---- */

static void on_request_closed(uv_handle_t *handle)
{
	free(handle->data);
}

/* What libcurl and the loop hold of it; the memory goes when the loop has let go. */
static void finish(struct kube_request *r)
{
	r->ended = true;
	curl_multi_remove_handle(r->http->multi, r->curl);
	curl_easy_cleanup(r->curl);
	curl_slist_free_all(r->headers);
	curl_slist_free_all(r->connect_to);
	text_done(&r->error_body);
	uv_timer_stop(&r->idle);
	uv_close((uv_handle_t *)&r->idle, on_request_closed);
}

void kube_cancel(struct kube_request *request)
{
	if (request && !request->ended)
		finish(request);
}

static int errno_of(CURLcode code)
{
	switch (code) {
	case CURLE_OK:
		return 0;
	case CURLE_OUT_OF_MEMORY:
		return ENOMEM;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return EHOSTUNREACH;
	case CURLE_COULDNT_CONNECT:
		return ECONNREFUSED;
	case CURLE_OPERATION_TIMEDOUT:
		return ETIMEDOUT;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_ISSUER_ERROR:
		return EKEYREJECTED;
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
		return EINVAL;
	default:
		return ECONNRESET;
	}
}

/* What to do about it. */
static const char *remedy(CURLcode code)
{
	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
		return "; is the address right, and the API server up?";
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
		return "; check the address, certificate-authority and tls-server-name";
	case CURLE_SSL_CERTPROBLEM:
		return "; check client-certificate and client-key";
	default:
		return "";
	}
}

static void report(struct kube_request *r, CURLcode code)
{
	struct kube_answer answer = {.body = r->error_body.data ? r->error_body.data : ""};
	void (*done)(void *arg, const struct kube_answer *answer) = r->get.done;
	void *arg = r->get.arg;
	struct text body = r->error_body;
	char url[sizeof(answer.e.where)] = "";
	curl_off_t after = 0;
	char *full = NULL;

	curl_easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, &answer.status);
	curl_easy_getinfo(r->curl, CURLINFO_RETRY_AFTER, &after);
	curl_easy_getinfo(r->curl, CURLINFO_EFFECTIVE_URL, &full);
	if (full)
		snprintf(url, sizeof(url), "%.*s", (int)strcspn(full, "?"), full);
	if (after > 0)
		answer.retry_after_ms = (uint64_t)(after < RETRY_AFTER_MAX_S ? after : RETRY_AFTER_MAX_S) * 1000;
	if (r->stalled)
		answer.result = error_set(&answer.e, ETIMEDOUT, url, "nothing came for %.1f s",
					  (double)(monotonic_ns() - r->last_ns) / 1e9);
	else if (r->result)
		answer.result = r->result;
	else if (code != CURLE_OK)
		answer.result = error_set(&answer.e, errno_of(code), url, "%s%s",
					  r->message[0] ? r->message : curl_easy_strerror(code), remedy(code));
	r->error_body = (struct text){0};
	finish(r);
	done(arg, &answer);
	text_done(&body);
}

/* ---- the loop drives libcurl ---- */

static void take_results(struct kube_http *http)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(http->multi, &left))) {
		struct kube_request *r = NULL;
		CURLcode code = message->data.result;

		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &r);
		report(r, code);
	}
}

static void drive(struct kube_http *http, curl_socket_t fd, int what)
{
	int running;

	curl_multi_socket_action(http->multi, fd, what, &running);
	take_results(http);
}

static void on_timer(uv_timer_t *timer)
{
	drive(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct kube_http *http = poll->data;
	struct epoll_event ready[EVENTS];
	int n = epoll_wait(http->epoll_fd, ready, EVENTS, 0), i;

	(void)status;
	(void)events;
	for (i = 0; i < n; i++) {
		uint32_t e = ready[i].events;

		drive(http, ready[i].data.fd,
		      (e & EPOLLIN ? CURL_CSELECT_IN : 0) | (e & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
			      (e & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0));
	}
}

static int socket_changed(CURL *curl, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct kube_http *http = arg;
	struct epoll_event event = {.data.fd = fd};

	(void)curl;
	(void)socket_arg;
	if (what == CURL_POLL_REMOVE) {
		epoll_ctl(http->epoll_fd, EPOLL_CTL_DEL, fd, &event);
		return 0;
	}
	event.events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
	if (epoll_ctl(http->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 &&
	    (errno != EEXIST || epoll_ctl(http->epoll_fd, EPOLL_CTL_MOD, fd, &event) < 0))
		return -1;
	return 0;
}

/* libcurl must not be called from within this. */
static int timer_changed(CURLM *multi, long ms, void *arg)
{
	struct kube_http *http = arg;

	(void)multi;
	if (ms < 0)
		uv_timer_stop(&http->timer);
	else
		uv_timer_start(&http->timer, on_timer, (uint64_t)ms, 0);
	return 0;
}

/* ---- what arrives ---- */

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	struct kube_request *r = arg;
	size_t len = size * n, room = KUBE_ERROR_BODY - r->error_body.len;
	long status = 0;

	r->last_ns = monotonic_ns();
	curl_easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status != 200) {
		text_append_n(&r->error_body, data, len < room ? len : room);
		return len;
	}
	r->result = r->get.body(r->get.arg, data, len);
	return r->result ? 0 : len;
}

static void on_idle(uv_timer_t *timer)
{
	struct kube_request *r = timer->data;
	uint64_t quiet_ms = (monotonic_ns() - r->last_ns) / NS_PER_MS;
	uint64_t limit_ms = r->answered ? r->get.idle_ms : r->get.answer_ms;

	if (quiet_ms < limit_ms) {
		uv_timer_start(&r->idle, on_idle, limit_ms - quiet_ms, 0);
		return;
	}
	r->stalled = true;
	report(r, CURLE_OPERATION_TIMEDOUT);
}

static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
	struct kube_request *r = arg;
	long status = 0;

	r->last_ns = monotonic_ns();
	if (size * n > 2 || data[0] != '\r')
		return size * n;
	curl_easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status < 200)
		return size * n;
	r->answered = true;
	uv_timer_start(&r->idle, on_idle, r->get.idle_ms, 0);
	if (status == 200 && r->get.opened)
		r->get.opened(r->get.arg);
	return size * n;
}

/* ---- making a request ---- */

static int on_socket(void *arg, curl_socket_t fd, curlsocktype purpose)
{
	unsigned int dead_ms = DEAD_MS;

	(void)arg;
	(void)purpose;
	/* What was sent and is not acknowledged for so long breaks the connection; keep-alive alone waits longer. */
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_ms, sizeof(dead_ms));
	return CURL_SOCKOPT_OK;
}

static void set_blob(CURL *curl, CURLoption option, const struct text *pem)
{
	struct curl_blob blob = {.data = pem->data, .len = pem->len, .flags = CURL_BLOB_COPY};

	if (pem->len)
		curl_easy_setopt(curl, option, &blob);
}

static void set_trust(CURL *curl, const struct kube_access *access)
{
	set_blob(curl, CURLOPT_CAINFO_BLOB, &access->ca);
	/* A cluster's own authority is the only one. */
	if (access->ca.len)
		curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
	set_blob(curl, CURLOPT_SSLCERT_BLOB, &access->certificate);
	set_blob(curl, CURLOPT_SSLKEY_BLOB, &access->key);
	if (access->insecure) {
		curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
	}
}

/* Where the URL has one name and the certificate another, the URL gets the certificate's and is connected elsewhere. */
static int append_address(struct kube_request *r, const struct kube_access *access, struct text *url)
{
	_cleanup_free_ char *to = NULL;
	char *host = NULL, *port = NULL;
	CURLU *u;
	bool ok;

	if (!access->tls_name) {
		text_append(url, access->url);
		return 0;
	}
	u = curl_url();
	ok = u && curl_url_set(u, CURLUPART_URL, access->url, 0) == CURLUE_OK &&
	     curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
	     curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
	     asprintf(&to, "::%s:%s", host, port) > 0 &&
	     curl_url_set(u, CURLUPART_HOST, access->tls_name, 0) == CURLUE_OK;
	curl_free(host);
	curl_free(port);
	host = NULL;
	if (ok && curl_url_get(u, CURLUPART_URL, &host, 0) == CURLUE_OK) {
		host[strcspn(host, "#?")] = '\0';
		text_append_n(url, host, strlen(host) - (host[strlen(host) - 1] == '/'));
		r->connect_to = curl_slist_append(NULL, to);
	}
	curl_free(host);
	curl_url_cleanup(u);
	return r->connect_to ? 0 : -EINVAL;
}

static bool add_header(struct kube_request *r, const char *header)
{
	struct curl_slist *longer = curl_slist_append(r->headers, header);

	if (longer)
		r->headers = longer;
	return longer != NULL;
}

static bool add_token(struct kube_request *r, const char *token)
{
	char *header = NULL;
	bool ok;

	if (!token)
		return true;
	if (asprintf(&header, "Authorization: Bearer %s", token) < 0)
		return false;
	ok = add_header(r, header);
	explicit_bzero(header, strlen(header));
	free(header);
	return ok;
}

static void set_options(struct kube_request *r, const struct kube_access *access, const char *url)
{
	CURL *curl = r->curl;

	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	curl_easy_setopt(curl, CURLOPT_PIPEWAIT, 1L);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, r->headers);
	curl_easy_setopt(curl, CURLOPT_CONNECT_TO, r->connect_to);
	/* A name that begins with "curl" would be answered in indented JSON. */
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "prismd/" PRISM_VERSION);
	if (access->proxy)
		curl_easy_setopt(curl, CURLOPT_PROXY, access->proxy);
	set_trust(curl, access);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	/* The thread that looks up a name is not waited for. */
	curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)r->get.connect_timeout_ms);
	curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(curl, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_IDLE);
	curl_easy_setopt(curl, CURLOPT_TCP_KEEPINTVL, KEEPALIVE_INTERVAL);
	curl_easy_setopt(curl, CURLOPT_SOCKOPTFUNCTION, on_socket);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, r->message);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, r);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, r);
	curl_easy_setopt(curl, CURLOPT_PRIVATE, r);
}

static void undo(struct kube_request *r)
{
	curl_easy_cleanup(r->curl);
	curl_slist_free_all(r->headers);
	curl_slist_free_all(r->connect_to);
	free(r);
}

int kube_get(struct kube_http *http, const struct kube_access *access, const struct kube_get *get,
	     struct kube_request **ret, struct error *e)
{
	struct kube_request *r = calloc(1, sizeof(*r));
	struct text url = {0};
	int code;

	if (!r)
		return error_set(e, ENOMEM, access->url, "out of memory");
	r->http = http;
	r->get = *get;
	r->curl = curl_easy_init();
	if (append_address(r, access, &url) < 0) {
		undo(r);
		text_done(&url);
		return error_set(e, EINVAL, access->url, "is no address of an API server");
	}
	text_append(&url, get->path);
	if (!r->curl || url.failed || !add_header(r, "Accept: application/json") || !add_token(r, access->token)) {
		undo(r);
		text_done(&url);
		return error_set(e, ENOMEM, access->url, "out of memory");
	}
	set_options(r, access, url.data);
	text_done(&url);
	uv_timer_init(http->timer.loop, &r->idle);
	r->idle.data = r;
	r->last_ns = monotonic_ns();
	code = (int)curl_multi_add_handle(http->multi, r->curl);
	if (code != CURLM_OK) {
		finish(r);
		return error_set(e, EIO, access->url, "%s", curl_multi_strerror((CURLMcode)code));
	}
	uv_timer_start(&r->idle, on_idle, get->connect_timeout_ms + get->answer_ms, 0);
	*ret = r;
	return 0;
}

/* ---- life ---- */

static CURLM *new_multi(struct kube_http *http)
{
	CURLM *multi = curl_multi_init();

	if (!multi)
		return NULL;
	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, socket_changed);
	curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, http);
	curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, timer_changed);
	curl_multi_setopt(multi, CURLMOPT_TIMERDATA, http);
	curl_multi_setopt(multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
	curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, 1L);
	return multi;
}

int kube_http_new(uv_loop_t *loop, struct kube_http **ret, struct error *e)
{
	struct kube_http *http = calloc(1, sizeof(*http));

	if (!http || curl_global_init(CURL_GLOBAL_SSL) != CURLE_OK) {
		free(http);
		return error_set(e, ENOMEM, "libcurl", "out of memory");
	}
	http->multi = new_multi(http);
	http->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (!http->multi || http->epoll_fd < 0 || uv_poll_init(loop, &http->poll, http->epoll_fd) < 0) {
		error_set(e, errno ? errno : ENOMEM, "libcurl", "cannot be set up: %s", strerror(errno));
		curl_multi_cleanup(http->multi);
		if (http->epoll_fd >= 0)
			close(http->epoll_fd);
		free(http);
		return -e->code;
	}
	uv_timer_init(loop, &http->timer);
	http->poll.data = http->timer.data = http;
	uv_poll_start(&http->poll, UV_READABLE, on_poll);
	*ret = http;
	return 0;
}

void kube_http_reset(struct kube_http *http)
{
	CURLM *multi = new_multi(http);

	/* Without memory the old one is better than none. */
	if (!multi)
		return;
	curl_multi_cleanup(http->multi);
	uv_timer_stop(&http->timer);
	http->multi = multi;
}

static void on_closed(uv_handle_t *handle)
{
	struct kube_http *http = handle->data;

	if (--http->closing == 0)
		free(http);
}

void kube_http_free(struct kube_http *http)
{
	if (!http)
		return;
	curl_multi_cleanup(http->multi);
	curl_global_cleanup();
	http->closing = 2;
	uv_close((uv_handle_t *)&http->timer, on_closed);
	uv_close((uv_handle_t *)&http->poll, on_closed);
	close(http->epoll_fd);
}
