/* SPDX-License-Identifier: Apache-2.0 */
/* Children whose execs and exits are known: sandbox_spawn() functions. */
#ifndef TRACE_PROCESSES_H
#define TRACE_PROCESSES_H

/* execve(args[0], args), a char *[]. */
int run_program(void *args);
/* execveat() of a descriptor of /bin/true. */
int run_descriptor(void *arg);
/* exec of /bin/true by another thread than the first. */
int run_from_thread(void *arg);
/* exec of a program that kills itself with *(int *)signal. */
int run_and_die(void *signal);
/* n = *(int *)arg children that exit with 0 and never exec. Itself exits with 0 and never execs. */
int fork_many(void *arg);
/* *(int *)arg times /bin/true, one after the other. */
int exec_many(void *arg);
/* Threads that all leave at the same time, the first one before or among them. */
int leave_together(void *arg);
/* exit(*(int *)code) without an exec. */
int just_exit(void *code);
/* Execs a shell that waits until its standard input, the descriptor *(int *)arg, ends. */
int wait_in_shell(void *arg);

#endif
