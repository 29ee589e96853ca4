// SPDX-License-Identifier: Apache-2.0
// A module in C++17: the descriptor is constant-initialised, the note is in place.
#include <linux/capability.h>
#include <prism/host.h>
#include <prism/leg.h>

namespace
{

int open_module(struct prism_host *host, void **ret_self)
{
	static int self;

	prism_log(host, PRISM_LOG_INFO, "a module in C++ on host ABI %u",
		  static_cast<unsigned int>(host->api->abi_major));
	*ret_self = &self;
	return 0;
}

constexpr struct prism_module describe()
{
	struct prism_module module = PRISM_MODULE_INIT;

	module.name = "cxx";
	module.version = "1.0";
	module.summary = "is written in C++";
	module.open = open_module;
	module.capabilities = PRISM_CAPABILITY(CAP_BPF) | PRISM_CAPABILITY(CAP_PERFMON);
	return module;
}

} // namespace

extern "C" constexpr struct prism_module prism_module = describe();
PRISM_MODULE_NOTE("cxx", "1.0", PRISM_ABI_MAJOR, PRISM_ABI_MINOR);
