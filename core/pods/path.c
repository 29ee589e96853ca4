/* SPDX-License-Identifier: Apache-2.0 */
#include "pods/path.h"

#include <string.h>

#include "base/util.h"

struct span {
	const char *s;
	size_t len;
};

static bool is(struct span a, const char *b)
{
	return a.len == strlen(b) && memcmp(a.s, b, a.len) == 0;
}

static bool ends_with(struct span a, const char *b)
{
	size_t len = strlen(b);

	return a.len >= len && memcmp(a.s + a.len - len, b, len) == 0;
}

/* The last component, which is taken off *path. */
static struct span last(struct span *path)
{
	size_t start;
	struct span component;

	while (path->len && path->s[path->len - 1] == '/')
		path->len--;
	for (start = path->len; start && path->s[start - 1] != '/'; start--)
		;
	component = (struct span){path->s + start, path->len - start};
	path->len = start;
	return component;
}

static bool take_uid(const char *s, size_t len, bool escaped, struct pod_path *ret)
{
	size_t i;

	if (!len || len >= sizeof(ret->uid))
		return false;
	for (i = 0; i < len; i++)
		ret->uid[i] = escaped && s[i] == '_' ? '-' : s[i];
	ret->uid[len] = '\0';
	return true;
}

/* [prefix-]kubepods[-class]-pod<uid>.slice: a slice's name repeats those of the slices above it. */
static bool parse_slice(struct span name, struct pod_path *ret)
{
	static const struct {
		const char *end, *qos;
	} classes[] = {{"kubepods", "Guaranteed"},
		       {"kubepods-burstable", "Burstable"},
		       {"kubepods-besteffort", "BestEffort"}};
	struct span above;
	size_t i, at;

	name.len -= strlen(".slice");
	/* A uid has no `-` here, so that its beginning is the last one. */
	for (at = name.len; at && name.s[at - 1] != '-'; at--)
		;
	if (!at || name.len - at < 3 || memcmp(name.s + at, "pod", 3) != 0)
		return false;
	above = (struct span){name.s, at - 1};
	for (i = 0; i < ARRAY_SIZE(classes); i++) {
		size_t len = strlen(classes[i].end);

		if (!ends_with(above, classes[i].end) || (above.len > len && above.s[above.len - len - 1] != '-'))
			continue;
		ret->driver = "systemd";
		ret->qos = classes[i].qos;
		return take_uid(name.s + at + 3, name.len - at - 3, true, ret);
	}
	return false;
}

static bool parse_directory(struct span name, struct span path, struct pod_path *ret)
{
	struct span above = last(&path);

	if (name.len < 3 || memcmp(name.s, "pod", 3) != 0)
		return false;
	ret->driver = "cgroupfs";
	ret->qos = "Guaranteed";
	if (is(above, "burstable") || is(above, "besteffort")) {
		ret->qos = is(above, "burstable") ? "Burstable" : "BestEffort";
		above = last(&path);
	}
	return is(above, "kubepods") && take_uid(name.s + 3, name.len - 3, false, ret);
}

bool pod_path_parse(const char *path, size_t len, struct pod_path *ret)
{
	struct span rest = {path, len};
	struct span name = last(&rest);

	return ends_with(name, ".slice") ? parse_slice(name, ret) : parse_directory(name, rest, ret);
}

bool pod_path_likely(const char *name)
{
	return strncmp(name, "pod", 3) == 0 || strstr(name, "-pod");
}

static bool is_id(const char *s, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (!((s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'f')))
			return false;
	return len == 64;
}

bool container_name_parse(const char *name, size_t len, struct container_name *ret)
{
	static const struct {
		const char *prefix, *runtime;
	} runtimes[] = {{"cri-containerd-", "containerd"},
			{"crio-", "CRI-O"},
			{"docker-", "docker"},
			{"libpod-", "podman"},
			{"nerdctl-", "containerd"},
			{"", ""}};
	struct span span = {name, len};
	size_t i;

	if (ends_with(span, ".scope"))
		span.len -= strlen(".scope");
	for (i = 0; i < ARRAY_SIZE(runtimes); i++) {
		size_t skip = strlen(runtimes[i].prefix);

		if (span.len <= skip || memcmp(span.s, runtimes[i].prefix, skip) != 0 ||
		    !is_id(span.s + skip, span.len - skip))
			continue;
		ret->runtime = runtimes[i].runtime;
		memcpy(ret->id, span.s + skip, 64);
		ret->id[64] = '\0';
		return true;
	}
	return false;
}
