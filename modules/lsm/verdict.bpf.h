/* SPDX-License-Identifier: GPL-2.0-only */
/* From a key to a verdict: the longest key's choices in their order, then the posture. */
#ifndef LSM_VERDICT_BPF_H
#define LSM_VERDICT_BPF_H

#include "report.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_RDONLY_PROG);
	__uint(max_entries, 65536);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, struct lsm_key);
	__type(value, struct lsm_rules);
} lsm_rules SEC(".maps");

/* What a choice asks of a subject beside its key. */
struct lsm_traits {
	__u32 source; /* exec: the number of the executable; 0: not one that a rule names */
	__u16 port;
	_Bool has_port;
	_Bool write;
};

static __always_inline _Bool takes(const struct lsm_choice *choice, const struct lsm_traits *traits,
				   const enum lsm_hook hook)
{
	switch (hook) {
	case LSM_EXEC:
		return !choice->from || choice->from == traits->source;
	case LSM_OPEN:
		return traits->write || !(choice->bits & LSM_WRITE_ONLY);
	case LSM_CONNECT:
	case LSM_BIND:
		if (!traits->has_port)
			return !choice->first && choice->last == 0xffff;
		return traits->port >= choice->first && traits->port <= choice->last;
	default:
		return 1;
	}
}

static __always_inline void by_posture(struct lsm_verdict *verdict, const struct lsm_call *call)
{
	verdict->rule = call->binding->posture[call->hook].rule;
	verdict->action = call->binding->posture[call->hook].action;
	verdict->by_posture = 1;
}

static __always_inline void by_error(struct lsm_verdict *verdict, const struct lsm_call *call, enum lsm_error error)
{
	verdict->error = error;
	verdict->action = call->config->on_error;
}

static __always_inline _Bool is_ruled(const struct lsm_call *call)
{
	return call->binding->ruled & LSM_HOOK_BIT(call->hook);
}

/* key: complete but for set and hook. */
static __always_inline void by_rules(struct lsm_verdict *verdict, const struct lsm_call *call, struct lsm_key *key,
				     const struct lsm_traits *traits)
{
	const struct lsm_rules *rules;
	__u32 i;

	key->set = call->binding->set;
	key->hook = call->hook;
	rules = bpf_map_lookup_elem(&lsm_rules, key);
	if (!rules) {
		by_error(verdict, call, LSM_ERROR_RULES);
		return;
	}
	for (i = 0; i < LSM_CHOICES_MAX && i < rules->n; i++) {
		const struct lsm_choice *choice = &rules->choices[i];

		if (!takes(choice, traits, call->hook))
			continue;
		verdict->rule = choice->rule;
		verdict->action = choice->action;
		return;
	}
	by_posture(verdict, call);
}

/* Counts and reports the verdict. Gives what the hook returns. */
static __always_inline int conclude(struct lsm_call *call, struct lsm_verdict *verdict,
				    const struct lsm_subject *subject)
{
	struct lsm_stats *stats;

	if (verdict->action == LSM_ALLOW && verdict->by_posture)
		return 0;
	verdict->blocked = verdict->action == LSM_BLOCK && call->config->mode == LSM_ENFORCE;
	stats = bpf_map_lookup_elem(&lsm_stats, &zero);
	if (stats && !superseded(call)) {
		if (verdict->error)
			count_error(stats, verdict);
		else
			count(stats, call, verdict);
		if (!subject->quiet && (verdict->action != LSM_ALLOW || verdict->error))
			report(stats, call, verdict, subject);
	}
	if (!verdict->blocked)
		return 0;
	asm volatile(""); /* or it becomes arithmetic, in which the verifier sees no limits */
	return -EPERM;
}

#endif
