/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

static struct prism_host *host;

static int open_facet(struct prism_host *h, void **ret_self)
{
	host = h;
	*ret_self = &host;
	return 0;
}

static int start(void *self)
{
	(void)self;
	return prism_facet_all(host, true);
}

FIXTURE(.facet = "shared", .open = open_facet, .start = start);
FIXTURE_NOTE;
