/* SPDX-License-Identifier: Apache-2.0 */
/* A file opened by the kernel on our behalf: io_uring, on one of its worker threads. */
#ifndef LSM_URING_H
#define LSM_URING_H

/* 0 or an errno; ENOSYS or what else it says where io_uring is not to be had. */
int uring_open(const char *path, int flags);

#endif
