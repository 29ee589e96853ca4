/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/access.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/util.h"

#define CREDENTIAL_MAX (1024u * 1024)

int kube_access_read(const char *path, struct text *out, struct error *e)
{
	char *data;
	size_t len;
	int r = file_read(path, CREDENTIAL_MAX, &data, &len, e);

	if (r < 0)
		return r;
	text_append_n(out, data, len);
	explicit_bzero(data, len);
	free(data);
	return out->failed ? error_set(e, ENOMEM, path, "out of memory while reading") : 0;
}

int kube_access_take_token(const char *data, const char *where, char **ret, struct error *e)
{
	size_t len, i;

	while (isspace((unsigned char)*data))
		data++;
	len = strlen(data);
	while (len && isspace((unsigned char)data[len - 1]))
		len--;
	for (i = 0; i < len; i++)
		if (data[i] <= ' ' || data[i] == 0x7f)
			return error_set(e, EINVAL, where, "is no token: byte %zu is a blank or not printable ASCII",
					 i + 1);
	if (!len)
		return error_set(e, EINVAL, where, "holds no token");
	*ret = strndup(data, len);
	return *ret ? 0 : error_set(e, ENOMEM, where, "out of memory");
}

/* ---- the service account of this pod ---- */

/* Where each pod is told that the API server is. */
static const char *service_host(void)
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST");

	return host && *host ? host : NULL;
}

bool kube_in_cluster(const char *dir)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/token", dir ? dir : KUBE_SERVICE_ACCOUNT_DIR);
	return service_host() && access(path, F_OK) == 0;
}

static int read_token(const char *path, char **ret, struct error *e)
{
	struct text data = {0};
	int r = kube_access_read(path, &data, e);

	if (r == 0)
		r = kube_access_take_token(data.data ? data.data : "", path, ret, e);
	if (data.data)
		explicit_bzero(data.data, data.capacity);
	text_done(&data);
	return r;
}

int kube_access_in_cluster(const char *dir, struct kube_access *ret, struct error *e)
{
	const char *host = service_host(), *port = getenv("KUBERNETES_SERVICE_PORT");
	char path[PATH_MAX];
	int r;

	if (!host)
		return error_set(e, ENOENT, "KUBERNETES_SERVICE_HOST",
				 "is not set: prismd does not run in a pod; give sources.kubernetes.kubeconfig a file");
	if (!port || !*port)
		port = "443";
	if (asprintf(&ret->url, strchr(host, ':') ? "https://[%s]:%s" : "https://%s:%s", host, port) < 0 ||
	    asprintf(&ret->origin, "service account in %s", dir) < 0)
		return error_set(e, ENOMEM, "service account", "out of memory");
	snprintf(path, sizeof(path), "%s/ca.crt", dir);
	r = kube_access_read(path, &ret->ca, e);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "%s/token", dir);
	return read_token(path, &ret->token, e);
}

/* ---- either ---- */

/* A slash at the end would double the one that each path begins with. */
static int check_url(struct kube_access *access, struct error *e)
{
	size_t len = strlen(access->url);

	if (strncmp(access->url, "https://", 8) != 0 && strncmp(access->url, "http://", 7) != 0)
		return error_set(e, EINVAL, access->url, "is no address of an API server: it begins with https://");
	while (len && access->url[len - 1] == '/')
		access->url[--len] = '\0';
	return 0;
}

int kube_access_load(const struct kube_access_options *options, struct kube_access *ret, struct error *e)
{
	int r;

	kube_access_done(ret);
	if (options->kubeconfig)
		r = kube_access_kubeconfig(options->kubeconfig, options->context, ret, e);
	else
		r = kube_access_in_cluster(options->service_account_dir ? options->service_account_dir
									: KUBE_SERVICE_ACCOUNT_DIR,
					   ret, e);
	return r < 0 ? r : check_url(ret, e);
}

static void forget(struct text *secret)
{
	if (secret->data)
		explicit_bzero(secret->data, secret->capacity);
	text_done(secret);
}

void kube_access_done(struct kube_access *access)
{
	if (access->token)
		explicit_bzero(access->token, strlen(access->token));
	free(access->token);
	forget(&access->key);
	text_done(&access->ca);
	text_done(&access->certificate);
	free(access->origin);
	free(access->url);
	free(access->tls_name);
	free(access->proxy);
	*access = (struct kube_access){0};
}
