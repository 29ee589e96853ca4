/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the API server is and how prismd proves who it is there: the service account of its own pod, or a kubeconfig.
 * Files are read anew at each load, which is cheap and happens before each request: a token, certificate or whole
 * kubeconfig that was rotated is simply the next one used.
 */
#ifndef KUBE_ACCESS_H
#define KUBE_ACCESS_H

#include <stdbool.h>

#include "base/error.h"
#include "base/text.h"

#define KUBE_SERVICE_ACCOUNT_DIR "/var/run/secrets/kubernetes.io/serviceaccount"

struct kube_access_options {
	const char *kubeconfig;          /* a file; NULL: the service account of this pod */
	const char *context;             /* of the kubeconfig; NULL: its current-context */
	const char *service_account_dir; /* NULL: KUBE_SERVICE_ACCOUNT_DIR */
};

/* Certificates and keys are PEM. What is not given is empty or NULL. */
struct kube_access {
	char *origin; /* for people: "kubeconfig /etc/x.conf, context a" */
	char *url;    /* http://host:port/prefix or https://, without a slash at its end */
	char *tls_name;
	char *proxy;
	bool insecure; /* the server's certificate is not checked */
	struct text ca;
	struct text certificate;
	struct text key;
	char *token;
};

/* Is this process in a pod that was given a service account? dir: NULL for the usual one. */
bool kube_in_cluster(const char *dir);

/*
 * ret: zeroed, or what an earlier load left there; freed with kube_access_done() also after a failure. What prismd will
 * not do (exec plugins, auth providers, passwords, impersonation) is -ENOTSUP with file:line:column.
 */
int kube_access_load(const struct kube_access_options *options, struct kube_access *ret, struct error *e);
/* Overwrites secrets before it frees them. */
void kube_access_done(struct kube_access *access);

/* The parts, inside the room. */
int kube_access_in_cluster(const char *dir, struct kube_access *ret, struct error *e);
int kube_access_kubeconfig(const char *path, const char *context, struct kube_access *ret, struct error *e);
/* A file of at most 1 MiB, appended. */
int kube_access_read(const char *path, struct text *out, struct error *e);
/* A token without the white space around it; -EINVAL when it is empty or has bytes that no header may carry. */
int kube_access_take_token(const char *data, const char *where, char **ret, struct error *e);

#endif
