/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/main.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>

#include <bpf/libbpf.h>
#include <curl/curl.h>
#include <sodium.h>

#include "base/log.h"
#include "ctl/args.h"

static int run(struct ctl *ctl, int argc, char **argv)
{
	struct invocation inv;
	int r = args_parse(ctl, argc, argv, &inv);

	if (r == -ECANCELED) /* a noun's help was printed */
		return CTL_OK;
	if (r)
		return r;
	if (inv.version) {
		printf("prismctl %s\n", PRISM_VERSION);
		return CTL_OK;
	}
	if (inv.help) {
		help_print(inv.command, stdout);
		return CTL_OK;
	}
	return inv.command->run(ctl, &inv);
}

int ctl_main(int argc, char **argv)
{
	struct ctl ctl = {.self_exe = "/proc/self/exe"};
	int code;

	setlocale(LC_CTYPE, "C.UTF-8"); /* widths of characters: output is UTF-8, whatever the locale */
	libbpf_set_print(NULL);         /* probing is meant to fail at times */
	log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_PLAIN);
	style_init(&ctl.style, stdout, false);
	if (sodium_init() < 0 || curl_global_init(CURL_GLOBAL_ALL) != 0) {
		fputs("prismctl: libraries cannot be initialised\n", stderr);
		return CTL_ERROR;
	}
	code = run(&ctl, argc, argv);
	ctl_done(&ctl);
	curl_global_cleanup();
	if (fflush(stdout) == EOF && code == CTL_OK)
		code = CTL_ERROR;
	return code;
}
