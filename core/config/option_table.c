/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <string.h>

#include "base/util.h"
#include "config/option.h"

/* The least a table's element must have: what tells an option from another. */
#define MIN_OPTION_SIZE offsetof(struct prism_option, min)

static const char name_letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";

static const char *fault_of_name(const char *name)
{
	if (!name || !*name)
		return "it has no name";
	if (strlen(name) > 64 || name[0] < 'a' || name[0] > 'z' || name[strspn(name, name_letters)])
		return "its name does not match [a-z][a-z0-9_-]* of at most 64 bytes";
	return NULL;
}

static const char *fault_of_choices(const struct prism_option *option)
{
	if (option->kind != PRISM_OPTION_ENUM)
		return option->choices ? "it has choices, but is not an ENUM" : NULL;
	if (!option->choices || !option->choices[0])
		return "it is an ENUM without choices";
	for (const char *const *choice = option->choices; *choice; choice++)
		if (!**choice)
			return "one of its choices is empty";
	return NULL;
}

static const char *fault_of_bounds(const struct prism_option *option)
{
	bool numbers = option->kind >= PRISM_OPTION_INT && option->kind <= PRISM_OPTION_DURATION;

	if (option->min > option->max)
		return "its min is above its max";
	if ((option->min || option->max) && !numbers && option->kind != PRISM_OPTION_STRING)
		return "it has min and max, which this kind does not use";
	if (option->min < 0 && option->kind != PRISM_OPTION_INT)
		return "its min is negative";
	return NULL;
}

static const char *fault_of(const struct prism_option *option)
{
	const char *fault = fault_of_name(option->name);

	if (!fault && (option->kind < PRISM_OPTION_BOOL || option->kind > PRISM_OPTION_NODE))
		fault = "its kind is none that this version knows";
	if (!fault && option->flags & ~PRISM_OPTION_REQUIRED)
		fault = "it has flags that this version does not know";
	if (!fault && (!option->help || !*option->help))
		fault = "it has no help text";
	if (!fault)
		fault = fault_of_choices(option);
	if (!fault)
		fault = fault_of_bounds(option);
	if (!fault && option->flags & PRISM_OPTION_REQUIRED && option->fallback)
		fault = "it is required and has a default";
	return fault;
}

/* The default as the user's own value would be checked. */
static int check_default(const struct prism_option *option, struct error *e)
{
	struct problems problems = {};
	int r;

	r = option_check(option, 1, sizeof(*option), NULL, NULL, &problems);
	if (r < 0)
		error_set(e, EINVAL, NULL, "option \"%s\": its default \"%s\" is wrong: %s", option->name,
			  option->fallback, problems.n ? problems.list[0].text : "out of memory");
	problems_done(&problems);
	return r < 0 ? -EINVAL : 0;
}

static bool is_known(const struct prism_option *options, uint32_t option_size, uint32_t n, const char *name)
{
	for (uint32_t i = 0; i < n; i++)
		if (!strcmp(option_at(options, option_size, i).name, name))
			return true;
	return false;
}

int option_table_check(const struct prism_option *options, uint32_t n, uint32_t option_size, struct error *e)
{
	if (!n)
		return 0;
	if (!options)
		return error_set(e, EINVAL, NULL, "%u options are declared, but the table is NULL", n);
	if (n > OPTION_MAX)
		return error_set(e, EINVAL, NULL, "%u options are declared, the limit is %u", n, OPTION_MAX);
	if (option_size < MIN_OPTION_SIZE || option_size % _Alignof(struct prism_option))
		return error_set(e, EINVAL, NULL, "an option of %u bytes is not one (use PRISM_MODULE_HEADER)",
				 option_size);
	for (uint32_t i = 0; i < n; i++) {
		const struct prism_option option = option_at(options, option_size, i);
		const char *fault = fault_of(&option);

		if (fault)
			return error_set(e, EINVAL, NULL, "option %u (\"%s\"): %s", i, option.name ? option.name : "",
					 fault);
		if (is_known(options, option_size, i, option.name))
			return error_set(e, EINVAL, NULL, "option \"%s\" is declared twice", option.name);
		if (!(option.flags & PRISM_OPTION_REQUIRED) && check_default(&option, e) < 0)
			return -EINVAL;
	}
	return 0;
}
