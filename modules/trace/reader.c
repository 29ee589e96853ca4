// SPDX-License-Identifier: Apache-2.0
#include "reader.h"

#include <bpf/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#define TURN 32u    /* records before others get the loop: an identity that waits meanwhile misses its first exec */
#define POLL_MS 20u /* between two looks while events keep coming */
#define AGAIN_MS 1u

#define LOAD(at) __atomic_load_n(&(at), __ATOMIC_ACQUIRE)
#define STORE(at, value) __atomic_store_n(&(at), (value), __ATOMIC_SEQ_CST)

static void take_turn(void *arg);

static struct ring *ring_of(const struct reader *reader)
{
	return ring_buffer__ring(reader->buffer, 0);
}

/* The consumer position moves after this returns: see struct trace_reader for what a kill at any point leaves. */
static int take_record(void *arg, void *record, size_t size)
{
	struct reader *reader = arg;
	struct trace_reader *shared = reader->shared;
	uint64_t position = ring__consumer_pos(ring_of(reader));

	if (position < LOAD(shared->upto))
		return 0;
	reader->record(reader->arg, record, size);
	STORE(shared->next, LOAD(shared->delivered) + 1);
	STORE(shared->upto, position + 1);
	STORE(shared->delivered, LOAD(shared->next));
	return --reader->budget ? 0 : -EAGAIN;
}

static int ring_id(int fd, uint64_t *ret_id)
{
	struct bpf_map_info info = {0};
	uint32_t size = sizeof(info);
	int r = bpf_map_get_info_by_fd(fd, &info, &size);

	if (r == 0)
		*ret_id = info.id;
	return r;
}

/* Goes on where an earlier reader of this ring was; a ring made anew starts at 0. */
static void recover(struct reader *reader, uint64_t id)
{
	struct trace_reader *shared = reader->shared;

	if (LOAD(shared->ring_id) != id) {
		STORE(shared->upto, 0);
		STORE(shared->ring_id, id);
	} else if (LOAD(shared->upto) > ring__consumer_pos(ring_of(reader))) {
		STORE(shared->delivered, LOAD(shared->next));
	}
}

int reader_map_shared(int fd, struct trace_reader **ret_shared)
{
	void *at = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		return -errno;
	*ret_shared = at;
	return 0;
}

void reader_unmap_shared(struct trace_reader *shared)
{
	if (shared)
		munmap(shared, (size_t)sysconf(_SC_PAGESIZE));
}

int reader_init(struct reader *reader, struct prism_host *host, int ring_fd, int shared_fd, reader_record_fn record,
		void *arg)
{
	uint64_t id;
	int r;

	*reader = (struct reader){.host = host, .record = record, .arg = arg};
	r = ring_id(ring_fd, &id);
	if (r < 0)
		return r;
	r = reader_map_shared(shared_fd, &reader->shared);
	if (r < 0)
		return r;
	reader->buffer = ring_buffer__new(ring_fd, take_record, reader, NULL);
	if (!reader->buffer) {
		r = -errno;
		reader_done(reader);
		return r;
	}
	recover(reader, id);
	return 0;
}

/* Up to TURN records; how many, or a negative errno. */
static int consume(struct reader *reader)
{
	int r;

	reader->budget = TURN;
	r = ring_buffer__consume(reader->buffer);
	return r < 0 && r != -EAGAIN ? r : (int)(TURN - reader->budget);
}

uint64_t reader_pending(const struct reader *reader)
{
	return ring__avail_data_size(ring_of(reader));
}

int reader_drain(struct reader *reader)
{
	int r;

	do {
		r = consume(reader);
	} while (r > 0);
	return r;
}

static void look_again(struct reader *reader, uint64_t delay_ms)
{
	int r;

	prism_timer_stop(reader->host, reader->timer);
	reader->timer = NULL;
	r = prism_timer_start(reader->host, delay_ms, POLL_MS, take_turn, reader, &reader->timer);
	if (r < 0)
		prism_fail(reader->host, -r, "trace: timer of the ring's reader", "events stay in the ring");
}

/* Says that it sleeps, then looks once more; a program that puts a record in does it the other way round. */
static void sleep_or_look(struct reader *reader)
{
	STORE(reader->shared->asleep, 1);
	if (reader_pending(reader)) {
		look_again(reader, AGAIN_MS);
		return;
	}
	prism_timer_stop(reader->host, reader->timer);
	reader->timer = NULL;
}

static void take_turn(void *arg)
{
	struct reader *reader = arg;
	bool idle, again;
	int n;

	STORE(reader->shared->asleep, 0);
	n = consume(reader);
	if (n < 0) {
		prism_fail(reader->host, -n, "trace: reading the ring", "events stay in the ring");
		return;
	}
	idle = n == 0 && !reader_pending(reader);
	again = reader->turn(reader->arg, idle);
	if (n == (int)TURN)
		look_again(reader, 0); /* after one turn of the loop */
	else if (!idle || again)
		look_again(reader, POLL_MS);
	else
		sleep_or_look(reader);
}

static void on_readable(void *arg, int fd, uint32_t events)
{
	(void)fd;
	(void)events;
	take_turn(arg);
}

int reader_start(struct reader *reader, reader_turn_fn turn)
{
	int r;

	reader->turn = turn;
	r = prism_watch_start(reader->host, ring_buffer__epoll_fd(reader->buffer), PRISM_READABLE, on_readable, reader,
			      &reader->watch);
	if (r < 0)
		return r;
	return prism_timer_start(reader->host, AGAIN_MS, POLL_MS, take_turn, reader, &reader->timer);
}

void reader_done(struct reader *reader)
{
	prism_watch_stop(reader->host, reader->watch);
	prism_timer_stop(reader->host, reader->timer);
	ring_buffer__free(reader->buffer);
	reader_unmap_shared(reader->shared);
	*reader = (struct reader){0};
}
