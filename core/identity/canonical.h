/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From labels to the canonical form, its hash and its policy flags. Pure functions: same input, same bytes, on every
 * node. `io.prism/namespace=<ns>;io.prism/serviceaccount=<sa>;` then the labels that count, sorted bytewise by key,
 * `k=v` joined by `;`. What could be mistaken for structure (`;`, `=` in keys, `%`, control bytes) is percent-encoded
 * in labels that do not come from Kubernetes, where the API server forbids them.
 */
#ifndef IDENTITY_CANONICAL_H
#define IDENTITY_CANONICAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <prism/bus.h>
#include <prism/module.h>

#include "base/error.h"
#include "base/text.h"

#define LABEL_LATENCY_CLASS "prism.io/latency-class"
#define LABEL_WEIGHT "prism.io/weight"

/* What a source says of a workload. Borrowed; labels in any order, keys unique. */
struct workload_spec {
	const char *namespace_name;
	const char *service_account;
	const struct prism_label *labels;
	size_t n_labels;
	const char *latency_class; /* text as found; NULL: not given */
	const char *weight;
	const char *origin; /* for people: "cgroup rule prismd.yaml:14:7", "pod shop/checkout-7d4 (uid)" */
};

/* Which labels count. A pattern is exact, or a prefix when it ends in `*`. Include wins over exclude. */
struct label_filter;
int label_filter_new(const char *const *exclude, const char *const *include, struct label_filter **ret);
int label_filter_default(struct label_filter **ret);
/* From lists of patterns in the configuration; NULL: no list, which for exclude means the defaults. */
struct prism_node;
int label_filter_from(const struct prism_node *exclude, const struct prism_node *include, struct label_filter **ret);
void label_filter_free(struct label_filter *f);
/* Does this key count? *ret_pattern (may be NULL): the pattern that decided, NULL if none did. */
bool label_counts(const struct label_filter *f, const char *key, const char **ret_pattern);

int canonical_form(const struct workload_spec *spec, const struct label_filter *filter, struct text *out);

/* FNV-1a/64 with the frozen basis 0x14650FB0739D0383: change detection on the bus, never an identity. */
uint64_t label_hash(const char *canonical, size_t len);

/* Policy labels to flags. Bits of the result: class and weight. *ret_bad: bit 0 class unreadable, bit 1 weight
 * unreadable. */
uint32_t policy_flags(const char *latency_class, const char *weight, unsigned int *ret_bad);
const char *latency_class_name(uint32_t flags); /* "unset", "critical", "normal", "batch" */

#endif
