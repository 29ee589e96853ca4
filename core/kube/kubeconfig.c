/* SPDX-License-Identifier: Apache-2.0 */
/* kubeconfig files, as kubectl writes them: context -> cluster and user. */
#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "config/scalar.h"
#include "config/tree.h"
#include "kube/access.h"

struct kubeconfig {
	const char *path;
	const struct prism_node *root;
	struct kube_access *access;
	struct error *e;
};

static const char *text_of(const struct prism_node *map, const char *key)
{
	const struct prism_node *node = node_get(map, key);

	return node && node->kind == PRISM_NODE_SCALAR && *node->text ? node->text : NULL;
}

/* Says what is wrong at a node's place. */
__attribute__((format(printf, 4, 5))) static int fail_at(struct kubeconfig *k, const struct prism_node *node, int code,
							 const char *format, ...)
{
	char where[NODE_WHERE_SIZE], text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return error_set(k->e, code, node ? node_where(node, true, where, sizeof(where)) : k->path, "%s", text);
}

static int no_memory(struct kubeconfig *k)
{
	return error_set(k->e, ENOMEM, k->path, "out of memory");
}

static int copy(struct kubeconfig *k, const char *text, char **ret)
{
	if (!text)
		return 0;
	*ret = strdup(text);
	return *ret ? 0 : no_memory(k);
}

/* The `key:` of the element called name in the list, as {clusters: [{name: n, cluster: {...}}]}. */
static int find_named(struct kubeconfig *k, const char *list_key, const char *key, const char *name,
		      const struct prism_node **ret)
{
	const struct prism_node *list = node_get(k->root, list_key);
	char quoted[SCALAR_QUOTE_SIZE];
	uint32_t i;

	for (i = 0; list && list->kind == PRISM_NODE_LIST && i < list->n_child; i++) {
		const char *found = text_of(list->child[i], "name");

		if (!found || strcmp(found, name) != 0)
			continue;
		*ret = node_get(list->child[i], key);
		if (*ret && (*ret)->kind == PRISM_NODE_MAP)
			return 0;
		return fail_at(k, list->child[i], EINVAL, "has no %s that is a map", key);
	}
	return fail_at(k, list, ENOENT, "%s has none that is called %s", list_key,
		       scalar_quote(name, quoted, sizeof(quoted)));
}

/* File names are relative to the file that names them. */
static int read_file(struct kubeconfig *k, const struct prism_node *node, struct text *out)
{
	const char *slash = strrchr(k->path, '/');
	char path[PATH_MAX];
	int n;

	if (node->text[0] == '/' || !slash)
		n = snprintf(path, sizeof(path), "%s", node->text);
	else
		n = snprintf(path, sizeof(path), "%.*s/%s", (int)(slash - k->path), k->path, node->text);
	if ((size_t)n >= sizeof(path))
		return fail_at(k, node, ENAMETOOLONG, "is too long a path");
	return kube_access_read(path, out, k->e);
}

static int decode(struct kubeconfig *k, const struct prism_node *node, struct text *out)
{
	size_t len = strlen(node->text), n = 0;
	_cleanup_free_ unsigned char *data = malloc(len + 1);
	int r = 0;

	if (!data)
		return no_memory(k);
	if (sodium_base642bin(data, len + 1, node->text, len, " \r\n\t", &n, NULL, sodium_base64_VARIANT_ORIGINAL) < 0)
		r = fail_at(k, node, EINVAL, "%s is not base64", node->key);
	else
		text_append_n(out, (const char *)data, n);
	explicit_bzero(data, len + 1);
	return r < 0 ? r : out->failed ? no_memory(k) : 0;
}

/* `key-data:` inline, or `key:` a file; inline wins, as with kubectl. */
static int take_pem(struct kubeconfig *k, const struct prism_node *map, const char *key, struct text *out)
{
	const struct prism_node *file, *data;
	char data_key[64];

	snprintf(data_key, sizeof(data_key), "%s-data", key);
	data = node_get(map, data_key);
	file = node_get(map, key);
	if (text_of(map, data_key))
		return decode(k, data, out);
	return text_of(map, key) ? read_file(k, file, out) : 0;
}

static int take_cluster(struct kubeconfig *k, const struct prism_node *cluster)
{
	const struct prism_node *insecure = node_get(cluster, "insecure-skip-tls-verify");
	int64_t flag = 0;
	int r;

	if (!text_of(cluster, "server"))
		return fail_at(k, cluster, EINVAL, "the cluster has no server");
	if (insecure && insecure->kind == PRISM_NODE_SCALAR && scalar_bool(insecure->text, &flag) < 0)
		return fail_at(k, insecure, EINVAL, "insecure-skip-tls-verify is neither true nor false");
	k->access->insecure = flag != 0;
	r = copy(k, text_of(cluster, "server"), &k->access->url);
	if (r == 0)
		r = copy(k, text_of(cluster, "tls-server-name"), &k->access->tls_name);
	if (r == 0)
		r = copy(k, text_of(cluster, "proxy-url"), &k->access->proxy);
	return r < 0 ? r : take_pem(k, cluster, "certificate-authority", &k->access->ca);
}

/* Ways to log in that need another program, a dialogue, or another's name. */
static int refuse_others(struct kubeconfig *k, const struct prism_node *user)
{
	static const struct {
		const char *key, *why;
	} others[] = {
		{"exec", "runs a program to get credentials, which prismd does not do as root: give it a token file, a "
			 "client certificate, or a service account of its own (docs/kubernetes.md)"},
		{"auth-provider", "is a log-in plugin, which Kubernetes itself has removed: give prismd a token file, "
				  "a client certificate, or a service account of its own"},
		{"username", "is a password log-in, which API servers removed in 1.19: give prismd a token file, a "
			     "client certificate, or a service account of its own"},
		{"as", "impersonates another user, which prismd does not do: give it credentials of its own"},
		{"as-groups", "impersonates another user, which prismd does not do: give it credentials of its own"},
		{"as-uid", "impersonates another user, which prismd does not do: give it credentials of its own"},
		{"as-user-extra",
		 "impersonates another user, which prismd does not do: give it credentials of its own"},
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(others); i++)
		if (node_given(node_get(user, others[i].key)))
			return fail_at(k, node_get(user, others[i].key), ENOTSUP, "%s %s", others[i].key,
				       others[i].why);
	return 0;
}

/* A token file wins over a token, as with kubectl. */
static int take_token(struct kubeconfig *k, const struct prism_node *user)
{
	const struct prism_node *file = node_get(user, "tokenFile"), *node = node_get(user, "token");
	struct text data = {0};
	char where[NODE_WHERE_SIZE];
	int r;

	if (text_of(user, "tokenFile")) {
		r = read_file(k, file, &data);
		if (r == 0)
			r = kube_access_take_token(data.data ? data.data : "", file->text, &k->access->token, k->e);
		if (data.data)
			explicit_bzero(data.data, data.capacity);
		text_done(&data);
		return r;
	}
	if (!text_of(user, "token"))
		return 0;
	return kube_access_take_token(node->text, node_where(node, true, where, sizeof(where)), &k->access->token,
				      k->e);
}

static int take_user(struct kubeconfig *k, const struct prism_node *user)
{
	int r = refuse_others(k, user);

	if (r == 0)
		r = take_token(k, user);
	if (r == 0)
		r = take_pem(k, user, "client-certificate", &k->access->certificate);
	if (r == 0)
		r = take_pem(k, user, "client-key", &k->access->key);
	if (r == 0 && k->access->certificate.len && !k->access->key.len)
		r = fail_at(k, user, EINVAL, "the user has a client-certificate and no client-key");
	return r;
}

static int take_context(struct kubeconfig *k, const char *name)
{
	const struct prism_node *context = NULL, *cluster = NULL, *user = NULL;
	int r;

	if (!name)
		name = text_of(k->root, "current-context");
	if (!name)
		return fail_at(k, NULL, EINVAL,
			       "has no current-context: set one, or name one in sources.kubernetes.context");
	if (asprintf(&k->access->origin, "kubeconfig %s, context %s", k->path, name) < 0) {
		k->access->origin = NULL;
		return no_memory(k);
	}
	r = find_named(k, "contexts", "context", name, &context);
	if (r < 0)
		return r;
	if (!text_of(context, "cluster"))
		return fail_at(k, context, EINVAL, "the context names no cluster");
	r = find_named(k, "clusters", "cluster", text_of(context, "cluster"), &cluster);
	if (r == 0)
		r = take_cluster(k, cluster);
	/* A server that asks nobody who he is: a context without a user. */
	if (r == 0 && text_of(context, "user"))
		r = find_named(k, "users", "user", text_of(context, "user"), &user);
	return r < 0 || !user ? r : take_user(k, user);
}

int kube_access_kubeconfig(const char *path, const char *context, struct kube_access *ret, struct error *e)
{
	struct kubeconfig k = {.path = path, .access = ret, .e = e};
	struct problems p = {0};
	struct prism_node *root = NULL;
	struct tree *tree = tree_new();
	int r;

	if (!tree)
		return no_memory(&k);
	r = tree_parse_file(tree, path, &root, &p);
	if (r < 0 && p.n)
		error_set(e, p.list[0].code, p.list[0].where, "%s", p.list[0].text);
	else if (r < 0)
		error_set(e, -r, path, "cannot be read: %s", strerror(-r));
	if (r == 0 && root->kind != PRISM_NODE_MAP)
		r = error_set(e, EINVAL, path, "is no kubeconfig: it holds no map");
	k.root = root;
	if (r == 0)
		r = take_context(&k, context);
	problems_done(&p);
	tree_free(tree);
	return r;
}
