// SPDX-License-Identifier: Apache-2.0
#include "reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

enum { OPTION_SETS, OPTION_UNMANAGED, OPTIONS };

static const struct prism_option options[OPTIONS] = {
	[OPTION_SETS] = {.name = "rule_sets", .kind = PRISM_OPTION_NODE, .help = "Rule sets."},
	[OPTION_UNMANAGED] = {.name = "unmanaged", .kind = PRISM_OPTION_STRING, .help = "Of unmanaged tasks."},
};

static reader_fn with_policy;

static int open_reader(struct prism_host *host, void **ret_self)
{
	*ret_self = host;
	return 0;
}

static int configure(void *self, const struct prism_config *config)
{
	struct prism_host *host = self;
	struct policy policy;
	int r = policy_read(host, prism_option_node(host, config, OPTION_SETS),
			    prism_option_node(host, config, OPTION_UNMANAGED), &policy);

	if (r < 0)
		return r;
	if (with_policy)
		r = with_policy(host, &policy);
	policy_done(&policy);
	return r;
}

static const struct prism_module reader = {
	PRISM_MODULE_HEADER, .name = "reader",     .version = "1",      .summary = "reads rule sets",
	.options = options,  .n_options = OPTIONS, .open = open_reader, .configure = configure,
};

void reader_expect(const char *config, reader_fn fn, const char *complaint)
{
	struct prism_fake_host *fake = prism_fake_host_new(&reader, config);
	int r;

	with_policy = fn;
	assert_non_null(fake);
	r = prism_fake_host_start(fake);
	if (strcmp(prism_fake_host_reason(fake), complaint) != 0)
		fail_msg("%s\nsays: %s\nnot:  %s", config, prism_fake_host_reason(fake), complaint);
	assert_int_equal(r < 0, *complaint != 0);
	prism_fake_host_free(fake);
}
