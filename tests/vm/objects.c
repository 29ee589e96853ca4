// SPDX-License-Identifier: Apache-2.0
/*
 * vm_objects OBJECT...: does this kernel take every program of these BPF objects? Where it refuses an object as a
 * whole, each program is loaded alone, a struct_ops map with its programs. One line for each that loads, one
 * "UNSUPPORTED: ...: why" for each that does not; whether this kernel may refuse it is the caller's to judge. Nothing
 * is attached or pinned.
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char said[1 << 16]; /* libbpf's warnings of the last load */
static char verifier_log[1 << 20];
static unsigned int broken;

static int keep_warnings(enum libbpf_print_level level, const char *format, va_list args)
{
	size_t n = strlen(said);

	if (level == LIBBPF_WARN && n < sizeof(said))
		vsnprintf(said + n, sizeof(said) - n, format, args);
	return 0;
}

/* The word between two texts of a log; NULL if the log does not say so. */
static const char *named(const char *log, const char *before, const char *after)
{
	static char word[128];
	const char *from = strstr(log, before), *end;

	if (!from)
		return NULL;
	from += strlen(before);
	end = strstr(from, after);
	if (!end)
		return NULL;
	snprintf(word, sizeof(word), "%.*s", (int)(end - from), from);
	return word;
}

static const char *last_lines(const char *log)
{
	size_t n = strlen(log);

	return log + (n > 1500 ? n - 1500 : 0);
}

static void refused(const char *object, const char *what, enum bpf_prog_type type, int error)
{
	const char *word;

	printf("UNSUPPORTED: %s: %s: ", object, what);
	if (type != BPF_PROG_TYPE_UNSPEC && libbpf_probe_bpf_prog_type(type, NULL) == 0)
		printf("this kernel has no programs of type %s\n", libbpf_bpf_prog_type_str(type));
	else if ((word = named(said, "extern (func ksym) '", "'")) ||
		 (word = named(verifier_log, "kfunc '", "' is referenced but wasn't resolved")))
		printf("this kernel has no kfunc %s\n", word);
	else if ((word = named(said, "failed to find kernel BTF type ID of '", "'")))
		printf("this kernel has no %s to attach to\n", word);
	else if ((word = named(said, "libbpf: map '", "': failed to create")))
		printf("this kernel refuses the map %s, %s\n", word, strerror(-error));
	else
		printf("refused, %s\n%s\n%s\n", strerror(-error), said, last_lines(verifier_log));
}

static struct bpf_object *open_object(const char *path)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .kernel_log_buf = verifier_log,
		    .kernel_log_size = sizeof(verifier_log));
	struct bpf_object *object = bpf_object__open_file(path, &opts);
	struct bpf_map *map;

	said[0] = verifier_log[0] = '\0';
	if (!object) {
		printf("%s: cannot be opened: %s\n", path, strerror(errno));
		broken++;
		return NULL;
	}
	bpf_object__for_each_map (map, object)
		bpf_map__set_pin_path(map, NULL);
	return object;
}

static const struct btf_member *member(const struct btf *btf, const char *name, const char *field)
{
	int id = btf__find_by_name_kind(btf, name, BTF_KIND_STRUCT), i;
	const struct btf_type *type = id > 0 ? btf__type_by_id(btf, id) : NULL;

	for (i = 0; type && i < btf_vlen(type); i++)
		if (!strcmp(btf__name_by_offset(btf, btf_members(type)[i].name_off), field))
			return &btf_members(type)[i];
	return NULL;
}

/*
 * Callbacks that this kernel does not know go, as the module that ships the object does it. False: the kernel does not
 * know the structure itself, name.
 */
static bool fit(const struct btf *kernel, struct bpf_object *object, struct bpf_map *map, char name[64])
{
	const struct btf *btf = bpf_object__btf(object);
	const struct btf_type *type = btf__type_by_id(btf, bpf_map__btf_value_type_id(map));
	size_t size;
	char *value = bpf_map__initial_value(map, &size);
	int i;

	snprintf(name, 64, "%s", type ? btf__name_by_offset(btf, type->name_off) : "?");
	if (strstr(name, "___"))
		*strstr(name, "___") = '\0';
	if (!value || btf__find_by_name_kind(kernel, name, BTF_KIND_STRUCT) < 0)
		return false;
	for (i = 0; i < btf_vlen(type); i++) {
		const struct btf_member *m = &btf_members(type)[i];
		__s64 bytes = btf__resolve_size(btf, m->type);

		if (bytes > 0 && !member(kernel, name, btf__name_by_offset(btf, m->name_off)))
			memset(value + m->offset / 8, 0, bytes);
	}
	return true;
}

static void load_program(const char *path, const char *name)
{
	struct bpf_object *object = open_object(path);
	struct bpf_program *prog, *chosen = NULL;
	struct bpf_map *map;
	int r;

	if (!object)
		return;
	bpf_object__for_each_program (prog, object) {
		bool this = !strcmp(bpf_program__name(prog), name);

		bpf_program__set_autoload(prog, this);
		chosen = this ? prog : chosen;
	}
	bpf_object__for_each_map (map, object)
		if (bpf_map__type(map) == BPF_MAP_TYPE_STRUCT_OPS)
			bpf_map__set_autocreate(map, false);
	r = bpf_object__load(object);
	if (r < 0)
		refused(path, name, bpf_program__type(chosen), r);
	else
		printf("%s: %s: loads\n", path, name);
	bpf_object__close(object);
}

static void load_struct_ops(const struct btf *kernel, const char *path, const char *name)
{
	struct bpf_object *object = open_object(path);
	struct bpf_program *prog;
	struct bpf_map *map;
	bool known = false;
	char type[64];
	int r;

	if (!object)
		return;
	bpf_object__for_each_program (prog, object)
		bpf_program__set_autoload(prog, bpf_program__type(prog) == BPF_PROG_TYPE_STRUCT_OPS);
	bpf_object__for_each_map (map, object) {
		if (bpf_map__type(map) != BPF_MAP_TYPE_STRUCT_OPS)
			continue;
		if (strcmp(bpf_map__name(map), name))
			bpf_map__set_autocreate(map, false);
		else
			known = fit(kernel, object, map, type);
	}
	r = known ? bpf_object__load(object) : 0;
	if (!known)
		printf("UNSUPPORTED: %s: %s: this kernel has no %s\n", path, name, type);
	else if (r < 0)
		refused(path, name, BPF_PROG_TYPE_STRUCT_OPS, r);
	else
		printf("%s: %s: loads\n", path, name);
	bpf_object__close(object);
}

static bool load_whole(const struct btf *kernel, const char *path)
{
	struct bpf_object *object = open_object(path);
	struct bpf_program *prog;
	struct bpf_map *map;
	char type[64];
	bool ok = object;
	int n = 0;

	bpf_object__for_each_program (prog, object) {
		bpf_program__set_autoload(prog, true);
		n++;
	}
	bpf_object__for_each_map (map, object)
		if (ok && bpf_map__type(map) == BPF_MAP_TYPE_STRUCT_OPS)
			ok = fit(kernel, object, map, type);
	ok = ok && bpf_object__load(object) == 0;
	if (ok)
		printf("%s: all of its %d programs load\n", path, n);
	bpf_object__close(object);
	return ok;
}

static void load_each(const struct btf *kernel, const char *path)
{
	struct bpf_object *object = open_object(path);
	struct bpf_program *prog;
	struct bpf_map *map;

	if (!object)
		return;
	bpf_object__for_each_program (prog, object)
		if (bpf_program__type(prog) != BPF_PROG_TYPE_STRUCT_OPS)
			load_program(path, bpf_program__name(prog));
	bpf_object__for_each_map (map, object)
		if (bpf_map__type(map) == BPF_MAP_TYPE_STRUCT_OPS)
			load_struct_ops(kernel, path, bpf_map__name(map));
	bpf_object__close(object);
}

int main(int argc, char **argv)
{
	struct btf *kernel = btf__load_vmlinux_btf();
	int i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	libbpf_set_print(keep_warnings);
	for (i = 1; i < argc; i++)
		if (!load_whole(kernel, argv[i]))
			load_each(kernel, argv[i]);
	btf__free(kernel);
	return broken || argc < 2;
}
