// SPDX-License-Identifier: Apache-2.0
#include "leg.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lsm.skel.h"

#define LINK_PREFIX "link_"
#define TURN 64u /* records before others get the loop */
#define UNMANAGED_ROOM 1u

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#define _cleanup_fd_ __attribute__((cleanup(close_fd)))

/* ---- what an earlier start left ---------------------------------------------------------------------------------- */

static int pin_path(struct prism_host *host, const char *prefix, const char *name, char path[PATH_MAX])
{
	const char *dir = prism_pin_dir(host);
	int n = dir ? snprintf(path, PATH_MAX, "%s/%s%s", dir, prefix, name) : -1;

	return n < 0 || n >= PATH_MAX ? -ENOENT : 0;
}

/* What the earlier programs have; 0 if there are none, or only of a build that notes it otherwise. */
static uint32_t earlier_epoch(struct prism_host *host)
{
	struct lsm_config config;

	return prism_leg_read_map(host, "lsm_config", &config, sizeof(config)) < 0 ? 0 : config.epoch;
}

/* Above that of every program that may still be attached: tasks bear it in their marks. By the clock, so that it rises
 * also where the note is not readable. */
static uint32_t next_epoch(struct prism_host *host)
{
	uint32_t earlier = earlier_epoch(host);
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint32_t)now.tv_sec > earlier ? (uint32_t)now.tv_sec : earlier + 1;
}

/* Links of programs that this build does not have any more. */
static int detach_strangers(struct leg *leg)
{
	const char *path = prism_pin_dir(leg->host);
	DIR *dir = path ? opendir(path) : NULL;
	struct dirent *entry;
	int r = 0;

	if (!dir)
		return prism_fail(leg->host, errno, "lsm: pinned links", "%s: %s", path ? path : "no directory",
				  strerror(errno));
	while (r == 0 && (entry = readdir(dir))) {
		const char *program = entry->d_name + strlen(LINK_PREFIX);

		if (strncmp(entry->d_name, LINK_PREFIX, strlen(LINK_PREFIX)) != 0 ||
		    bpf_object__find_program_by_name(leg->skel->obj, program))
			continue;
		r = prism_leg_detach(leg->leg, program);
	}
	closedir(dir);
	return r;
}

/* ---- loading ----------------------------------------------------------------------------------------------------- */

static struct lsm_bpf *open_skel(struct prism_host *host, const struct lsm_sizes *sizes)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts);
	struct lsm_bpf *skel = lsm_bpf__open_opts(prism_leg_open_opts(host, &opts));

	if (!skel)
		return NULL;
	skel->rodata->lsm_epoch = next_epoch(host);
	bpf_map__set_max_entries(skel->maps.lsm_bindings, sizes->identities + UNMANAGED_ROOM);
	bpf_map__set_max_entries(skel->maps.lsm_rates, sizes->identities + UNMANAGED_ROOM);
	bpf_map__set_max_entries(skel->maps.lsm_rules, 2 * sizes->rules);
	bpf_map__set_max_entries(skel->maps.lsm_counts, sizes->counters);
	bpf_map__set_max_entries(skel->maps.lsm_ring, sizes->ring);
	return skel;
}

static int unpin(struct prism_host *host, const struct bpf_map *map)
{
	char path[PATH_MAX];

	if (pin_path(host, "", bpf_map__name(map), path) < 0 || unlink(path) == 0 || errno == ENOENT)
		return 0;
	return prism_fail(host, errno, "lsm: making the rules anew", "%s: %s", path, strerror(errno));
}

/*
 * Bindings name sets by numbers, which mean something in the rules beside them and nowhere else: of the maps that an
 * earlier start left, a leg takes both or neither. Programs that are attached keep theirs, pinned or not. Bindings go
 * first: a start that finds one of the two alone, after a crash at any point from here to the load, unpins it as well.
 */
static int pair_maps(struct leg *leg)
{
	const struct bpf_map *bindings = leg->skel->maps.lsm_bindings, *rules = leg->skel->maps.lsm_rules;
	_cleanup_fd_ int bindings_fd = prism_leg_open_map(leg->host, bindings, false);
	_cleanup_fd_ int rules_fd = prism_leg_open_map(leg->host, rules, false);
	int r;

	if (bindings_fd >= 0 && rules_fd >= 0)
		return 0;
	leg->earlier_bindings = prism_leg_open_map(leg->host, bindings, true);
	r = unpin(leg->host, bindings);
	return r < 0 ? r : unpin(leg->host, rules);
}

static int take_record(void *arg, void *record, size_t size)
{
	struct leg *leg = arg;

	if (size == sizeof(struct lsm_event))
		leg->record(leg->arg, record);
	return --leg->budget ? 0 : -EAGAIN;
}

static int open_maps(struct leg *leg)
{
	const struct store_fds fds = {
		.config = bpf_map__fd(leg->skel->maps.lsm_config),
		.bindings = bpf_map__fd(leg->skel->maps.lsm_bindings),
		.rules = bpf_map__fd(leg->skel->maps.lsm_rules),
		.earlier = leg->earlier_bindings,
	};
	int r;

	leg->ring = ring_buffer__new(bpf_map__fd(leg->skel->maps.lsm_ring), take_record, leg, NULL);
	if (!leg->ring)
		return prism_fail(leg->host, errno, "lsm: opening the ring", "%s", strerror(errno));
	r = store_init(leg->host, &fds, &leg->store);
	return r < 0 ? prism_fail(leg->host, -r, "lsm: opening the rules", "%s", strerror(-r)) : 0;
}

int leg_load(struct prism_host *host, const struct lsm_sizes *sizes, leg_record_fn record, void *arg,
	     struct leg *ret_leg)
{
	struct leg *leg = ret_leg;
	int r;

	*leg = (struct leg){.host = host, .record = record, .arg = arg, .earlier_bindings = -1};
	leg->skel = open_skel(host, sizes);
	r = leg->skel ? pair_maps(leg) : 0;
	if (r == 0)
		r = prism_leg_load(host, leg->skel ? leg->skel->skeleton : NULL, &leg->leg);
	if (r == 0)
		r = open_maps(leg);
	if (r < 0)
		leg_down(leg, PRISM_STOP_SHUTDOWN);
	return r;
}

/* ---- attaching --------------------------------------------------------------------------------------------------- */

/* A task iterator does its work while it is read, and says nothing. */
static int arm_tasks(struct leg *leg)
{
	struct bpf_link *link = bpf_program__attach_iter(leg->skel->progs.lsm_arm, NULL);
	char byte;
	ssize_t n;
	int r, fd;

	if (!link)
		return prism_fail(leg->host, errno, "lsm: arming the tasks that run", "%s", strerror(errno));
	fd = bpf_iter_create(bpf_link__fd(link));
	r = fd < 0 ? fd : 0;
	do {
		n = r == 0 ? read(fd, &byte, sizeof(byte)) : 0;
	} while (n > 0 || (n < 0 && errno == EAGAIN));
	if (n < 0)
		r = -errno;
	if (fd >= 0)
		close(fd);
	bpf_link__destroy(link);
	return r < 0 ? prism_fail(leg->host, -r, "lsm: arming the tasks that run", "%s", strerror(-r)) : 0;
}

_Static_assert(sizeof(((struct lsm_bpf *)NULL)->progs) / sizeof(struct bpf_program *) <= LEG_PROGRAMS_MAX,
	       "room for each");

static int attach_one(struct leg *leg, struct bpf_program *program)
{
	char path[PATH_MAX];
	int r, earlier = pin_path(leg->host, LINK_PREFIX, bpf_program__name(program), path);

	if (earlier == 0)
		earlier = bpf_obj_get(path);
	if (earlier < 0 && earlier != -ENOENT)
		return prism_fail(leg->host, -earlier, "lsm: pinned links", "%s: %s", bpf_program__name(program),
				  strerror(-earlier));
	r = prism_leg_attach(leg->leg, program);
	if (r < 0) {
		close_fd(&earlier);
		return r;
	}
	leg->sites[leg->n_sites++] = (struct leg_site){.program = program, .earlier_fd = earlier};
	return 0;
}

static int attach_all(struct leg *leg)
{
	struct bpf_program *program;
	int r = 0;

	bpf_object__for_each_program (program, leg->skel->obj) {
		if (r == 0 && bpf_program__type(program) == BPF_PROG_TYPE_LSM)
			r = attach_one(leg, program);
	}
	return r;
}

/* The earlier link under its pin again; from one moment to the other, as it lost it. */
static int put_back(struct leg *leg, const struct leg_site *site)
{
	const char *name = bpf_program__name(site->program);
	char path[PATH_MAX], aside[PATH_MAX];
	int r;

	if (site->earlier_fd < 0)
		return prism_leg_detach(leg->leg, name);
	r = pin_path(leg->host, LINK_PREFIX, name, path);
	if (r == 0)
		r = pin_path(leg->host, "new-" LINK_PREFIX, name, aside);
	if (r < 0)
		return r;
	unlink(aside);
	r = bpf_obj_pin(site->earlier_fd, aside);
	if (r == 0 && rename(aside, path) < 0)
		r = -errno;
	return r;
}

static void put_all_back(struct leg *leg)
{
	for (unsigned int i = leg->n_sites; i-- > 0;) {
		int r = put_back(leg, &leg->sites[i]);

		if (r < 0)
			prism_log(leg->host, PRISM_LOG_ERROR, "putting the earlier %s back: %s",
				  bpf_program__name(leg->sites[i].program), strerror(-r));
	}
	leg_release(leg);
}

/* Programs of an earlier epoch neither count nor report what these see. */
static int note_epoch(struct leg *leg)
{
	struct lsm_config config;
	int r = store_config(&leg->store, &config);

	if (r == 0) {
		config.epoch = leg->skel->rodata->lsm_epoch;
		r = store_configure(&leg->store, &config);
	}
	return r < 0 ? prism_fail(leg->host, -r, "lsm: taking over", "%s", strerror(-r)) : 0;
}

bool leg_is_attached(const struct leg *leg)
{
	return prism_leg_pinned(leg->host, bpf_program__name(leg->skel->progs.lsm_exec), NULL) == 1;
}

int leg_attach(struct leg *leg)
{
	int r = note_epoch(leg);

	if (r == 0)
		r = attach_all(leg);
	if (r == 0)
		r = detach_strangers(leg);
	if (r == 0)
		r = arm_tasks(leg);
	if (r < 0)
		put_all_back(leg);
	return r;
}

void leg_release(struct leg *leg)
{
	while (leg->n_sites)
		close_fd(&leg->sites[--leg->n_sites].earlier_fd);
	close_fd(&leg->earlier_bindings);
	leg->earlier_bindings = leg->store.fds.earlier = -1;
}

/* ---- the ring ---------------------------------------------------------------------------------------------------- */

/* Level-triggered: what a turn leaves comes with the next one. */
static void on_readable(void *arg, int fd, uint32_t events)
{
	struct leg *leg = arg;
	int r;

	(void)fd;
	(void)events;
	leg->budget = TURN;
	r = ring_buffer__consume(leg->ring);
	if (r < 0 && r != -EAGAIN)
		prism_fail(leg->host, -r, "lsm: reading the ring", "%s", strerror(-r));
}

int leg_listen(struct leg *leg)
{
	int r = prism_watch_start(leg->host, ring_buffer__epoll_fd(leg->ring), PRISM_READABLE, on_readable, leg,
				  &leg->watch);

	return r < 0 ? prism_fail(leg->host, -r, "lsm: watching the ring", "%s", strerror(-r)) : 0;
}

void leg_drain(struct leg *leg)
{
	int r;

	do {
		leg->budget = TURN;
		r = ring_buffer__consume(leg->ring);
	} while (r == -EAGAIN || r > 0);
}

void leg_down(struct leg *leg, enum prism_stop why)
{
	leg_release(leg);
	prism_watch_stop(leg->host, leg->watch);
	ring_buffer__free(leg->ring);
	if (leg->store.host)
		store_done(&leg->store);
	prism_leg_close(leg->leg, why);
	lsm_bpf__destroy(leg->skel);
	*leg = (struct leg){0};
}

int leg_counts_fd(const struct leg *leg)
{
	return bpf_map__fd(leg->skel->maps.lsm_counts);
}

int leg_rates_fd(const struct leg *leg)
{
	return bpf_map__fd(leg->skel->maps.lsm_rates);
}

int leg_stats_fd(const struct leg *leg)
{
	return bpf_map__fd(leg->skel->maps.lsm_stats);
}
