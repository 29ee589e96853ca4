/* SPDX-License-Identifier: Apache-2.0 */
/* The lsm module on a fake host, with a workload, its files, and what the module has said. */
#ifndef LSM_TEST_SCENE_H
#define LSM_TEST_SCENE_H

#include <jansson.h>

#include "actor.h"
#include "sandbox.h"

#define ID_WEB 1001u
#define ID_OTHER 1002u
#define PORT 4433u

/* A rule set of both workloads, and its one rule. */
#define SET "rule_sets:\n- name: web\n  select: {namespace: test}\n"
#define RULE "  open:\n  - {id: secret, path: @/data/secret, access: write, action: block}\n"

struct scene {
	const struct prism_module *module;
	struct prism_fake_host *fake;
	struct sandbox_cgroup web;   /* ID_WEB is on the bus */
	struct sandbox_cgroup other; /* ID_OTHER is */
	struct actor actor;          /* of web */
	char dir[64];
	char self[256];
	char tool[96];   /* a program in dir/tools/ */
	char secret[96]; /* a file in dir/data/ */
	unsigned int events_seen;
};

/* The module as it was built. Ends the program with a skip (77) and the reason where the kernel cannot run it. */
const struct prism_module *scene_module(void);

/* The module with this configuration, in which @ stands for the scene's directory and $ for the actor's executable. */
void scene_make(struct scene *scene, const struct prism_module *module, const char *config);
void scene_done(struct scene *scene);
void scene_reconfigure(struct scene *scene, const char *config);
/* The same text with both replaced; for as long as the program runs, or until the next 8 calls. */
const char *scene_text(const struct scene *scene, const char *text);

/* Fails the test unless the operation of scene->actor ends so. A name of a file is below the scene's directory. */
void scene_expect(struct scene *scene, const char *operation, const char *subject, unsigned int port, int wanted);

/* What RULE has decided for this identity, by this metric; NAN: nothing. */
double scene_counted(struct scene *scene, const char *metric, uint32_t identity);

/* The next event of this type and hook (NULL: any), which the caller frees; fails the test when it does not come. */
json_t *scene_event(struct scene *scene, const char *type, const char *hook);
/* Events that have come and that nobody has asked for are forgotten. */
void scene_forget(struct scene *scene);

const char *text_of(json_t *event, const char *key);
bool bool_of(json_t *event, const char *key);

#endif
