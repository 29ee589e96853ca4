/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks of single values that an option's kind and range cannot say. Each is called for a value that is given, of
 * whatever kind it is, and says nothing about a kind that the option's own check has refused.
 */
#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

#include "config/tree.h"

void value_check_path(const struct prism_node *value, struct problems *p); /* absolute */
void value_check_optional_path(const struct prism_node *value, struct problems *p);
void value_check_paths(const struct prism_node *value, struct problems *p);
void value_check_socket(const struct prism_node *value, struct problems *p); /* fits sun_path */
void value_check_name(const struct prism_node *value, struct problems *p);   /* of a module or profile */
void value_check_node_name(const struct prism_node *value, struct problems *p);
void value_check_module_file(const struct prism_node *value, struct problems *p);
void value_check_sha256(const struct prism_node *value, struct problems *p);
void value_check_metrics(const struct prism_node *value, struct problems *p);
void value_check_map(const struct prism_node *value, struct problems *p);
void value_check_rules(const struct prism_node *value, struct problems *p); /* list of maps; their source knows more */
void value_check_texts(const struct prism_node *value, struct problems *p); /* list without empty text */
void value_check_hosts(const struct prism_node *value, struct problems *p); /* patterns of bounded cost */
void value_check_label_patterns(const struct prism_node *value, struct problems *p);

/* Is there no listener: "" or "off"? */
bool value_is_off(const char *metrics);

#endif
