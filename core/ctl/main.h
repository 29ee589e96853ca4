/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTL_MAIN_H
#define CTL_MAIN_H

/* All of prismctl: parses, runs one command, returns the exit code. */
int ctl_main(int argc, char **argv);

#endif
