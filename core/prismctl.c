/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "ctl/main.h"
#include "host/host.h"

int main(int argc, char **argv)
{
	/* The test-load child of `config check` and `doctor`, see host/probe.h. */
	if (argc > 1 && strcmp(argv[1], "--probe-module") == 0)
		return host_probe_main(argc, argv);
	return ctl_main(argc, argv);
}
