/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's types, as far as they are read, and what its headers for user space do not have. */
#ifndef LSM_TYPES_BPF_H
#define LSM_TYPES_BPF_H

#include <linux/in.h>
#include <linux/in6.h>

#define PF_KTHREAD 0x00200000
#define PF_FORKNOEXEC 0x00000040

#define FMODE_WRITE 0x2
#define FMODE_CREATED 0x100000
#define FMODE_NOACCOUNT 0x20000000 /* not of a task's open files: opened by the kernel for itself */
#define O_TRUNC 01000

#define AF_UNSPEC 0
#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define AF_NETLINK 16
#define AF_TIPC 30
#define AF_VSOCK 40
#define AF_SMC 43
#define SOCK_STREAM 1
#define SOCK_RAW 3
#define MSG_FASTOPEN 0x20000000

#define CAP_OPT_NOAUDIT 0x2

#define EPERM 1

struct path;

struct hlist_bl_node___lsm {
	struct hlist_bl_node___lsm **pprev;
} PRISM_CORE;

struct qstr___lsm {
	const unsigned char *name;
} PRISM_CORE;

struct dentry___lsm {
	struct hlist_bl_node___lsm d_hash;
	struct dentry___lsm *d_parent;
	struct qstr___lsm d_name;
} PRISM_CORE;

struct vfsmount___lsm {
	struct dentry___lsm *mnt_root;
} PRISM_CORE;

struct path___lsm {
	struct vfsmount___lsm *mnt;
	struct dentry___lsm *dentry;
} PRISM_CORE;

struct file___lsm {
	unsigned int f_mode;
	unsigned int f_flags;
	struct path___lsm f_path;
} PRISM_CORE;

struct linux_binprm___lsm {
	struct file___lsm *file;
} PRISM_CORE;

struct mm_struct___lsm {
	struct file___lsm *exe_file;
} PRISM_CORE;

struct kuid___lsm {
	__u32 val;
} PRISM_CORE;

struct cred___lsm {
	struct kuid___lsm uid;
} PRISM_CORE;

struct task_struct___lsm {
	unsigned int flags;
	char comm[LSM_COMM];
	struct mm_struct___lsm *mm;
	struct cred___lsm *cred;
} PRISM_CORE;

struct sock_common___lsm {
	unsigned short skc_family;
	struct in6_addr skc_v6_rcv_saddr;
} PRISM_CORE;

struct sock___lsm {
	struct sock_common___lsm __sk_common;
	__u16 sk_protocol;
} PRISM_CORE;

struct inet_sock___lsm {
	__be32 inet_saddr;
} PRISM_CORE;

struct socket___lsm {
	short type;
	struct sock___lsm *sk;
} PRISM_CORE;

struct msghdr___lsm {
	void *msg_name;
	int msg_namelen;
	unsigned int msg_flags;
} PRISM_CORE;

struct bpf_iter__task {
	void *meta;
	struct task_struct *task;
} PRISM_CORE;

#endif
