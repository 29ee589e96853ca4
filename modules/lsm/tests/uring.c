// SPDX-License-Identifier: Apache-2.0
#include "uring.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

struct ring {
	int fd;
	struct io_uring_params params;
	uint8_t *submit;
	uint8_t *complete;
	struct io_uring_sqe *entries;
};

static void *map_ring(const struct ring *ring, size_t size, off_t what)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring->fd, what);
}

static int ring_new(struct ring *ring)
{
	const struct io_uring_params *p = &ring->params;

	memset(ring, 0, sizeof(*ring));
	ring->fd = (int)syscall(SYS_io_uring_setup, 1, &ring->params);
	if (ring->fd < 0)
		return errno;
	ring->submit = map_ring(ring, p->sq_off.array + p->sq_entries * sizeof(uint32_t), IORING_OFF_SQ_RING);
	ring->complete =
		map_ring(ring, p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe), IORING_OFF_CQ_RING);
	ring->entries = map_ring(ring, p->sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
	if ((void *)ring->submit == MAP_FAILED || (void *)ring->complete == MAP_FAILED ||
	    (void *)ring->entries == MAP_FAILED)
		return errno;
	return 0;
}

/* The one entry there is, and its result. The mappings and the descriptor go with the process. */
int uring_open(const char *path, int flags)
{
	const struct io_uring_cqe *done;
	struct ring ring;
	int r = ring_new(&ring);

	if (r)
		return r;
	ring.entries[0] = (struct io_uring_sqe){
		.opcode = IORING_OP_OPENAT,
		.flags = IOSQE_ASYNC,
		.fd = AT_FDCWD,
		.addr = (uintptr_t)path,
		.open_flags = (uint32_t)flags,
	};
	((uint32_t *)(ring.submit + ring.params.sq_off.array))[0] = 0;
	__atomic_store_n((uint32_t *)(ring.submit + ring.params.sq_off.tail), 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring.fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) != 1)
		return errno;
	done = (const struct io_uring_cqe *)(ring.complete + ring.params.cq_off.cqes);
	return done->res < 0 ? -done->res : 0;
}
