// SPDX-License-Identifier: GPL-2.0-only
/* Makes the kernel let go of the scheduler that runs, as it does when a scheduler says so. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern void scx_bpf_error_bstr(char *fmt, unsigned long long *data, __u32 data__sz) __ksym;
extern void scx_bpf_exit_bstr(__s64 code, char *fmt, unsigned long long *data, __u32 data__sz) __ksym;

__s64 eject_code;

SEC("syscall")
int eject_error(void *ctx)
{
	char fmt[] = "provoked by a test";
	unsigned long long data[1] = {0};

	scx_bpf_error_bstr(fmt, data, 0);
	return 0;
}

SEC("syscall")
int eject_exit(void *ctx)
{
	char fmt[] = "a wish of a test";
	unsigned long long data[1] = {0};

	scx_bpf_exit_bstr(eject_code, fmt, data, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
