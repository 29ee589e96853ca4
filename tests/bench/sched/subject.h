/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is compared: a way to schedule the workloads of the bench, put in force and taken away again.
 *
 *   eevdf         the kernel's own, as it comes
 *   tuned         the same, tuned by an expert: cpu.weight 10000:1, preempt=full
 *   object:FILE   a sched_ext scheduler in a BPF object; its maps prism_identity and prism_meta, if it has them, are
 * the bus on which the workloads are module:FILE   a Prism module, as prismd runs it command:FILE  a program that is a
 * sched_ext scheduler as long as it runs
 */
#ifndef BENCH_SCHED_SUBJECT_H
#define BENCH_SCHED_SUBJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "sandbox.h"

struct loaded;

struct subject {
	const char *name;
	enum {
		SUBJECT_EEVDF,
		SUBJECT_TUNED,
		SUBJECT_OBJECT,
		SUBJECT_MODULE,
		SUBJECT_COMMAND,
	} kind;
	struct prism_fake_host *fake; /* its bus; NULL for the kernel's own */
	const char *file;
	char *config; /* object: MAP=HEX, module: its `config:`, command: one argument */
	struct loaded *loaded;
	pid_t pid;
};

/* `[name=]kind[:file][,config]`; ends the program when it cannot be. */
void subject_init(struct subject *subject, char *text);
/* In force on return; ends the program with the kernel's reason otherwise. */
void subject_enter(struct subject *subject);
/* The kernel's own, untuned, on return. False when it was no longer in force: the kernel had ejected it. */
bool subject_leave(struct subject *subject);

/* One of the bench's workloads, the same on each subject. */
struct workload {
	struct sandbox_cgroup cgroup;
	uint32_t identity;
	uint32_t class;  /* enum prism_latency_class */
	uint32_t weight; /* on the bus; 0: unset */
	uint32_t cpu_weight;
};

/* Its share by cpu.weight, as this subject sets it. */
void subject_weigh(const struct subject *subject, const struct workload *workload);
/* The same, and told to the subject's bus. */
void subject_publish(struct subject *subject, const struct workload *workload);
void subject_withdraw(struct subject *subject, const struct workload *workload);

#endif
