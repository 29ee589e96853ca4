// SPDX-License-Identifier: Apache-2.0
#include "cc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "leg_cc.skel.h"

#define NAME_SIZE 16 /* TCP_CA_NAME_MAX */
#define LIST "/proc/sys/net/ipv4/tcp_available_congestion_control"

static void name_of_mine(char name[NAME_SIZE])
{
	snprintf(name, NAME_SIZE, "prism%d", (int)getpid() % 100000000);
}

void cc_name(struct leg_cc_bpf *skel)
{
	size_t size;
	char *ops = bpf_map__initial_value(skel->maps.test_cc, &size);
	char *name = memmem(ops, size, "prism_test", sizeof("prism_test"));

	assert_non_null(name);
	name_of_mine(name);
}

bool cc_available(void)
{
	char list[4096] = "", name[NAME_SIZE], *word, *next = list;
	FILE *f = fopen(LIST, "re");

	assert_non_null(f);
	assert_non_null(fgets(list, sizeof(list), f));
	fclose(f);
	name_of_mine(name);
	while ((word = strsep(&next, " \n")))
		if (!strcmp(word, name))
			return true;
	return false;
}
