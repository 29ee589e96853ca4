/* SPDX-License-Identifier: Apache-2.0 */
/* Which identities a module takes care of: all, and exceptions by number. */
#include "host/set.h"

static void facets_changed(struct host *host, uint32_t number)
{
	if (host->env.facets_changed)
		host->env.facets_changed(host->env.arg, number);
}

void module_drop_claims(struct module *m)
{
	bool all = m->facet_all;
	bool some = known_drop(&m->owner->known, 1ull << m->index, true, true, false);

	m->facet_all = false;
	if ((all || some) && m->facet_bit >= 0)
		facets_changed(m->owner, 0);
	facets_release(m->owner->facets, m->name);
	m->facet_bit = -1;
}

void module_begin_claims(struct module *m)
{
	m->facet_all_fresh = false;
	known_drop(&m->owner->known, 1ull << m->index, true, false, false);
	known_age(m->owner->known, 1ull << m->index);
}

void module_settle_claims(struct module *m)
{
	bool went = known_drop(&m->owner->known, 1ull << m->index, false, true, true);

	if (m->facet_all && !m->facet_all_fresh) {
		m->facet_all = false;
		went = true;
	}
	if (went && m->facet_bit >= 0)
		facets_changed(m->owner, 0);
}
