// SPDX-License-Identifier: Apache-2.0
#include "assign.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static struct lsm_binding binding_of(const struct assign *assign, size_t i, uint64_t owner)
{
	struct lsm_binding binding = {.owner = owner};

	if (i < assign->compiled->n) {
		binding = assign->compiled->sets[i].binding;
		binding.set = assign->first + (uint32_t)i;
		binding.owner = owner;
	}
	return binding;
}

/*
 * An identity that has no set any more keeps an entry that says so until store_forget(): the facet goes later than
 * this, and the facet alone would mean that there was no room. PRISM_ID_UNMANAGED always has one: its place is not for
 * workloads, whatever `unmanaged` is now.
 */
static int put_binding(struct assign *assign, uint32_t identity, size_t i, uint64_t owner)
{
	struct lsm_binding next = binding_of(assign, i, owner), now;

	if (i >= assign->compiled->n && identity != PRISM_ID_UNMANAGED &&
	    store_binding(assign->store, identity, &now) == -ENOENT)
		return 0;
	return store_bind(assign->store, identity, &next);
}

void assign_identity(struct assign *assign, const struct prism_workload *workload)
{
	size_t i;
	int r;

	if (workload->identity < PRISM_ID_FIRST)
		return;
	i = policy_select(assign->policy, workload);
	r = put_binding(assign, workload->identity, i, workload->label_hash);
	if (r == -E2BIG)
		assign->full = true;
	else if (r < 0)
		prism_log(assign->host, PRISM_LOG_ERROR, "the rule set of identity %" PRIu32 " is not in force: %s",
			  workload->identity, strerror(-r));
	r = prism_facet_set(assign->host, workload->identity, i < assign->policy->n);
	if (r < 0)
		prism_log(assign->host, PRISM_LOG_ERROR, "the facet of identity %" PRIu32 ": %s", workload->identity,
			  strerror(-r));
}

static void assign_one(void *arg, const struct prism_workload *workload)
{
	assign_identity(arg, workload);
}

int assign_all(struct assign *assign)
{
	int r = put_binding(assign, PRISM_ID_UNMANAGED, assign->policy->unmanaged, 0);

	assign->full = false;
	return r < 0 ? r : prism_identities(assign->host, assign_one, assign);
}

int assign_get(const struct assign *assign, uint32_t identity, size_t *ret_index)
{
	struct lsm_binding binding;
	int r = store_binding(assign->store, identity, &binding);

	if (r < 0)
		return r;
	if (binding.set - assign->first >= assign->compiled->n)
		return -ENOENT;
	*ret_index = binding.set - assign->first;
	return 0;
}

uint32_t assign_hooks(const struct compiled *compiled)
{
	uint32_t hooks = 0;

	for (size_t i = 0; i < compiled->n; i++)
		hooks |= compiled->sets[i].binding.hooks;
	return hooks;
}
