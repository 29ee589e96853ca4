/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The leg's programs by themselves, attached, on the bus of a fake host, with maps that the test writes: two cgroups a
 * and b, of which a is the workload ID_A's. Everything asserts.
 */
#ifndef LSM_GUARD_H
#define LSM_GUARD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lsm.h"
#include "lsm.skel.h"
#include "sandbox.h"

#define ID_A 1001u
#define ID_B 1002u
#define SET 7u
#define GUARD_MOUNT "mount" /* in g->dir: is unmounted at the end of each test */

/* The number of each hook's posture in counts and events. */
#define POSTURE_RULE(hook) (900u + (hook))

struct guard {
	struct prism_fake_host *fake;
	struct lsm_bpf *skel;
	struct prism_leg *leg;
	struct ring_buffer *ring;
	struct sandbox_cgroup a;
	struct sandbox_cgroup b;
	struct lsm_config config;
	char dir[64];     /* of the test's own */
	char program[80]; /* in dir: does deeds */
	struct lsm_event last;
	size_t n_events;
};

/* Exits with 77 where BPF LSM is not to be had. */
void guard_require(void);

/*
 * Of a group of tests, as group setup and teardown: attached and armed. Attaching takes the kernel its time, so that
 * the programs stay and the maps, cgroups and files are each test's own: guard_begin_test() and guard_end_test().
 */
int guard_setup(void **state);
int guard_teardown(void **state);
int guard_begin_test(void **state);
int guard_end_test(void **state);

/* The iterator: marks the tasks that have no mark. */
void guard_arm(struct guard *g);

/* The rule set of an identity: rules of these hooks (LSM_HOOK_BIT()), allow for all that no rule takes. */
void guard_bind(struct guard *g, uint32_t identity, uint32_t ruled, uint32_t bits);
void guard_unbind(struct guard *g, uint32_t identity);
/* The same set with this posture for one hook. */
void guard_posture(struct guard *g, uint32_t identity, enum lsm_hook hook, enum lsm_action action);
void guard_config(struct guard *g);

/* Rules of SET, each with one choice of this number and action. */
void guard_rule(struct guard *g, enum lsm_hook hook, const void *bytes, uint32_t bits, const struct lsm_rules *rules);
/* A path that ends in '/' is a directory. */
void guard_path(struct guard *g, enum lsm_hook hook, const char *path, uint64_t rule, enum lsm_action action);
void guard_path_choice(struct guard *g, enum lsm_hook hook, const char *path, struct lsm_choice choice);
/* "10.0.0.0/8"; a family alone: "ipv4", "unix"; "": any. */
void guard_address(struct guard *g, enum lsm_hook hook, const char *address, uint64_t rule, enum lsm_action action,
		   uint16_t first, uint16_t last);
void guard_capability(struct guard *g, uint8_t capability, uint64_t rule, enum lsm_action action);
/* `from` number of this executable. */
void guard_source(struct guard *g, const char *path, uint32_t number);
void guard_forget_path(struct guard *g, enum lsm_hook hook, const char *path);

/* g->dir/name, valid until the next call but three. */
const char *guard_file(struct guard *g, const char *name);
/* A file with four bytes there. */
void guard_make_file(struct guard *g, const char *name);
/* A copy of this program there; or a script that it interprets. */
const char *guard_copy(struct guard *g, const char *name);

/* The words of a deed, apart by single spaces, in this cgroup: as its process's own first exec. Gives the errno. */
int guard_deed(struct guard *g, const struct sandbox_cgroup *cgroup, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The same by that program of g->dir. */
int guard_deed_by(struct guard *g, const struct sandbox_cgroup *cgroup, const char *program, const char *words);
/* Without waiting: up to its `wait`. */
pid_t guard_begin(struct guard *g, const struct sandbox_cgroup *cgroup, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void guard_go(struct guard *g);
/* Up to a further `wait`. */
void guard_ready(struct guard *g);
int guard_end(struct guard *g, pid_t pid);

struct lsm_count guard_count(struct guard *g, uint32_t identity, uint64_t rule);
struct lsm_stats guard_stats(struct guard *g);
/* Takes what is in the ring: n events, of which the last is given. */
const struct lsm_event *guard_events(struct guard *g, size_t n);

#endif
