/* SPDX-License-Identifier: Apache-2.0 */
/* From files and arguments to one tree. Inside of the room: settings.h is what others use. */
#ifndef CONFIG_LOAD_H
#define CONFIG_LOAD_H

#include "config/schema.h"
#include "config/settings.h"

#define LOAD_MAX_CONF_D 256 /* files in conf.d */

struct loader {
	const struct settings_source *source;
	const char *hostname;
	struct settings *settings; /* takes files and profiles; its tree owns every node */
	struct tree *tree;
	struct problems *p;
	struct prism_node *base;        /* the layers so far, one over the other */
	struct prism_node *overrides;   /* the last layer; NULL: none */
	const char *const *node_labels; /* "key=value", NULL-terminated */
};

/* The lists in which a later layer's elements stand in front. */
extern const char *const load_prepend[];

/* Reads and checks a file; *ret is NULL when it cannot be read to its end. Problems are in l->p. */
int load_file(struct loader *l, const char *path, struct prism_node **ret,
	      int (*check)(const struct prism_node *root, struct problems *p));
/* All layers; l->base is the result. Goes on after a problem as far as that can find more. */
int load_layers(struct loader *l);

/* "a.b.c=value" arguments to one tree, checked. *ret is NULL without any. */
int override_parse(struct loader *l, struct prism_node **ret);
/* Do the modules and profiles that they address by name exist in base? */
int override_check(struct loader *l, const struct prism_node *base);

/* Reads l->node_labels; a file that is not there is none. seen: the configuration without profiles. */
int node_labels_load(struct loader *l, const struct prism_node *seen);
/* Does one of these match one of the node's labels? */
bool node_labels_match(const struct loader *l, const char *const *patterns);

/* Reads every profile in `list` (may be NULL), decides which are active, and lays those over l->base. */
int profile_apply(struct loader *l, const struct prism_node *list, const char *node_name);

/* The text of a scalar at path below map; NULL when it is absent, empty or something else. */
const char *load_text(const struct prism_node *map, const char *section, const char *key);

#endif
