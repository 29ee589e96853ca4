/* SPDX-License-Identifier: Apache-2.0 */
/* A directory of configuration files in /tmp and what loading them gave: the fixture of the tests of the settings. */
#ifndef CONFIG_SITE_H
#define CONFIG_SITE_H

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/util.h"
#include "config/settings.h"

/* A directory of configuration files and what loading them gave. */
struct site {
	char dir[64];
	char main[80];
	const char *overlay[4];
	const char *hostname;
	struct settings *s;
	struct problems p;
	int r;
};

static inline void write_file(const struct site *site, const char *name, const char *content)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", site->dir, name);
	assert_int_equal(file_write_atomic(path, content, strlen(content), 0644, NULL), 0);
}

static inline int setup(void **state)
{
	struct site *site = calloc(1, sizeof(*site));
	char path[160];

	strcpy(site->dir, "/tmp/prism-test-XXXXXX");
	if (!mkdtemp(site->dir))
		return -1;
	snprintf(site->main, sizeof(site->main), "%s/prismd.yaml", site->dir);
	snprintf(path, sizeof(path), "%s/conf.d", site->dir);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/profiles", site->dir);
	mkdir(path, 0755);
	site->hostname = "lat-1";
	*state = site;
	return 0;
}

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void drop(struct site *site)
{
	settings_free(TAKE_PTR(site->s));
	problems_done(&site->p);
}

static inline int teardown(void **state)
{
	struct site *site = *state;

	drop(site);
	nftw(site->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(site);
	return 0;
}

static inline void load(struct site *site)
{
	const struct settings_source source = {
		.path = site->main,
		.overlay = site->overlay,
		.hostname = site->hostname,
		.optional = access(site->main, F_OK) < 0,
	};

	drop(site);
	site->r = settings_load(&source, &site->s, &site->p);
}

static inline const struct settings *load_good(struct site *site)
{
	char message[sizeof(struct error)];

	load(site);
	if (site->p.n)
		fail_msg("%s", error_format(&site->p.list[0], message, sizeof(message)));
	assert_int_equal(site->r, 0);
	return site->s;
}

#define SITE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
