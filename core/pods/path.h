/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a cgroup's path says of pods, as kubelet and the container runtimes name things. Pure functions of the names:
 * drivers, QoS classes, runtimes and roots are recognised by looking, never configured.
 *
 *     systemd     [root/]kubepods[-burstable|-besteffort]-pod<uid, _ for ->.slice, any prefix before kubepods (kind:
 *                 kubelet-kubepods-...), Guaranteed without a class
 *     cgroupfs    [root/]kubepods[/burstable|/besteffort]/pod<uid>
 *     containers  below it: cri-containerd-<id>.scope, crio-<id>.scope, docker-<id>.scope, libpod-<id>.scope, or <id>
 *                 alone; crun adds a cgroup `container` inside
 *
 * A static pod's uid there is the hash of its file, which the API knows as the annotation kubernetes.io/config.hash.
 */
#ifndef PODS_PATH_H
#define PODS_PATH_H

#include <stdbool.h>
#include <stddef.h>

#define POD_UID_SIZE 128

struct pod_path {
	char uid[POD_UID_SIZE]; /* as the API writes it */
	const char *driver;     /* "systemd", "cgroupfs" */
	const char *qos;        /* "Guaranteed", "Burstable", "BestEffort" */
};

/* Is the last component of the first len bytes of path (below the root, with or without a leading slash) a pod's? */
bool pod_path_parse(const char *path, size_t len, struct pod_path *ret);

/* Could a cgroup of this name be a pod's? Cheap, and never wrong when it says no. */
bool pod_path_likely(const char *name);

struct container_name {
	char id[65];
	const char *runtime; /* "containerd", "CRI-O", "docker", "podman"; "" where the name does not say */
};

/* Is this the name of a container's cgroup? */
bool container_name_parse(const char *name, size_t len, struct container_name *ret);

#endif
