/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of several modules need: real cgroups with real processes in them, and the module as it ships.
 * Every function ends the test program when the machine does not let it do its work: that is no result.
 */
#ifndef MODULES_SANDBOX_H
#define MODULES_SANDBOX_H

#include <prism/fake_host.h>
#include <sys/types.h>

/* A fake host whose pins are gone when the program ends, however it does; NULL as prism_fake_host_new(). */
struct prism_fake_host *sandbox_host_new(const struct prism_module *module, const char *config);
void sandbox_host_free(struct prism_fake_host *fake);

struct sandbox_cgroup {
	char path[256];
	uint64_t id;
};

/* A new cgroup below the host's root, named after this process and name. Gone when the program ends, at the latest. */
void sandbox_cgroup_make(struct prism_fake_host *fake, const char *name, struct sandbox_cgroup *ret_cgroup);
/* A new cgroup below another one. */
void sandbox_cgroup_below(const struct sandbox_cgroup *parent, const char *name, struct sandbox_cgroup *ret_cgroup);
/* Kills what is left in it. */
void sandbox_cgroup_remove(struct sandbox_cgroup *cgroup);
/* The cgroup that the calling process is in. */
void sandbox_home(struct prism_fake_host *fake, struct sandbox_cgroup *ret_cgroup);
/* The calling process, into cgroup. */
void sandbox_join(const struct sandbox_cgroup *cgroup);

/* A child in this cgroup (NULL: where we are) that does fn(arg) and exits with what it returns. */
pid_t sandbox_spawn(const struct sandbox_cgroup *cgroup, int (*fn)(void *arg), void *arg);
/* Wait status of the child. */
int sandbox_wait(pid_t pid);
/* Both; the child must exit with 0. */
void sandbox_run(const struct sandbox_cgroup *cgroup, int (*fn)(void *arg), void *arg);

/* Memory that is shared with children. Zero. */
void *sandbox_shared(size_t size);

/* The module in this file. It stays loaded. */
const struct prism_module *sandbox_module(const char *file);

/* Tell the fake host of an identity named after its number, on this cgroup (NULL: on none). */
void sandbox_identity(struct prism_fake_host *fake, enum prism_change change, uint32_t identity, uint64_t label_hash,
		      const struct sandbox_cgroup *cgroup);

/* Ends with a skip (77) and the reason unless this machine lets root load BPF and make cgroups. */
void sandbox_require_root(void);

#endif
