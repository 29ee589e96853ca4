/* SPDX-License-Identifier: Apache-2.0 */
/* The other side of the test-load. Its findings go to a private copy of stdout, one `KEY TEXT` a line. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "host/host.h"
#include "host/image.h"
#include "host/probe.h"

#if defined(__SANITIZE_ADDRESS__)
#define ADDRESS_LIMIT RLIM_INFINITY /* the shadow alone is terabytes */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ADDRESS_LIMIT RLIM_INFINITY
#endif
#endif
#ifndef ADDRESS_LIMIT
#define ADDRESS_LIMIT (4ull << 30)
#endif

__attribute__((format(printf, 2, 3))) static void answer(int fd, const char *format, ...)
{
	char line[1400];
	va_list args;
	ssize_t w;
	int n;

	va_start(args, format);
	n = vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	if (n >= (int)sizeof(line) - 1)
		n = (int)sizeof(line) - 2;
	for (int i = 0; i < n; i++)
		if ((unsigned char)line[i] < ' ')
			line[i] = ' ';
	line[n++] = '\n';
	do
		w = write(fd, line, (size_t)n);
	while (w < 0 && errno == EINTR);
}

static void limit(int resource, rlim_t soft, rlim_t hard)
{
	struct rlimit l = {.rlim_cur = soft, .rlim_max = hard};

	setrlimit((__rlimit_resource_t)resource, &l);
}

/* A module's test-load must not outlive prismd, dump core, eat the node, or read and write through our fds. */
static int confine(void)
{
	int out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGXCPU};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	limit(RLIMIT_CORE, 0, 0);
	limit(RLIMIT_CPU, PROBE_CPU_LIMIT_S, PROBE_CPU_LIMIT_S + 1);
	limit(RLIMIT_AS, ADDRESS_LIMIT, ADDRESS_LIMIT);
	for (size_t i = 0; i < ARRAY_SIZE(fatal); i++)
		signal(fatal[i], SIG_DFL);
	if (null >= 0)
		dup2(null, STDOUT_FILENO);
	return out;
}

static void loaded(void *arg)
{
	answer(*(int *)arg, "loaded");
}

static int read_note_fd(int fd, struct prism_note *ret, struct error *e)
{
	struct stat st;
	void *image;
	int r;

	if (fstat(fd, &st) || st.st_size < 0 || st.st_size > (off_t)MODULE_FILE_MAX)
		return error_set(e, EBADF, NULL, "fd %d is no module file", fd);
	image = st.st_size ? mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0) : NULL;
	if (image == MAP_FAILED)
		return error_set(e, errno, NULL, "cannot be mapped: %s", strerror(errno));
	r = note_read(image, (size_t)st.st_size, ret, e);
	if (image)
		munmap(image, (size_t)st.st_size);
	return r ? r : note_check_abi(ret, e);
}

static int check(int fd, const char *name, int *out, struct error *e)
{
	struct prism_module descriptor;
	struct prism_note note = {};
	int r = read_note_fd(fd, &note, e);

	if (!r && strcmp(note.name, name) != 0)
		r = error_set(e, EINVAL, NULL, "is the module \"%s\", not \"%.64s\"", note.name, name);
	return r ? r : image_load_fd(fd, &note, &descriptor, loaded, out, e);
}

int host_probe_main(int argc, char **argv)
{
	struct error e = {};
	int out;

	if (argc != 4)
		return 2;
	out = confine();
	if (check(atoi(argv[2]), argv[3], &out, &e))
		answer(out, "error %d %s", e.code, e.text);
	else
		answer(out, "ok");
	/* No destructor of the module runs: what it does at exit is not the question. */
	_exit(0);
}
