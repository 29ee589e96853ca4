// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include <prism/fake_host.h>

static int check(struct prism_fake_host *fake)
{
	const struct prism_workload web = {.size = sizeof(web), .identity = 300, .name = "shop/web"};
	const char *line;
	unsigned int i;

	if (prism_fake_host_start(fake) < 0)
		return 1;
	if (prism_fake_host_identity(fake, PRISM_IDENTITY_ADDED, &web, 0) < 0 || !prism_fake_host_facet(fake, 300))
		return 1;
	for (i = 0; (line = prism_fake_host_log_line(fake, i)); i++)
		if (!strcmp(line, "info: hello shop/web, you are 300"))
			return 0;
	return 1;
}

int main(void)
{
	struct prism_fake_host *fake = prism_fake_host_new(&prism_module, NULL);
	int r;

	if (!fake)
		return 1;
	if (prism_bus_fd(prism_fake_host_host(fake)) < 0) {
		fprintf(stderr, "SKIPPED: needs CAP_BPF\n");
		r = 77;
	} else {
		r = check(fake);
		if (r)
			fprintf(stderr, "%s\n", prism_fake_host_reason(fake));
	}
	prism_fake_host_free(fake);
	return r;
}
