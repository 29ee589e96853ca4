/* SPDX-License-Identifier: Apache-2.0 */
/* replay DIRECTORY|FILE...: runs the target over files, as a test that needs no fuzzer. An empty corpus is a failure.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

#define INPUT_LIMIT (16 * 1024 * 1024)

static int run_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data, *exact;
	size_t n;

	if (!f) {
		perror(path);
		return -1;
	}
	data = malloc(INPUT_LIMIT);
	n = data ? fread(data, 1, INPUT_LIMIT, f) : 0;
	fclose(f);
	/* No byte more than the input, so that reading past its end is seen. */
	exact = data && n <= INPUT_LIMIT ? realloc(data, n ? n : 1) : NULL;
	if (!exact) {
		free(data);
		fprintf(stderr, "%s: out of memory\n", path);
		return -1;
	}
	LLVMFuzzerTestOneInput(exact, n);
	free(exact);
	return 1;
}

static int run_directory(const char *path)
{
	struct dirent **entries;
	int n = scandir(path, &entries, NULL, alphasort), total = 0;

	if (n < 0) {
		perror(path);
		return -1;
	}
	for (int i = 0; i < n; i++) {
		char file[4096];
		int r = 0;

		snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
		if (entries[i]->d_name[0] != '.' && total >= 0)
			r = run_file(file);
		total = r < 0 || total < 0 ? -1 : total + r;
		free(entries[i]);
	}
	free(entries);
	return total;
}

int main(int argc, char **argv)
{
	int total = 0;

	for (int i = 1; i < argc; i++) {
		struct stat st;
		int r = stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode) ? run_directory(argv[i]) : run_file(argv[i]);

		if (r < 0)
			return EXIT_FAILURE;
		total += r;
	}
	printf("%d inputs\n", total);
	return total ? EXIT_SUCCESS : EXIT_FAILURE;
}
