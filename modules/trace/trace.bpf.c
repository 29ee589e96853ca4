// SPDX-License-Identifier: GPL-2.0-only
/*
 * exec and exit of processes, tagged with the identity that the process has at that moment, into a pinned ring.
 *
 * Two generations of these programs are attached for a moment while one replaces the other. Which one runs first for
 * an event reports it; the mark that it leaves on the process keeps the other from doing so again. Once user space has
 * named the new generation the old one is silent, however long the kernel takes to detach it.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <prism/bus.bpf.h>

#include "trace.h"

#define PF_FORKNOEXEC 0x00000040
#define PF_KTHREAD 0x00200000
#define SIGNAL_GROUP_EXIT 0x00000004

#define NS_PER_SEC 1000000000ull
#define RATE_TRIES 8

/* ---- the kernel's types, as far as they are read ----------------------------------------------------------------- */

struct mm_struct___trace {
	unsigned long arg_start;
	unsigned long arg_end;
} PRISM_CORE;

struct kuid___trace {
	__u32 val;
} PRISM_CORE;

struct cred___trace {
	struct kuid___trace uid;
} PRISM_CORE;

struct atomic___trace {
	int counter;
} PRISM_CORE;

struct signal_struct___trace {
	struct atomic___trace live;
	int group_exit_code;
	unsigned int flags;
} PRISM_CORE;

struct task_struct___trace {
	unsigned int flags;
	int exit_code;
	int tgid;
	__u64 start_time;
	__u64 self_exec_id;
	char comm[TRACE_COMM];
	struct mm_struct___trace *mm;
	struct task_struct___trace *real_parent;
	struct task_struct___trace *group_leader;
	struct cred___trace *cred;
	struct signal_struct___trace *signal;
} PRISM_CORE;

struct linux_binprm___trace {
	const char *filename;
} PRISM_CORE;

/* ---- configuration, fixed when the programs are loaded ----------------------------------------------------------- */

const volatile __u32 trace_max_arg_bytes = 1024;
const volatile __u32 trace_wake_bytes = 1 << 18; /* the reader is woken above this many bytes, asleep or not */
const volatile __u64 trace_interval_ns = 0;      /* between two events of one identity at its rate; 0: no limit */
const volatile __u64 trace_burst_ns = 0;         /* how far ahead of its rate an identity may run */
const volatile __u64 trace_generation = 0;
const volatile _Bool trace_want_exec = 1;
const volatile _Bool trace_want_fork_exits = 1;

/* ---- state that outlives prismd ---------------------------------------------------------------------------------- */

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} trace_ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, __u32);
	__type(value, struct trace_row);
} trace_rows SEC(".maps");

/* Whose row it is: identity -> label_hash. User space alone reads and writes it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, __u32);
	__type(value, __u64);
} trace_owners SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, __u32);
	__type(value, struct trace_counts);
} trace_counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, __u32);
	__type(value, struct trace_reader);
} trace_reader SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, int);
	__type(value, struct trace_mark);
} trace_marks SEC(".maps");

/* Where an exec record is put together. Not pinned: each generation of the program has its own, and the kernel never
 * runs one program twice at a time on one CPU.
 */
struct exec_scratch {
	struct trace_exec exec;
	char tail[TRACE_PATH_MAX + TRACE_ARGS_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct exec_scratch);
} trace_scratch SEC(".maps");

static const __u32 zero = 0;

static __always_inline _Bool superseded(const struct trace_reader *reader)
{
	return *(const volatile __u64 *)&reader->generation > trace_generation;
}

/* ---- accounting -------------------------------------------------------------------------------------------------- */

static __always_inline struct trace_row *row_of(__u32 identity)
{
	static const struct trace_row empty;
	struct trace_row *row = bpf_map_lookup_elem(&trace_rows, &identity);

	if (row)
		return row;
	bpf_map_update_elem(&trace_rows, &identity, &empty, BPF_NOEXIST);
	return bpf_map_lookup_elem(&trace_rows, &identity);
}

/*
 * A token bucket as one word (GCRA): tat is when all that has been let through would be paid for. Several CPUs may
 * race for it; one that keeps losing is let through without being charged, because an event is worth more than that.
 */
static __always_inline _Bool within_rate(struct trace_row *row, __u64 now)
{
	int i;

	if (!trace_interval_ns)
		return 1;
	for (i = 0; i < RATE_TRIES; i++) {
		__u64 old = *(volatile __u64 *)&row->tat_ns;
		__u64 tat = old > now ? old : now;

		if (tat - now > trace_burst_ns)
			return 0;
		if (__sync_val_compare_and_swap(&row->tat_ns, old, tat + trace_interval_ns) == old)
			return 1;
	}
	return 1;
}

/* Counts the event and says whether it is to be reported. Everything counted here is accounted for in emit(). */
static __always_inline _Bool admit(struct trace_counts *counts, const struct trace_head *head)
{
	struct trace_row *row = row_of(head->identity);

	__sync_fetch_and_add(&counts->seen, 1);
	if (!row) {
		__sync_fetch_and_add(&counts->unrated, 1);
		return 1;
	}
	__sync_fetch_and_add(&row->seen[head->type & 1], 1);
	if (within_rate(row, head->ktime_ns))
		return 1;
	__sync_fetch_and_add(&row->limited, 1);
	__sync_fetch_and_add(&counts->limited, 1);
	return 0;
}

/*
 * The reader sleeps until it is woken once, and then looks by itself every few milliseconds until there is nothing
 * more: a storm of execs costs one wake-up, not one each. It says that it sleeps and then looks at the ring once more;
 * here the record is there first and then asleep is read: one of the two sees the other. The wake-up is an empty
 * record that no reader gets to see.
 */
static __always_inline void wake_sleeping(struct trace_reader *reader)
{
	void *nothing;

	if (!*(volatile __u32 *)&reader->asleep || !__sync_lock_test_and_set(&reader->asleep, 0))
		return;
	nothing = bpf_ringbuf_reserve(&trace_ring, sizeof(__u64), 0);
	if (nothing)
		bpf_ringbuf_discard(nothing, BPF_RB_FORCE_WAKEUP);
}

static __always_inline void emit(struct trace_counts *counts, struct trace_reader *reader, struct trace_head *head,
				 __u32 size)
{
	__u64 wake = BPF_RB_NO_WAKEUP;

	head->seq = __sync_fetch_and_add(&reader->seq, 1) + 1;
	/* Filling up: sooner than the reader would look by itself. */
	if (bpf_ringbuf_query(&trace_ring, BPF_RB_AVAIL_DATA) > trace_wake_bytes)
		wake = BPF_RB_FORCE_WAKEUP;
	if (bpf_ringbuf_output(&trace_ring, head, size, wake))
		__sync_fetch_and_add(&counts->dropped, 1);
	else
		__sync_fetch_and_add(&counts->emitted, 1);
	wake_sleeping(reader);
}

/* ---- what every record says ---- */

static __always_inline void fill_head(struct trace_head *head, enum trace_type type, struct task_struct *task,
				      __u64 now)
{
	const struct task_struct___trace *t = (const void *)task;
	const struct task_struct___trace *leader = t->group_leader;
	struct prism_lookup who = prism_lookup_task(task);

	head->type = type;
	head->bits = 0;
	head->ktime_ns = now;
	head->start_ns = leader->start_time;
	head->identity = who.identity;
	head->flags = who.flags;
	head->pid = t->tgid;
	head->ppid = t->real_parent->tgid;
	head->uid = t->cred->uid.val;
	head->reserved = 0;
	bpf_probe_read_kernel(head->comm, sizeof(head->comm), leader->comm);
}

/* ---- exec: execve and execveat, from any thread ---- */

/* False when this very exec has been reported. In the mark of the task, which is the leader of its group by now. */
static __always_inline _Bool mark_exec(struct trace_mark *mark, __u64 exec_id, const struct trace_head *head)
{
	if (!mark)
		return 1;
	if (__sync_lock_test_and_set(&mark->exec_id, exec_id) == exec_id)
		return 0;
	mark->exec_ns = head->ktime_ns;
	mark->exec_identity = head->identity;
	return 1;
}

/* x, or 0 above max. In a register of its own: the verifier of 6.1 follows no bound through a copy of 32 bits. */
static __always_inline __u64 bounded(__u64 x, __u64 max)
{
	asm volatile("" : "+r"(x));
	return x > max ? 0 : x;
}

/* The filename as it was given, then the arguments as they lie on the new stack. Gives the bytes taken in all. */
static __always_inline __u64 fill_tail(struct exec_scratch *to, const struct mm_struct___trace *mm,
				       const struct linux_binprm___trace *bprm)
{
	__u64 from = mm->arg_start, total = mm->arg_end - from, size = trace_max_arg_bytes, path_size;

	path_size = bounded(bpf_probe_read_kernel_str(to->tail, TRACE_PATH_MAX, bprm->filename), TRACE_PATH_MAX);
	if (total <= size)
		size = total;
	else
		to->exec.head.bits |= TRACE_ARGS_CUT;
	size = bounded(size, TRACE_ARGS_MAX);
	if (bpf_probe_read_user(&to->tail[path_size], size, (const void *)from)) {
		to->exec.head.bits |= TRACE_ARGS_UNREAD;
		size = 0;
	}
	to->exec.args_total = total;
	to->exec.path_size = path_size;
	to->exec.args_size = size;
	return path_size + size;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(trace_exec, struct task_struct *task, int old_pid, struct linux_binprm___trace *bprm)
{
	const struct task_struct___trace *t = (const void *)task;
	struct trace_counts *counts = bpf_map_lookup_elem(&trace_counts, &zero);
	struct trace_reader *reader = bpf_map_lookup_elem(&trace_reader, &zero);
	struct exec_scratch *to = bpf_map_lookup_elem(&trace_scratch, &zero);
	struct trace_mark *mark;
	__u64 tail;

	if (!counts || !reader || !to || superseded(reader))
		return 0;
	fill_head(&to->exec.head, TRACE_EXEC, task, bpf_ktime_get_ns());
	mark = bpf_task_storage_get(&trace_marks, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!mark_exec(mark, t->self_exec_id, &to->exec.head) || !trace_want_exec)
		return 0;
	if (!admit(counts, &to->exec.head)) {
		wake_sleeping(reader);
		return 0;
	}
	bpf_probe_read_kernel(to->exec.parent_comm, TRACE_COMM, t->real_parent->group_leader->comm);
	tail = bounded(fill_tail(to, t->mm, bprm), sizeof(to->tail));
	emit(counts, reader, &to->exec.head, sizeof(to->exec) + tail);
	return 0;
}

/* ---- exit: once a process, when its last thread goes ---- */

/* What wait(2) gives the parent. */
static __always_inline __u32 exit_code(const struct task_struct___trace *leader)
{
	const struct signal_struct___trace *signal = leader->signal;

	return signal->flags & SIGNAL_GROUP_EXIT ? signal->group_exit_code : leader->exit_code;
}

static __always_inline void fill_exit(struct trace_exit *to, const struct trace_mark *mark, __u32 leader_flags)
{
	to->exec_ns = 0;
	to->exec_identity = 0;
	if (leader_flags & PF_FORKNOEXEC) {
		to->head.bits |= TRACE_FORK_ONLY;
	} else if (mark && mark->exec_ns) {
		to->head.bits |= TRACE_EXEC_SEEN;
		to->exec_ns = mark->exec_ns;
		to->exec_identity = mark->exec_identity;
	}
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(trace_exit, struct task_struct *task)
{
	const struct task_struct___trace *t = (const void *)task;
	const struct task_struct___trace *leader = t->group_leader;
	struct trace_counts *counts = bpf_map_lookup_elem(&trace_counts, &zero);
	struct trace_reader *reader = bpf_map_lookup_elem(&trace_reader, &zero);
	struct trace_mark *mark;
	struct trace_exit to;
	__u32 flags;

	if (t->signal->live.counter || !counts || !reader || superseded(reader))
		return 0;
	flags = leader->flags;
	if (flags & PF_KTHREAD || (flags & PF_FORKNOEXEC && !trace_want_fork_exits))
		return 0;
	/* Two threads that leave at the same time can both be the last one here. */
	mark = bpf_task_storage_get(&trace_marks, (void *)leader, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	/* Two last threads may make it at once: who loses gets NULL, and finds what the other made. */
	if (!mark)
		mark = bpf_task_storage_get(&trace_marks, (void *)leader, NULL, 0);
	if (mark && __sync_lock_test_and_set(&mark->exited, 1))
		return 0;
	fill_head(&to.head, TRACE_EXIT, task, bpf_ktime_get_ns());
	fill_exit(&to, mark, flags);
	to.code = exit_code(leader);
	if (admit(counts, &to.head))
		emit(counts, reader, &to.head, sizeof(to));
	else
		wake_sleeping(reader);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
