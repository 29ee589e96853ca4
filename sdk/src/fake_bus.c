// SPDX-License-Identifier: Apache-2.0
#include <bpf/bpf.h>
#include <dirent.h>
#include <fcntl.h>
#include <mntent.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <prism/leg.h>

#include "fake.h"

#define CGROUP_HANDLE 0xfe /* FILEID_KERNFS: the handle of a cgroup's directory is its id */

static uint64_t now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + ts.tv_nsec;
}

/* Where a file system of this type is mounted; NULL if nowhere. */
static char *find_mount(const char *type)
{
	FILE *f = setmntent("/proc/self/mounts", "re");
	struct mntent *m;
	char *found = NULL;

	if (!f)
		return NULL;
	while (!found && (m = getmntent(f)))
		if (!strcmp(m->mnt_type, type))
			found = strdup(m->mnt_dir);
	endmntent(f);
	return found;
}

static int write_meta(struct prism_fake_host *fake)
{
	struct prism_meta meta = {
		.abi_version = PRISM_BUS_ABI,
		.value_size = sizeof(struct prism_identity),
		.feature_flags = PRISM_FEATURE_ROOT_LEVELS | PRISM_FEATURE_STALE_JIFFIES,
		.generation = fake->generation,
		.writer_pid = getpid(),
		.capacity = PRISM_BUS_DEFAULT_CAPACITY,
		.heartbeat_ns = now_ns(CLOCK_MONOTONIC),
		.stale_jiffies = UINT64_MAX, /* a test is no writer that dies */
		.root_levels = fake_identity_levels(fake),
		.stale_after_ns = 3600ull * 1000000000u,
		.writer_epoch = 1,
	};
	__u32 zero = 0;

	return bpf_map_update_elem(fake->meta_fd, &zero, &meta, BPF_ANY);
}

static int make_maps(struct prism_fake_host *fake)
{
	LIBBPF_OPTS(bpf_map_create_opts, bus, .map_flags = BPF_F_RDONLY_PROG | BPF_F_NO_PREALLOC);
	LIBBPF_OPTS(bpf_map_create_opts, meta, .map_flags = BPF_F_RDONLY_PROG);

	fake->bus_fd = bpf_map_create(BPF_MAP_TYPE_HASH, PRISM_BUS_MAP, sizeof(__u64), sizeof(struct prism_identity),
				      PRISM_BUS_DEFAULT_CAPACITY, &bus);
	if (fake->bus_fd < 0)
		return fake->bus_fd;
	fake->meta_fd =
		bpf_map_create(BPF_MAP_TYPE_ARRAY, PRISM_META_MAP, sizeof(__u32), sizeof(struct prism_meta), 1, &meta);
	if (fake->meta_fd < 0)
		return fake->meta_fd;
	fake->generation = 1;
	return write_meta(fake);
}

static int make_pin_dir(struct prism_fake_host *fake)
{
	static unsigned int serial;
	char *bpffs = find_mount("bpf");
	int n;

	if (!bpffs)
		return 0;
	n = asprintf(&fake->pin_dir, "%s/prism-fake-%d-%u", bpffs, (int)getpid(), serial++);
	free(bpffs);
	if (n < 0) {
		fake->pin_dir = NULL;
		return -ENOMEM;
	}
	if (mkdir(fake->pin_dir, 0700) < 0) {
		n = -errno;
		free(fake->pin_dir);
		fake->pin_dir = NULL;
		return n == -EACCES ? 0 : n;
	}
	return 0;
}

int fake_bus_init(struct prism_fake_host *fake)
{
	int r;

	fake->bus_fd = fake->meta_fd = -EPERM;
	fake->cgroup_path = find_mount("cgroup2");
	fake->cgroup_fd = fake->cgroup_path ? open(fake->cgroup_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -ENOENT;
	if (fake->cgroup_fd == -1)
		fake->cgroup_fd = -errno;
	r = make_maps(fake);
	if (r < 0)
		return r == -EPERM ? 0 : r;
	return make_pin_dir(fake);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -EBADF;
}

void fake_bus_done(struct prism_fake_host *fake)
{
	close_fd(&fake->bus_fd);
	close_fd(&fake->meta_fd);
	close_fd(&fake->cgroup_fd);
	free(fake->cgroup_path);
	if (fake->pin_dir)
		rmdir(fake->pin_dir);
	free(fake->pin_dir);
}

void fake_bus_unpin(struct prism_fake_host *fake)
{
	DIR *d = fake->pin_dir ? opendir(fake->pin_dir) : NULL;
	struct dirent *entry;
	char line[512];

	if (!d)
		return;
	while ((entry = readdir(d))) {
		if (entry->d_name[0] == '.' || prism_leg_unpin(dirfd(d), entry->d_name) < 0)
			continue;
		snprintf(line, sizeof(line), "the module left a pin: %s", entry->d_name);
		fake_log(&fake->host, PRISM_LOG_DEBUG, line);
	}
	closedir(d);
}

/* How deep below the root of the hierarchy; -1: no such cgroup. */
static int level_of(const struct prism_fake_host *fake, uint64_t cgroup_id)
{
	struct {
		struct file_handle handle;
		uint64_t id;
	} name = {.handle = {.handle_bytes = sizeof(cgroup_id), .handle_type = CGROUP_HANDLE}, .id = cgroup_id};
	char link[64], path[PATH_MAX];
	int fd = open_by_handle_at(fake->cgroup_fd, &name.handle, O_PATH | O_CLOEXEC), level = 0;
	size_t root = fake->cgroup_path ? strlen(fake->cgroup_path) : 0;
	ssize_t n;

	if (fd < 0)
		return -1;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	close(fd);
	if (n < (ssize_t)root)
		return -1;
	path[n] = '\0';
	for (const char *p = path + root; *p; p++)
		level += *p == '/';
	return level;
}

uint64_t fake_bus_levels(const struct prism_fake_host *fake, uint64_t cgroup_id)
{
	int level = level_of(fake, cgroup_id);

	return level < 0 ? UINT64_MAX : 1ull << (level < 63 ? level : 63);
}

int fake_bus_write(struct prism_fake_host *fake, uint64_t cgroup_id, const struct prism_workload *workload,
		   uint32_t flags)
{
	struct prism_identity entry = {
		.identity = workload->identity,
		.flags = flags,
		.label_hash = workload->label_hash,
		.updated_ns = now_ns(CLOCK_REALTIME),
	};

	return fake->bus_fd < 0 ? 0 : bpf_map_update_elem(fake->bus_fd, &cgroup_id, &entry, BPF_ANY);
}

int fake_bus_delete(struct prism_fake_host *fake, uint64_t cgroup_id)
{
	int r = fake->bus_fd < 0 ? 0 : bpf_map_delete_elem(fake->bus_fd, &cgroup_id);

	return r == -ENOENT ? 0 : r;
}

int fake_bus_next_generation(struct prism_fake_host *fake)
{
	fake->generation++;
	return fake->meta_fd < 0 ? 0 : write_meta(fake);
}
