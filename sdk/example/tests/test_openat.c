// SPDX-License-Identifier: Apache-2.0
/* The module in the fake host, with this process as the workload. Needs root; exits with 77 where BPF is not to be had.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <prism/fake_host.h>

static struct prism_fake_host *fake;
static char cgroup[4096];

static void leave(void)
{
	char procs[4200];
	FILE *f;

	snprintf(procs, sizeof(procs), "%s/cgroup.procs", prism_cgroup_path(prism_fake_host_host(fake)));
	f = fopen(procs, "we");
	if (f) {
		fputs("0", f);
		fclose(f);
	}
	rmdir(cgroup);
	prism_fake_host_free(fake);
}

#define CHECK(what)                                                                                                    \
	do {                                                                                                           \
		if (!(what)) {                                                                                         \
			fprintf(stderr, "%s:%d: %s is not so; %s\n", __FILE__, __LINE__, #what,                        \
				prism_fake_host_reason(fake));                                                         \
			exit(1);                                                                                       \
		}                                                                                                      \
	} while (0)

/* Puts this process into a cgroup of its own and returns its id. */
static uint64_t enter_cgroup(void)
{
	char procs[4200];
	struct stat st;
	FILE *f;

	snprintf(cgroup, sizeof(cgroup), "%s/prism-openat-%d", prism_cgroup_path(prism_fake_host_host(fake)),
		 (int)getpid());
	CHECK(mkdir(cgroup, 0755) == 0);
	CHECK(stat(cgroup, &st) == 0);
	snprintf(procs, sizeof(procs), "%s/cgroup.procs", cgroup);
	f = fopen(procs, "we");
	CHECK(f);
	CHECK(fputs("0", f) >= 0);
	CHECK(fclose(f) == 0);
	return st.st_ino;
}

static void open_files(int n)
{
	while (n-- > 0)
		close(open("/dev/null", O_RDONLY | O_CLOEXEC));
}

static double counted(void)
{
	return prism_fake_host_sample(fake, "prism_openat_calls_total", 300, NULL);
}

int main(void)
{
	const struct prism_workload shop = {
		.size = sizeof(shop),
		.identity = 300,
		.name = "shop/web",
		.namespace_name = "shop",
	};
	uint64_t id;
	double before;

	fake = prism_fake_host_new(&prism_module, "namespace: shop");
	if (!fake)
		return 1;
	if (prism_bus_fd(prism_fake_host_host(fake)) < 0 || !prism_cgroup_path(prism_fake_host_host(fake))) {
		fprintf(stderr, "SKIPPED: needs CAP_BPF and cgroup v2\n");
		prism_fake_host_free(fake);
		return 77;
	}
	atexit(leave);
	id = enter_cgroup();
	CHECK(prism_fake_host_start(fake) == 0);

	/* Nobody's process: not counted. */
	open_files(10);
	CHECK(!(counted() > 0));

	CHECK(prism_fake_host_identity(fake, PRISM_IDENTITY_ADDED, &shop, id) == 0);
	CHECK(prism_fake_host_facet(fake, 300));
	open_files(10);
	CHECK(counted() >= 10);
	CHECK(strstr(prism_fake_host_explain(fake, &shop), "is counted"));

	/* Another namespace is chosen: it stops, and says why. */
	CHECK(prism_fake_host_reconfigure(fake, "namespace: other") == 0);
	CHECK(!prism_fake_host_facet(fake, 300));
	before = counted();
	open_files(10);
	CHECK(counted() == before);
	CHECK(strstr(prism_fake_host_explain(fake, &shop), "not counted: only namespace other is"));

	/* prismd is upgraded: counting goes on meanwhile, and the next one has the same counts. */
	CHECK(prism_fake_host_reconfigure(fake, "") == 0);
	CHECK(prism_fake_host_stop(fake, PRISM_STOP_SHUTDOWN) == 0);
	CHECK(prism_fake_host_start(fake) == 0);
	open_files(10);
	CHECK(counted() >= before + 10);
	return 0;
}
