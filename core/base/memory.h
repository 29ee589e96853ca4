/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that start-up has used and nothing afterwards will. */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

/*
 * Gives free heap pages back to the kernel and lets go of the pages of libraries and of the program that are mapped
 * from their files and unchanged: relocation and initialisation have touched several megabytes of them. Those that are
 * needed after all come back from the page cache at their next use. Takes a millisecond or two.
 */
void memory_trim(void);

#endif
