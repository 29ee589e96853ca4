/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <string.h>

/* Far beyond what a full bus makes; a daemon gone wild shall not fill the machine. */
#define MAX_ANSWER (256u << 20)
#define MAX_LINE (1u << 20)

struct exchange {
	struct text body;
	unsigned int too_big; /* the limit that was passed; 0: none */
	/* For streams: */
	CURL *curl;
	int (*line)(void *arg, const char *text, size_t len);
	void *arg;
	int stopped; /* what line() returned */
};

static size_t take_body(char *data, size_t size, size_t n, void *arg)
{
	struct exchange *x = arg;

	x->too_big = x->body.len + size * n > MAX_ANSWER ? MAX_ANSWER : 0;
	if (x->too_big)
		return 0;
	text_append_n(&x->body, data, size * n);
	return x->body.failed ? 0 : size * n;
}

static CURL *make_handle(struct ctl *ctl, const char *path, const char *method, struct exchange *x, struct error *e)
{
	_cleanup_text_ struct text url = {0};
	CURL *curl = curl_easy_init();

	text_append(&url, "http://prismd");
	text_append(&url, path);
	if (!curl || url.failed) {
		curl_easy_cleanup(curl);
		error_set(e, ENOMEM, path, "out of memory");
		return NULL;
	}
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, ctl_socket(ctl));
	curl_easy_setopt(curl, CURLOPT_URL, url.data);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "prismctl/" PRISM_VERSION);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 5L);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, x);
	if (strcmp(method, "POST") == 0)
		curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, "");
	return curl;
}

static int transport_error(struct ctl *ctl, CURL *curl, CURLcode code, const struct exchange *x, struct error *e)
{
	long os = 0;

	curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &os);
	if (x->too_big)
		return error_set(e, EFBIG, ctl_socket(ctl), "the answer, or a line of it, is larger than %u MiB",
				 x->too_big >> 20);
	if (code == CURLE_OUT_OF_MEMORY || x->body.failed)
		return error_set(e, ENOMEM, ctl_socket(ctl), "out of memory");
	if (code == CURLE_COULDNT_CONNECT && (os == EACCES || os == EPERM))
		return error_set(e, EACCES, ctl_socket(ctl),
				 "permission denied: be root or a member of the group in admin.group");
	if (code == CURLE_COULDNT_CONNECT)
		return error_set(e, ENOTCONN, ctl_socket(ctl), "prismd is not running (%s)",
				 os ? strerror((int)os) : curl_easy_strerror(code));
	if (code == CURLE_OPERATION_TIMEDOUT)
		return error_set(e, ETIMEDOUT, ctl_socket(ctl), "prismd does not answer in time");
	return error_set(e, ENOTCONN, ctl_socket(ctl), "connection to prismd lost: %s", curl_easy_strerror(code));
}

static int errno_of_status(long status)
{
	return status == 404 ? ENOENT : status == 403 || status == 401 ? EACCES : status >= 500 ? EIO : EINVAL;
}

/* {"error":{"code","where","text"}} of an answer that is not 2xx. */
static int server_error(struct ctl *ctl, long status, const struct text *body, const char *path, struct error *e)
{
	json_t *doc = body->data ? json_loadb(body->data, body->len, 0, NULL) : NULL;
	const json_t *error = json_object_get(doc, "error");

	json_decref(ctl->refusal);
	ctl->refusal = doc;

	if (!*json_text(error, "text"))
		return error_set(e, errno_of_status(status), path, "prismd answered HTTP %ld", status);
	return error_set(e, errno_of_status(status), json_text(error, "where"), "%s", json_text(error, "text"));
}

static int exchange(struct ctl *ctl, const char *path, const char *method, struct exchange *x, struct error *e)
{
	CURL *curl = make_handle(ctl, path, method, x, e);
	CURLcode code;
	long status = 0;
	int r = 0;

	if (!curl)
		return -ENOMEM;
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, 60L);
	code = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	if (code != CURLE_OK)
		r = transport_error(ctl, curl, code, x, e);
	else if (status < 200 || status > 299)
		r = server_error(ctl, status, &x->body, path, e);
	curl_easy_cleanup(curl);
	return r;
}

static int exchange_json(struct ctl *ctl, const char *path, const char *method, json_t **ret, struct error *e)
{
	struct exchange x = {0};
	json_error_t bad;
	json_t *doc;
	int r = exchange(ctl, path, method, &x, e);

	if (r < 0) {
		text_done(&x.body);
		return r;
	}
	doc = json_loadb(x.body.data ? x.body.data : "", x.body.len, 0, &bad);
	text_done(&x.body);
	if (!json_is_object(doc)) {
		json_decref(doc);
		return error_set(e, EPROTO, path, "the answer is not a JSON object: %s", bad.text);
	}
	if (json_number(doc, "schema_version") != CTL_SCHEMA_VERSION) {
		r = error_set(e, EPROTO, path,
			      "prismd speaks schema version %lld, this prismctl %d: use the prismctl that came with it",
			      (long long)json_number(doc, "schema_version"), CTL_SCHEMA_VERSION);
		json_decref(doc);
		return r;
	}
	*ret = doc;
	return 0;
}

int client_get(struct ctl *ctl, const char *path, json_t **ret, struct error *e)
{
	return exchange_json(ctl, path, "GET", ret, e);
}

int client_post(struct ctl *ctl, const char *path, json_t **ret, struct error *e)
{
	return exchange_json(ctl, path, "POST", ret, e);
}

int client_get_text(struct ctl *ctl, const char *path, char **ret, struct error *e)
{
	struct exchange x = {0};
	int r = exchange(ctl, path, "GET", &x, e);
	char *text = r < 0 ? NULL : text_take(&x.body);

	text_done(&x.body);
	if (r < 0)
		return r;
	if (!text)
		return error_set(e, ENOMEM, path, "out of memory");
	*ret = text;
	return 0;
}

void client_escape(struct text *path, const char *value)
{
	char *escaped = curl_easy_escape(NULL, value, (int)strlen(value));

	if (escaped)
		text_append(path, escaped);
	else
		path->failed = true;
	curl_free(escaped);
}

/* ---- streams ---------------------------------------------------------------------------------------------------- */

static int hand_out_lines(struct exchange *x)
{
	size_t start = 0;

	for (size_t i = 0; i < x->body.len && !x->stopped; i++) {
		if (x->body.data[i] != '\n')
			continue;
		x->body.data[i] = '\0';
		if (i > start)
			x->stopped = x->line(x->arg, x->body.data + start, i - start);
		start = i + 1;
	}
	if (start) {
		memmove(x->body.data, x->body.data + start, x->body.len - start);
		x->body.len -= start;
	}
	x->too_big = x->body.len > MAX_LINE ? MAX_LINE : 0;
	return x->stopped || x->too_big ? -1 : 0;
}

static size_t take_lines(char *data, size_t size, size_t n, void *arg)
{
	struct exchange *x = arg;
	long status = 0;

	if (take_body(data, size, n, x) != size * n)
		return 0;
	curl_easy_getinfo(x->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status != 200) /* an error document: kept whole */
		return size * n;
	return hand_out_lines(x) < 0 ? 0 : size * n;
}

/* Drives the transfer until its end or until stop_fd is readable. */
static int drive(CURLM *multi, int stop_fd, CURLcode *ret_code)
{
	struct curl_waitfd extra = {.fd = stop_fd, .events = CURL_WAIT_POLLIN};
	int running = 1, left;
	CURLMsg *message;

	while (running) {
		if (curl_multi_perform(multi, &running) != CURLM_OK)
			return -ENOMEM;
		if (!running)
			break;
		extra.revents = 0;
		if (curl_multi_poll(multi, stop_fd >= 0 ? &extra : NULL, stop_fd >= 0, 60000, NULL) != CURLM_OK)
			return -ENOMEM;
		if (extra.revents)
			return -EINTR;
	}
	message = curl_multi_info_read(multi, &left);
	*ret_code = message ? message->data.result : CURLE_RECV_ERROR;
	return 0;
}

static int follow_result(struct ctl *ctl, const char *path, CURLcode code, struct exchange *x, struct error *e)
{
	long status = 0;

	if (x->stopped)
		return x->stopped;
	if (code != CURLE_OK)
		return transport_error(ctl, x->curl, code, x, e);
	curl_easy_getinfo(x->curl, CURLINFO_RESPONSE_CODE, &status);
	return status == 200 ? 0 : server_error(ctl, status, &x->body, path, e);
}

int client_follow(struct ctl *ctl, const char *path, int stop_fd, int (*line)(void *arg, const char *text, size_t len),
		  void *arg, struct error *e)
{
	struct exchange x = {.line = line, .arg = arg};
	CURLcode code = CURLE_OK;
	CURLM *multi;
	int r;

	x.curl = make_handle(ctl, path, "GET", &x, e);
	if (!x.curl)
		return -ENOMEM;
	curl_easy_setopt(x.curl, CURLOPT_WRITEFUNCTION, take_lines);
	multi = curl_multi_init();
	if (!multi || curl_multi_add_handle(multi, x.curl) != CURLM_OK)
		r = error_set(e, ENOMEM, path, "out of memory");
	else
		r = drive(multi, stop_fd, &code);
	if (r == 0)
		r = follow_result(ctl, path, code, &x, e);
	if (multi)
		curl_multi_remove_handle(multi, x.curl);
	curl_easy_cleanup(x.curl);
	curl_multi_cleanup(multi);
	text_done(&x.body);
	return r;
}
