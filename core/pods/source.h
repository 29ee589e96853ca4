/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Kubernetes source: the pods that the API server has bound to this node, and the cgroups that are theirs.
 *
 *   path.h   what a cgroup's name says        pod.h   a pod's JSON        index.h   the two brought together
 *
 * A pod's entry comes with the later of its cgroup and its event, follows its labels, and goes with its cgroup: not
 * when the pod is completed or deleted, because whatever still runs there still is that pod. While the API server is
 * away nothing changes. After a restart of prismd, pods are what the bus says they are until the API server has spoken.
 */
#ifndef PODS_SOURCE_H
#define PODS_SOURCE_H

#include "source/source.h"

/* env->received, flush and adopted may be NULL, for tests. */
int pods_source_new(const struct source_env *env, struct source **ret);

#endif
