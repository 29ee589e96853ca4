// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rule sets of identities at the kernel's security hooks. Each program asks whether the call is to be judged at all
 * (armed.bpf.h), makes a key of its subject (path.bpf.h, net.bpf.h), takes the rule that the key leads to
 * (verdict.bpf.h) and says so (report.bpf.h). A program that returns -EPERM blocks, whichever others are attached.
 */
#include <linux/bpf.h>
#include <linux/version.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define PRISM_BUS_CACHE
#include <prism/bus.bpf.h>

#include "lsm.h"
#include "armed.bpf.h"
#include "net.bpf.h"
#include "path.bpf.h"
#include "verdict.bpf.h"

/* ---- paths: exec and open ---------------------------------------------------------------------------------------- */

/* size: of the path in key; not positive: none could be had. */
static __always_inline int judge_path(struct lsm_call *call, struct lsm_key *key, long size,
				      const struct lsm_traits *traits)
{
	struct lsm_subject subject = {.path = key, .bits = traits->write ? LSM_OPEN_WRITE : 0};
	struct lsm_verdict verdict = {};

	if (size > LSM_PATH_MAX)
		subject.bits |= LSM_SUBJECT_CUT;
	if (size > 0)
		subject.path_size = size < LSM_PATH_MAX ? size : LSM_PATH_MAX;
	if (!call->mark)
		by_error(&verdict, call, LSM_ERROR_MARK);
	else if (!is_ruled(call))
		by_posture(&verdict, call);
	else if (size > 0)
		by_rules(&verdict, call, key, traits);
	else
		by_error(&verdict, call, LSM_ERROR_PATH);
	return conclude(call, &verdict, &subject);
}

/*
 * Which of the executables that rules name the task runs. What was noted at its exec is what counts; a task that ran
 * before such a rule was there has no note.
 */
static __always_inline __u32 source_of(struct task_struct *task, struct lsm_key *key)
{
	const struct mm_struct___lsm *mm = ((struct task_struct___lsm *)task)->mm;
	struct lsm_key *noted = bpf_task_storage_get(&lsm_origins, task, NULL, 0);
	const struct lsm_rules *rules;
	struct file___lsm *file;

	if (noted) {
		rules = bpf_map_lookup_elem(&lsm_rules, noted);
		return rules ? rules->source : 0;
	}
	file = mm ? mm->exe_file : NULL;
	if (!file || path_key(key, &file->f_path) < 0)
		return 0;
	key->set = LSM_SOURCES;
	key->hook = LSM_EXEC;
	rules = bpf_map_lookup_elem(&lsm_rules, key);
	return rules ? rules->source : 0;
}

/* Once for the file that was named, and once more for the interpreter of a script, and for its. */
SEC("lsm/bprm_check_security")
int BPF_PROG(lsm_exec, struct linux_binprm___lsm *bprm)
{
	struct lsm_call call = {};
	struct lsm_traits traits = {};
	struct lsm_key key;

	if (!policed(&call, LSM_EXEC, LSM_SITE_EXEC))
		return 0;
	if (call.mark && call.binding->bits & LSM_KEEP_SOURCE)
		traits.source = source_of(bpf_get_current_task_btf(), &key);
	return judge_path(&call, &key, path_key(&key, &bprm->file->f_path), &traits);
}

SEC("lsm/file_open")
int BPF_PROG(lsm_open, struct file___lsm *file)
{
	struct lsm_call call = {};
	struct lsm_traits traits = {};
	struct lsm_key key;
	long size;

	/* What a file system opens below a file, such as a layer of overlayfs: the file itself has been judged. */
	if (file->f_mode & FMODE_NOACCOUNT)
		return 0;
	traits.write = file->f_mode & (FMODE_WRITE | FMODE_CREATED) || file->f_flags & O_TRUNC;
	if (!policed_open(&call, traits.write, LSM_SITE_OPEN))
		return 0;
	size = path_key(&key, &file->f_path);
	if (size > 0 && is_pipe(&key))
		return 0;
	return judge_path(&call, &key, size, &traits);
}

/* ---- what changes a path without opening it ------------------------------------------------------------------------
 */

extern int LINUX_KERNEL_VERSION __kconfig;

/* Older kernels do not tell these hooks the path: their programs let be. */
#define HAS_PATH_HOOKS (LINUX_KERNEL_VERSION >= KERNEL_VERSION(6, 12, 0))

static const struct lsm_traits changes = {.write = 1};

static __always_inline int judge_entry(struct path___lsm *directory, const struct dentry___lsm *entry,
				       const enum lsm_site site)
{
	struct lsm_call call = {};
	struct lsm_key key;

	if (!policed(&call, LSM_OPEN, site))
		return 0;
	return judge_path(&call, &key, entry_key(&key, directory, entry), &changes);
}

SEC("lsm/path_truncate")
int BPF_PROG(lsm_truncate, struct path___lsm *path)
{
	struct lsm_call call = {};
	struct lsm_key key;

	if (!HAS_PATH_HOOKS || !policed(&call, LSM_OPEN, LSM_SITE_TRUNCATE))
		return 0;
	return judge_path(&call, &key, path_key(&key, path), &changes);
}

SEC("lsm/path_unlink")
int BPF_PROG(lsm_unlink, struct path___lsm *directory, struct dentry___lsm *entry)
{
	return HAS_PATH_HOOKS ? judge_entry(directory, entry, LSM_SITE_UNLINK) : 0;
}

SEC("lsm/path_rmdir")
int BPF_PROG(lsm_rmdir, struct path___lsm *directory, struct dentry___lsm *entry)
{
	return HAS_PATH_HOOKS ? judge_entry(directory, entry, LSM_SITE_RMDIR) : 0;
}

SEC("lsm/path_mkdir")
int BPF_PROG(lsm_mkdir, struct path___lsm *directory, struct dentry___lsm *entry)
{
	return HAS_PATH_HOOKS ? judge_entry(directory, entry, LSM_SITE_MKDIR) : 0;
}

SEC("lsm/path_symlink")
int BPF_PROG(lsm_symlink, struct path___lsm *directory, struct dentry___lsm *entry)
{
	return HAS_PATH_HOOKS ? judge_entry(directory, entry, LSM_SITE_SYMLINK) : 0;
}

/* The new name; the kernel does not say by which mount the old one was reached. */
SEC("lsm/path_link")
int BPF_PROG(lsm_link, struct dentry___lsm *old, struct path___lsm *directory, struct dentry___lsm *entry)
{
	return HAS_PATH_HOOKS ? judge_entry(directory, entry, LSM_SITE_LINK) : 0;
}

SEC("lsm/path_rename")
int BPF_PROG(lsm_rename, struct path___lsm *from, struct dentry___lsm *old, struct path___lsm *to,
	     struct dentry___lsm *entry)
{
	if (!HAS_PATH_HOOKS)
		return 0;
	if (judge_entry(from, old, LSM_SITE_RENAME))
		return -EPERM;
	return judge_entry(to, entry, LSM_SITE_RENAME);
}

/* ---- sockets: connect, bind, and what is sent to an address -------------------------------------------------------
 */

static __always_inline int judge_address(struct lsm_call *call, const void *sockaddr, const struct socket___lsm *sock,
					 const enum lsm_site site)
{
	const struct sock___lsm *sk = sock->sk;
	struct lsm_address address;
	struct lsm_subject subject = {.address = &address};
	struct lsm_verdict verdict = {};
	struct lsm_traits traits = {};
	struct lsm_key key;

	if (!sk || !read_address(&address, sockaddr, sk, site))
		return 0;
	traits.port = address.port;
	traits.has_port = (address.family == AF_INET || address.family == AF_INET6) && sock->type != SOCK_RAW;
	if (!call->mark) {
		by_error(&verdict, call, LSM_ERROR_MARK);
	} else if (is_ruled(call)) {
		address_key(&key, &address);
		by_rules(&verdict, call, &key, &traits);
	} else {
		by_posture(&verdict, call);
	}
	return conclude(call, &verdict, &subject);
}

SEC("lsm/socket_connect")
int BPF_PROG(lsm_connect, struct socket___lsm *sock, void *sockaddr, int size)
{
	struct lsm_call call = {};

	if (!policed(&call, LSM_CONNECT, LSM_SITE_CONNECT))
		return 0;
	return judge_address(&call, sockaddr, sock, LSM_SITE_CONNECT);
}

SEC("lsm/socket_bind")
int BPF_PROG(lsm_bind, struct socket___lsm *sock, void *sockaddr, int size)
{
	struct lsm_call call = {};

	return policed(&call, LSM_BIND, LSM_SITE_BIND) ? judge_address(&call, sockaddr, sock, LSM_SITE_BIND) : 0;
}

/* What reaches an address without connect(). What is sent to netlink goes to the kernel. */
SEC("lsm/socket_sendmsg")
int BPF_PROG(lsm_send, struct socket___lsm *sock, struct msghdr___lsm *msg, int size)
{
	struct lsm_call call = {};
	const struct sock___lsm *sk = sock->sk;
	const void *name = msg->msg_name;

	if (!sk || !name || msg->msg_namelen <= 0)
		return 0;
	if (family_of(sk) == AF_NETLINK || sends_regardless(sock, sk, msg->msg_flags))
		return 0;
	return policed(&call, LSM_CONNECT, LSM_SITE_SEND) ? judge_address(&call, name, sock, LSM_SITE_SEND) : 0;
}

/* ---- capabilities, in whichever user namespace they are asked for --------------------------------------------------
 */

static __always_inline int judge_capability(struct lsm_call *call, __u32 capability, _Bool quiet)
{
	struct lsm_subject subject = {.capability = capability, .quiet = quiet};
	struct lsm_verdict verdict = {};
	struct lsm_traits traits = {};
	struct lsm_key key = {};

	if (!call->mark) {
		by_error(&verdict, call, LSM_ERROR_MARK);
	} else if (is_ruled(call)) {
		key.prefixlen = LSM_KEY_BITS + 8;
		key.bytes[0] = capability;
		by_rules(&verdict, call, &key, &traits);
	} else {
		by_posture(&verdict, call);
	}
	return conclude(call, &verdict, &subject);
}

/* The kernel's own check comes first: only what the task has is asked for here. */
SEC("lsm/capable")
int BPF_PROG(lsm_capable, void *cred, void *ns, int capability, unsigned int options)
{
	struct lsm_call call = {};

	return policed(&call, LSM_CAPABLE, LSM_SITE_CAPABLE)
		       ? judge_capability(&call, capability, options & CAP_OPT_NOAUDIT)
		       : 0;
}

/* ---- arming: a task is told by its last exec -----------------------------------------------------------------------
 */

/* Which executable it is, for as long as the rule set of the identity asks. */
static __always_inline void note_source(struct task_struct *task, const struct lsm_binding *binding,
					struct file___lsm *file)
{
	struct lsm_key *noted;

	if (!binding || !(binding->bits & LSM_KEEP_SOURCE)) {
		bpf_task_storage_delete(&lsm_origins, task);
		return;
	}
	noted = bpf_task_storage_get(&lsm_origins, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!noted)
		return;
	noted->set = LSM_SOURCES;
	noted->hook = LSM_EXEC;
	if (path_key(noted, &file->f_path) < 0)
		noted->prefixlen = LSM_KEY_BITS; /* of no rule */
}

SEC("lsm/bprm_committed_creds")
int BPF_PROG(lsm_armed, struct linux_binprm___lsm *bprm)
{
	struct task_struct *task = bpf_get_current_task_btf();
	const struct lsm_binding *binding;
	struct prism_lookup who;
	struct lsm_mark *mark;

	binding = binding_of(&who);
	note_source(task, binding, bprm->file);
	mark = bpf_task_storage_get(&lsm_marks, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!mark)
		return 0;
	mark->cgroup_id = who.cgroup_id;
	mark->identity = who.identity;
	return 0;
}

/* No memory to note where the child comes from: until it execs it would go by no rules. */
static __always_inline int judge_unmarked(void)
{
	struct lsm_call call = {.hook = LSM_EXEC};
	struct lsm_subject subject = {};
	struct lsm_verdict verdict = {};

	if (!policed_any(&call, ~0u, LSM_SITE_FORK))
		return 0;
	by_error(&verdict, &call, LSM_ERROR_MARK);
	return conclude(&call, &verdict, &subject);
}

/* Threads are tasks, too. */
SEC("lsm/task_alloc")
int BPF_PROG(lsm_fork, struct task_struct *task, unsigned long clone_flags)
{
	struct task_struct *parent = bpf_get_current_task_btf();
	struct lsm_mark *mark = bpf_task_storage_get(&lsm_marks, parent, NULL, 0);
	struct lsm_key *noted;

	if (!mark)
		return 0;
	if (!bpf_task_storage_get(&lsm_marks, task, mark, BPF_LOCAL_STORAGE_GET_F_CREATE))
		return judge_unmarked();
	noted = bpf_task_storage_get(&lsm_origins, parent, NULL, 0);
	if (noted)
		bpf_task_storage_get(&lsm_origins, task, noted, BPF_LOCAL_STORAGE_GET_F_CREATE);
	return 0;
}

/* Arms what was there before the programs. What has a mark keeps it: that one knows better. */
SEC("iter/task")
int lsm_arm(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct lsm_stats *stats;
	struct prism_lookup who;
	struct lsm_mark *mark;

	if (!task || ((struct task_struct___lsm *)task)->flags & PF_KTHREAD)
		return 0;
	if (bpf_task_storage_get(&lsm_marks, task, NULL, 0))
		return 0;
	who = prism_lookup_task(task);
	mark = bpf_task_storage_get(&lsm_marks, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	stats = bpf_map_lookup_elem(&lsm_stats, &zero);
	if (!mark || !stats)
		return 0;
	mark->cgroup_id = who.cgroup_id;
	mark->identity = identity_of(&who);
	__sync_fetch_and_add(&stats->armed, 1);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
