// SPDX-License-Identifier: Apache-2.0
/* The same in C17. */
#include <prism/host.h>
#include <prism/leg.h>

static int open_module(struct prism_host *host, void **ret_self)
{
	static int self;

	prism_log(host, PRISM_LOG_INFO, "a module in C on host ABI %u", (unsigned int)host->api->abi_major);
	*ret_self = &self;
	return 0;
}

const struct prism_module prism_module = {
	PRISM_MODULE_HEADER, .name = "c", .version = "1.0", .summary = "is written in C", .open = open_module,
};
PRISM_MODULE_NOTE("c", "1.0", PRISM_ABI_MAJOR, PRISM_ABI_MINOR);
