/* SPDX-License-Identifier: Apache-2.0 */
#include "scripted_server.h"

#include <arpa/inet.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "base/util.h"

struct scripted_server {
	uv_loop_t *loop;
	const char *vectors;
	const struct script_step *steps;
	size_t n, served;
	uv_tcp_t listener;
	struct connection *connections;
	struct connection *held;
	char request[8192];
};

struct connection {
	struct scripted_server *server;
	uv_tcp_t tcp;
	struct connection *next;
	char head[8192];
	size_t len;
};

struct send {
	uv_write_t write;
	char *data;
};

static void check(int r, const char *what)
{
	if (r < 0)
		errx(1, "scripted server: %s: %s", what, uv_strerror(r));
}

/* ---- sending ---- */

static void on_sent(uv_write_t *write, int status)
{
	struct send *s = container_of(write, struct send, write);

	(void)status; /* the other side may have gone */
	free(s->data);
	free(s);
}

static void send_text(struct connection *c, struct text *text)
{
	struct send *s = calloc(1, sizeof(*s));
	uv_buf_t buf = uv_buf_init(text->data, (unsigned int)text->len);

	if (!s || text->failed)
		errx(1, "out of memory");
	s->data = text->data;
	*text = (struct text){0};
	if (!buf.len || uv_write(&s->write, (uv_stream_t *)&c->tcp, &buf, 1, on_sent) < 0) {
		free(s->data);
		free(s);
	}
}

static void append_chunks(struct text *out, const char *data, size_t len, size_t piece)
{
	while (len) {
		size_t n = piece && piece < len ? piece : len;

		text_appendf(out, "%zx\r\n", n);
		text_append_n(out, data, n);
		text_append(out, "\r\n");
		data += n;
		len -= n;
	}
}

static void on_closed(uv_handle_t *handle)
{
	struct connection *c = handle->data;

	free(c);
}

static void hang_up(struct connection *c)
{
	struct connection **at = &c->server->connections;

	while (*at && *at != c)
		at = &(*at)->next;
	if (!*at)
		return;
	*at = c->next;
	if (c->server->held == c)
		c->server->held = NULL;
	uv_close((uv_handle_t *)&c->tcp, on_closed);
}

/* After everything that was sent. */
static void on_shutdown(uv_shutdown_t *request, int status)
{
	(void)status;
	hang_up(request->handle->data);
	free(request);
}

static void cut(struct connection *c)
{
	uv_shutdown_t *request = calloc(1, sizeof(*request));

	if (uv_shutdown(request, (uv_stream_t *)&c->tcp, on_shutdown) < 0) {
		free(request);
		hang_up(c);
	}
}

void scripted_server_send(struct scripted_server *s, const char *text)
{
	struct text out = {0};

	if (!s->held)
		errx(1, "scripted server: no answer is held");
	append_chunks(&out, text, strlen(text), 0);
	send_text(s->held, &out);
}

void scripted_server_end(struct scripted_server *s)
{
	struct text out = {0};

	if (!s->held)
		errx(1, "scripted server: no answer is held");
	text_append(&out, "0\r\n\r\n");
	send_text(s->held, &out);
	s->held = NULL;
}

void scripted_server_cut(struct scripted_server *s)
{
	if (!s->held)
		errx(1, "scripted server: no answer is held");
	cut(TAKE_PTR(s->held));
}

/* ---- answers ---- */

static char *read_vector(const struct scripted_server *s, const char *file, size_t *ret_len)
{
	struct error e;
	char path[1024], *data;

	snprintf(path, sizeof(path), "%s/%s", s->vectors, file);
	if (file_read(path, 64u << 20, &data, ret_len, &e) < 0)
		errx(1, "%s: %s", e.where, e.text);
	return data;
}

/* The recorded status line and headers without those of its length. */
static void append_recorded_head(const struct scripted_server *s, const char *file, struct text *out)
{
	char name[512], *data, *line, *rest;
	size_t len;

	snprintf(name, sizeof(name), "%.*s.headers", (int)(strrchr(file, '.') - file), file);
	data = rest = read_vector(s, name, &len);
	while ((line = strsep(&rest, "\n"))) {
		line[strcspn(line, "\r")] = '\0';
		if (*line && strncasecmp(line, "Transfer-Encoding:", 18) != 0 &&
		    strncasecmp(line, "Content-Length:", 15) != 0)
			text_appendf(out, "%s\r\n", line);
	}
	free(data);
}

static void answer(struct connection *c, const struct script_step *step)
{
	struct scripted_server *s = c->server;
	struct text out = {0};
	size_t len = step->body ? strlen(step->body) : 0;
	char *body = step->body ? strdup(step->body) : step->file ? read_vector(s, step->file, &len) : NULL;

	if (step->head && *step->head)
		text_append(&out, step->head);
	else if (step->head || !step->file)
		text_append(&out, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n");
	else
		append_recorded_head(s, step->file, &out);
	text_append(&out, "Transfer-Encoding: chunked\r\n\r\n");
	if (body)
		append_chunks(&out, body, len, step->piece);
	if (step->end == SCRIPT_COMPLETE)
		text_append(&out, "0\r\n\r\n");
	send_text(c, &out);
	free(body);
	if (step->end == SCRIPT_CUT)
		cut(c);
	if (step->end == SCRIPT_HOLD)
		s->held = c;
}

static void take_request(struct connection *c)
{
	struct scripted_server *s = c->server;
	const struct script_step *step = &s->steps[s->served];

	snprintf(s->request, sizeof(s->request), "%s", c->head);
	c->len = 0;
	if (s->served == s->n) {
		cut(c);
		return;
	}
	s->served++;
	if (step->expect && !strstr(s->request, step->expect))
		errx(1, "request %zu: \"%s\" is not in\n%s", s->served, step->expect, s->request);
	if (step->refuse && strstr(s->request, step->refuse))
		errx(1, "request %zu: \"%s\" is in\n%s", s->served, step->refuse, s->request);
	if (step->end != SCRIPT_SILENT)
		answer(c, step);
}

/* ---- connections ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct connection *c = handle->data;

	(void)suggested;
	*buf = uv_buf_init(c->head + c->len, (unsigned int)(sizeof(c->head) - 1 - c->len));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct connection *c = stream->data;

	(void)buf;
	if (n < 0) {
		hang_up(c);
		return;
	}
	c->len += (size_t)n;
	c->head[c->len] = '\0';
	if (strstr(c->head, "\r\n\r\n"))
		take_request(c);
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct scripted_server *s = listener->data;
	struct connection *c = calloc(1, sizeof(*c));

	check(status, "connection");
	c->server = s;
	check(uv_tcp_init(s->loop, &c->tcp), "socket");
	c->tcp.data = c;
	check(uv_accept(listener, (uv_stream_t *)&c->tcp), "accept");
	c->next = s->connections;
	s->connections = c;
	check(uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read), "read");
}

/* ---- life ---- */

struct scripted_server *scripted_server_new(uv_loop_t *loop, const char *vectors, const struct script_step *steps,
					    size_t n)
{
	struct scripted_server *s = calloc(1, sizeof(*s));
	struct sockaddr_in address;

	*s = (struct scripted_server){.loop = loop, .vectors = vectors, .steps = steps, .n = n};
	check(uv_ip4_addr("127.0.0.1", 0, &address), "address");
	check(uv_tcp_init(loop, &s->listener), "socket");
	s->listener.data = s;
	check(uv_tcp_bind(&s->listener, (struct sockaddr *)&address, 0), "bind");
	check(uv_listen((uv_stream_t *)&s->listener, 16, on_connection), "listen");
	return s;
}

static void on_listener_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void scripted_server_free(struct scripted_server *s)
{
	while (s->connections)
		hang_up(s->connections);
	uv_close((uv_handle_t *)&s->listener, on_listener_closed);
}

unsigned int scripted_server_port(const struct scripted_server *s)
{
	struct sockaddr_in address;
	int len = sizeof(address);

	check(uv_tcp_getsockname(&s->listener, (struct sockaddr *)&address, &len), "port");
	return ntohs(address.sin_port);
}

size_t scripted_server_served(const struct scripted_server *s)
{
	return s->served;
}

const char *scripted_server_request(const struct scripted_server *s)
{
	return s->request;
}
