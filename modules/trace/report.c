// SPDX-License-Identifier: Apache-2.0
#include "report.h"

#include <errno.h>
#include <string.h>

#define FIELDS_MAX 20
#define WAIT_SIGNAL(code) ((code) & 0x7f)
#define WAIT_CORE(code) (((code) & 0x80) != 0)
#define WAIT_STATUS(code) ((code) >> 8 & 0xff)

/* An event under construction. */
struct draft {
	struct prism_field fields[FIELDS_MAX];
	uint32_t n;
	char comm[TRACE_COMM + 1];
	char parent_comm[TRACE_COMM + 1];
};

static struct prism_field *add(struct draft *draft, const char *key, enum prism_field_kind kind)
{
	struct prism_field *field = &draft->fields[draft->n++];

	*field = (struct prism_field){.key = key, .kind = kind};
	return field;
}

static void add_unsigned(struct draft *draft, const char *key, uint64_t value)
{
	add(draft, key, PRISM_FIELD_UNSIGNED)->v.u = value;
}

static void add_true(struct draft *draft, const char *key)
{
	add(draft, key, PRISM_FIELD_BOOL)->v.u = 1;
}

static void add_text(struct draft *draft, const char *key, const char *text)
{
	add(draft, key, PRISM_FIELD_TEXT)->v.text = text;
}

static const char *comm_text(char *to, const char *comm)
{
	memcpy(to, comm, TRACE_COMM);
	to[TRACE_COMM] = '\0';
	return to;
}

static void add_head(struct draft *draft, const struct trace_head *head)
{
	add_unsigned(draft, "pid", head->pid);
	add_unsigned(draft, "ppid", head->ppid);
	add_unsigned(draft, "uid", head->uid);
	add_text(draft, "comm", comm_text(draft->comm, head->comm));
}

static void send(const struct report *report, struct draft *draft, const struct trace_head *head)
{
	struct prism_event event = {
		.size = sizeof(event),
		.type = head->type,
		.identity = head->identity,
		.flags = head->flags,
		.ktime_ns = head->ktime_ns,
		.fields = draft->fields,
		.field_size = sizeof(draft->fields[0]),
	};

	add_unsigned(draft, "start_ns", head->start_ns);
	add_unsigned(draft, "seq", head->seq);
	event.n_fields = draft->n;
	prism_event_emit(report->host, &event);
}

static int report_exec(const struct report *report, const struct trace_exec *exec, size_t size)
{
	const char *path = (const char *)(exec + 1);
	struct draft draft = {0};
	struct args args;
	int r;

	if (size < sizeof(*exec) || size - sizeof(*exec) < (size_t)exec->path_size + exec->args_size)
		return -EPROTO;
	if (exec->path_size && path[exec->path_size - 1])
		return -EPROTO;
	r = args_split(path + exec->path_size, exec->args_size, report->max_args, &report->redact, &args);
	if (r < 0)
		return r;
	add_head(&draft, &exec->head);
	add_text(&draft, "parent_comm", comm_text(draft.parent_comm, exec->parent_comm));
	add_text(&draft, "filename", exec->path_size ? path : "");
	*add(&draft, "args", PRISM_FIELD_LIST) = (struct prism_field){.key = "args",
								      .kind = PRISM_FIELD_LIST,
								      .n = (uint32_t)args.n,
								      .v.list = args.list};
	if (args.cut || exec->head.bits & TRACE_ARGS_CUT)
		add_true(&draft, "args_truncated");
	if (exec->head.bits & TRACE_ARGS_UNREAD)
		add_true(&draft, "args_unread");
	send(report, &draft, &exec->head);
	args_done(&args);
	return 0;
}

static int report_exit(const struct report *report, const struct trace_exit *exit, size_t size)
{
	const struct trace_head *head = &exit->head;
	struct draft draft = {0};

	if (size != sizeof(*exit))
		return -EPROTO;
	add_head(&draft, head);
	if (WAIT_SIGNAL(exit->code)) {
		add_unsigned(&draft, "signal", WAIT_SIGNAL(exit->code));
		add(&draft, "core_dumped", PRISM_FIELD_BOOL)->v.u = WAIT_CORE(exit->code);
	} else {
		add_unsigned(&draft, "exit_code", WAIT_STATUS(exit->code));
	}
	add_unsigned(&draft, "duration_ns", head->ktime_ns - head->start_ns);
	if (head->bits & TRACE_EXEC_SEEN)
		add_unsigned(&draft, "since_exec_ns", head->ktime_ns - exit->exec_ns);
	if (head->bits & TRACE_EXEC_SEEN && exit->exec_identity != head->identity)
		add_unsigned(&draft, "exec_identity", exit->exec_identity);
	if (head->bits & TRACE_FORK_ONLY)
		add_true(&draft, "fork_only");
	send(report, &draft, head);
	return 0;
}

int report_record(const struct report *report, const void *record, size_t size)
{
	const struct trace_head *head = record;

	if (size < sizeof(*head))
		return -EPROTO;
	switch (head->type) {
	case TRACE_EXEC:
		return report_exec(report, record, size);
	case TRACE_EXIT:
		return report_exit(report, record, size);
	default:
		return -EPROTO;
	}
}

void report_lost(const struct report *report, const char *reason, uint64_t count, uint64_t total)
{
	struct draft draft = {0};
	struct prism_event event = {
		.size = sizeof(event),
		.type = REPORT_LOST,
		.fields = draft.fields,
		.field_size = sizeof(draft.fields[0]),
	};

	add_text(&draft, "reason", reason);
	add_unsigned(&draft, "count", count);
	add_unsigned(&draft, "total", total);
	event.n_fields = draft.n;
	prism_event_emit(report->host, &event);
}
