// SPDX-License-Identifier: Apache-2.0
#include "scene.h"

#include <err.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define PATIENCE_MS 20000

/* What is to go when the program ends. */
static char left[64];

static void remove_files(void)
{
	static const char *const names[] = {"tools/tool", "data/secret", "tools", "data", "new", ""};
	char path[128];

	for (size_t i = 0; *left && i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", left, names[i]);
		remove(path);
	}
	*left = '\0';
}

static void copy_self(const char *to)
{
	int in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	struct stat st;
	off_t at = 0;

	if (in < 0 || out < 0 || fstat(in, &st) < 0)
		err(1, "%s", to);
	while (at < st.st_size) {
		if (sendfile(out, in, &at, (size_t)(st.st_size - at)) <= 0)
			err(1, "%s", to);
	}
	close(in);
	close(out);
}

static void make_files(struct scene *scene)
{
	static bool registered;
	char path[96];
	int fd;

	remove_files(); /* of a test that failed */
	snprintf(scene->dir, sizeof(scene->dir), "/tmp/prism-lsm-%d", (int)getpid());
	if (mkdir(scene->dir, 0755) < 0)
		err(1, "%s", scene->dir);
	strcpy(left, scene->dir);
	if (!registered)
		atexit(remove_files);
	registered = true;
	snprintf(path, sizeof(path), "%s/tools", scene->dir);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/data", scene->dir);
	mkdir(path, 0755);
	snprintf(scene->tool, sizeof(scene->tool), "%s/tools/tool", scene->dir);
	snprintf(scene->secret, sizeof(scene->secret), "%s/data/secret", scene->dir);
	copy_self(scene->tool);
	if (readlink("/proc/self/exe", scene->self, sizeof(scene->self) - 1) < 0)
		err(1, "/proc/self/exe");
	fd = open(scene->secret, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		err(1, "%s", scene->secret);
	close(fd);
}

const char *scene_text(const struct scene *scene, const char *text)
{
	static char ring[8][4096];
	static unsigned int turn;
	char *to = ring[turn++ % 8];
	size_t n = 0;

	for (; *text && n < sizeof(ring[0]) - sizeof(scene->self); text++) {
		if (*text == '@')
			n += (size_t)sprintf(to + n, "%s", scene->dir);
		else if (*text == '$')
			n += (size_t)sprintf(to + n, "%s", scene->self);
		else
			to[n++] = *text;
	}
	to[n] = '\0';
	return to;
}

void scene_make(struct scene *scene, const struct prism_module *module, const char *config)
{
	*scene = (struct scene){.module = module};
	make_files(scene);
	scene->fake = sandbox_host_new(module, scene_text(scene, config));
	assert_non_null(scene->fake);
	sandbox_cgroup_make(scene->fake, "web", &scene->web);
	sandbox_cgroup_make(scene->fake, "other", &scene->other);
	if (prism_fake_host_start(scene->fake))
		fail_msg("%s", prism_fake_host_reason(scene->fake));
	sandbox_identity(scene->fake, PRISM_IDENTITY_ADDED, ID_WEB, ID_WEB, &scene->web);
	sandbox_identity(scene->fake, PRISM_IDENTITY_ADDED, ID_OTHER, ID_OTHER, &scene->other);
	scene->actor = actor_start(&scene->web, ACTOR_ARMED);
}

void scene_done(struct scene *scene)
{
	actor_stop(&scene->actor);
	sandbox_host_free(scene->fake);
	sandbox_cgroup_remove(&scene->web);
	sandbox_cgroup_remove(&scene->other);
	remove_files();
}

void scene_reconfigure(struct scene *scene, const char *config)
{
	if (prism_fake_host_reconfigure(scene->fake, scene_text(scene, config)))
		fail_msg("%s", prism_fake_host_reason(scene->fake));
}

void scene_expect(struct scene *scene, const char *operation, const char *subject, unsigned int port, int wanted)
{
	int got = actor_try(&scene->actor, operation, scene_text(scene, subject), port);

	if (got != wanted)
		fail_msg("%s %s %u: %s instead of %s", operation, subject, port, strerrordesc_np(got),
			 strerrordesc_np(wanted));
}

double scene_counted(struct scene *scene, const char *metric, uint32_t identity)
{
	return prism_fake_host_sample(scene->fake, metric, identity,
				      "hook=\"open\",action=\"block\",rule_set=\"web\",rule=\"secret\"");
}

const struct prism_module *scene_module(void)
{
	const struct prism_module *module;
	struct prism_fake_host *fake;

	sandbox_require_root();
	module = sandbox_module(MODULE_FILE);
	fake = prism_fake_host_new(module, NULL);
	if (!fake)
		err(1, "fake host");
	if (module->probe(prism_fake_host_host(fake)) < 0) {
		fprintf(stderr, "UNSUPPORTED: %s\n", prism_fake_host_reason(fake));
		prism_fake_host_free(fake);
		exit(77);
	}
	prism_fake_host_free(fake);
	return module;
}

/* ---- events ------------------------------------------------------------------------------------------------------ */

struct wish {
	struct scene *scene;
	const char *type;
	const char *hook;
	json_t *event;
};

static bool fulfilled(void *arg)
{
	struct wish *wish = arg;
	const char *line;

	while (!wish->event && (line = prism_fake_host_event(wish->scene->fake, wish->scene->events_seen))) {
		json_t *event = json_loads(line, 0, NULL);

		wish->scene->events_seen++;
		assert_non_null(event);
		if (!strcmp(text_of(event, "type"), wish->type) &&
		    (!wish->hook || !strcmp(text_of(event, "hook"), wish->hook)))
			wish->event = event;
		else
			json_decref(event);
	}
	return wish->event;
}

json_t *scene_event(struct scene *scene, const char *type, const char *hook)
{
	struct wish wish = {.scene = scene, .type = type, .hook = hook};

	if (!prism_fake_host_run(scene->fake, PATIENCE_MS, fulfilled, &wish))
		fail_msg("no %s event of %s came", type, hook ? hook : "any hook");
	return wish.event;
}

void scene_forget(struct scene *scene)
{
	prism_fake_host_run(scene->fake, 0, NULL, NULL);
	while (prism_fake_host_event(scene->fake, scene->events_seen))
		scene->events_seen++;
}

const char *text_of(json_t *event, const char *key)
{
	const char *text = json_string_value(json_object_get(event, key));

	return text ? text : "";
}

bool bool_of(json_t *event, const char *key)
{
	return json_is_true(json_object_get(event, key));
}
