/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a policed process does: this very program, run as `PROGRAM deed NAME ARGUMENT...`, and its exit status is the
 * errno of what it did. Deeds that take a deed: `thread`, `child`, `times N`, `always N`, `cpu N`, `join CGROUP`,
 * `wait`.
 */
#ifndef LSM_DEEDS_H
#define LSM_DEEDS_H

/* For main(): does the deed and exits, if that is what the program was run for. */
void deed_main(int argc, char **argv);

#define DEED_FAILED 250 /* not a result: the deed could not be done */

#define DEED_READY 3 /* `wait` writes a byte here */
#define DEED_GO 4    /* and goes on when one comes from here */

#endif
