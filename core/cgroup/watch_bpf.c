/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "base/util.h"
#include "cgroup/watch_source.h"
#include "metric/program.h"
#include "watch.skel.h"

#define READS_AT_MOST 16

struct bpf_source {
	struct watch_source source;
	struct watch_bpf *skeleton;
	struct ring_buffer *ring;
	uint64_t lost_seen;
	void (*fn)(void *arg, const struct watch_event *e);
	void *arg;
};

static int deliver(void *ctx, void *data, size_t size)
{
	struct bpf_source *s = ctx;

	if (size >= sizeof(struct watch_event))
		s->fn(s->arg, data);
	return 0;
}

static int bpf_source_fd(struct watch_source *source)
{
	return ring_buffer__epoll_fd(container_of(source, struct bpf_source, source)->ring);
}

static uint64_t lost_count(const struct bpf_source *s)
{
	return __atomic_load_n(&s->skeleton->bss->lost, __ATOMIC_ACQUIRE);
}

static int bpf_source_read(struct watch_source *source, void (*fn)(void *arg, const struct watch_event *e), void *arg,
			   bool *ret_lost)
{
	struct bpf_source *s = container_of(source, struct bpf_source, source);
	unsigned int tries = 0;
	uint64_t lost;
	int r;

	s->fn = fn;
	s->arg = arg;
	/*
	 * A rescan sets right what was lost only if all that was told before it has been read: the mkdir of a cgroup
	 * whose rmdir was lost would bring it back. So the count is taken first, and again if some were lost meanwhile,
	 * of which nothing else would tell; while the ring goes on overflowing the next event does.
	 */
	do {
		lost = lost_count(s);
		r = ring_buffer__consume(s->ring);
	} while (r >= 0 && lost != lost_count(s) && ++tries < READS_AT_MOST);
	*ret_lost = lost != s->lost_seen;
	s->lost_seen = lost;
	return r < 0 ? r : 0;
}

static void bpf_source_free(struct watch_source *source)
{
	struct bpf_source *s = container_of(source, struct bpf_source, source);

	ring_buffer__free(s->ring);
	watch_bpf__destroy(s->skeleton);
	free(s);
}

static const struct watch_source_ops ops = {
	.name = "bpf",
	.fd = bpf_source_fd,
	.read = bpf_source_read,
	.free = bpf_source_free,
};

/* Whatever an mkdir is told of, its rmdir must be too: that one comes first. */
static int attach(struct watch_bpf *skeleton)
{
	skeleton->links.on_rmdir = bpf_program__attach(skeleton->progs.on_rmdir);
	return skeleton->links.on_rmdir ? watch_bpf__attach(skeleton) : -errno;
}

int watch_bpf_new(struct metrics *metrics, struct watch_source **ret, struct error *e)
{
	struct bpf_source *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return error_set(e, ENOMEM, "cgroup events", "out of memory");
	s->source.ops = &ops;
	s->skeleton = watch_bpf__open_and_load();
	if (!s->skeleton) {
		r = error_set(e, errno, "cgroup events", "the BPF object cannot be loaded: %s", strerror(errno));
		goto fail;
	}
	r = attach(s->skeleton);
	if (r < 0) {
		error_set(e, -r, "cgroup events", "the cgroup tracepoints cannot be attached: %s", strerror(-r));
		goto fail;
	}
	s->ring = ring_buffer__new(bpf_map__fd(s->skeleton->maps.events), deliver, s, NULL);
	if (!s->ring) {
		r = error_set(e, errno, "cgroup events", "the ring buffer cannot be mapped: %s", strerror(errno));
		goto fail;
	}
	programs_add(metrics, PROGRAMS_OF_CORE, s->skeleton->obj);
	*ret = &s->source;
	return 0;
fail:
	bpf_source_free(&s->source);
	return r;
}
