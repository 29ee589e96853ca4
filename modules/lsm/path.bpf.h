/* SPDX-License-Identifier: GPL-2.0-only */
/* Paths as keys: what the kernel calls a file, seen from the root of the task that runs. */
#ifndef LSM_PATH_BPF_H
#define LSM_PATH_BPF_H

#include "types.bpf.h"

#define PATH_MAX 4096
#define NAME_MAX 255
#define DELETED " (deleted)" /* what d_path() puts behind the name of a file that has none any more */
#define PIPE "pipe:"         /* what it calls one that was never in a directory */

/*
 * For a path that does not fit into a key, or is put together. Of the task, because a program can be preempted by one
 * of another task.
 */
struct lsm_long_path {
	char path[PATH_MAX + NAME_MAX + 1];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct lsm_long_path);
} lsm_long_paths SEC(".maps");

/* The executable of a task whose rule set asks for it, as a key of LSM_SOURCES. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, int);
	__type(value, struct lsm_key);
} lsm_origins SEC(".maps");

/* Puts name behind the directory. Gives the size of all, which the buffer has room for. */
static __always_inline long append_name(struct lsm_long_path *buffer, __u64 size, const unsigned char *name)
{
	__u64 at = size > 2 ? size - 1 : 0; /* the root has its slash already */
	long n;

	asm volatile("" : "+r"(at)); /* or the bound is put on another register */
	at &= PATH_MAX - 1;
	buffer->path[at] = '/';
	n = bpf_probe_read_kernel_str(&buffer->path[at + 1], NAME_MAX, name);
	return n < 0 ? n : (long)at + 1 + n;
}

/* Whether d_path() says so. The root of a file system is in no directory either, and is not unlinked. */
static __always_inline _Bool is_unlinked(const struct path___lsm *path)
{
	const struct dentry___lsm *dentry = path->dentry;

	return !dentry->d_hash.pprev && (dentry->d_parent != dentry || path->mnt->mnt_root != dentry);
}

/* The name that an unlinked file had; room: bytes that path has. */
static __always_inline long without_deleted(char *path, long size, const __u64 room)
{
	const __u64 suffix = sizeof(DELETED); /* with a NUL, as size */
	__u64 at = size - suffix;

	asm volatile("" : "+r"(at)); /* or the bound is put on another register */
	if (at > room - suffix)
		return size;
	if (__builtin_memcmp(&path[at], DELETED, suffix))
		return size;
	path[at] = '\0';
	return at + 1;
}

/*
 * d_path(), by the last name of what has none any more. It may lose its name while it is asked for: only a suffix that
 * the kernel has put there is taken away, and none that is part of the name.
 */
static __always_inline long path_name(struct path___lsm *path, char *to, const __u64 room)
{
	_Bool unlinked = is_unlinked(path);
	long size = bpf_d_path((struct path *)path, to, room);

	if (is_unlinked(path) != unlinked) {
		unlinked = !unlinked;
		size = bpf_d_path((struct path *)path, to, room);
	}
	return size > 0 && unlinked ? without_deleted(to, size, room) : size;
}

/*
 * The path in a buffer of its own; entry: a name below it, or NULL. A rule's path is never longer than a key: what
 * comes behind does not matter to any.
 */
static __noinline long long_path(struct path___lsm *path, const struct dentry___lsm *entry, struct lsm_key *key)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct lsm_long_path *buffer;
	long size;

	buffer = bpf_task_storage_get(&lsm_long_paths, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!buffer)
		return -1;
	size = path_name(path, buffer->path, PATH_MAX);
	if (size > 0 && entry)
		size = append_name(buffer, size, entry->d_name.name);
	if (size > 0 && bpf_probe_read_kernel(key->bytes, LSM_PATH_MAX, buffer->path))
		size = -1;
	bpf_task_storage_delete(&lsm_long_paths, task);
	return size;
}

static __always_inline void path_bits(struct lsm_key *key, long size)
{
	key->prefixlen = LSM_KEY_BITS + (size < LSM_PATH_MAX ? size : LSM_PATH_MAX) * 8;
}

/* Bytes of the path with its NUL; key has the first LSM_PATH_MAX of them. Negative: there is none to be had. */
static __always_inline long path_key(struct lsm_key *key, struct path___lsm *path)
{
	long size = path_name(path, (char *)key->bytes, LSM_PATH_MAX);

	if (size <= 0)
		size = long_path(path, NULL, key);
	if (size <= 0)
		return -1;
	path_bits(key, size);
	return size;
}

/* Opened anew by a task that has it, by its place in /proc. What has a path begins with a slash. */
static __always_inline _Bool is_pipe(const struct lsm_key *key)
{
	return !__builtin_memcmp(key->bytes, PIPE, sizeof(PIPE) - 1);
}

/* The same of an entry of a directory, there or not yet. */
static __always_inline long entry_key(struct lsm_key *key, struct path___lsm *directory,
				      const struct dentry___lsm *entry)
{
	long size = long_path(directory, entry, key);

	if (size <= 0)
		return -1;
	path_bits(key, size);
	return size;
}

#endif
