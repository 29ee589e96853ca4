# SPDX-License-Identifier: Apache-2.0
"""What conf/systemd/prismd.service.in allows, and a prismd that has it without systemd.

As a program: prism_unit.py [--write-only-to DIRECTORY]... [--system-calls] -- COMMAND... runs COMMAND with the unit's filter
of system calls, and in a mount namespace where only these directories can be written to."""
import ctypes
import os
import subprocess
import sys

UNIT = os.path.join(os.environ.get("PRISM_SOURCE", "."), "conf", "systemd", "prismd.service.in")
CLONE_NEWNS, MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 0x20000, 1, 32, 4096, 16384, 1 << 18
PR_SET_NO_NEW_PRIVS, PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 38, 65, 1
SCMP_ACT_ALLOW, SCMP_ACT_EPERM = 0x7fff0000, 0x00050001


def setting(name):
    """The words of a setting, as they stand there."""
    with open(UNIT) as f:
        return [word for line in f if line.startswith(f"{name}=") for word in line.partition("=")[2].split()]


def capabilities():
    """As setpriv calls them."""
    return [word.removeprefix("CAP_").lower() for word in setting("CapabilityBoundingSet")]


def setpriv(names):
    """Root that has these capabilities and can get no other."""
    bounding = ",".join(["-all", *(f"+{name}" for name in names)])
    return ["setpriv", "--no-new-privs", "--inh-caps", "-all", "--bounding-set", bounding]


def system_calls():
    """Names, the unit's groups taken apart by systemd itself."""
    out, todo = set(), setting("SystemCallFilter")
    while todo:
        name = todo.pop()
        if not name.startswith("@"):
            out.add(name)
            continue
        done = subprocess.run(["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True)
        todo += [line.strip() for line in done.stdout.splitlines()[1:] if line.strip() and "#" not in line]
    return out


def check(result, what):
    if result < 0:
        raise OSError(ctypes.get_errno() or -result, f"{what}: {os.strerror(ctypes.get_errno() or -result)}")


def filter_system_calls(names):
    seccomp = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(SCMP_ACT_EPERM))
    for name in names:
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        if number >= 0: # a name of another architecture otherwise
            check(seccomp.seccomp_rule_add(context, SCMP_ACT_ALLOW, number, 0), name)
    check(seccomp.seccomp_load(context), "seccomp_load")


def write_only_to(directories):
    """ProtectSystem=strict, ProtectKernelTunables, ProtectControlGroups and ReadWritePaths, in a mount namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    check(libc.unshare(CLONE_NEWNS), "unshare")
    check(libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None), "mount --make-rprivate /")
    for directory in directories:
        check(libc.mount(directory.encode(), directory.encode(), None, MS_BIND, None), directory)
    with open("/proc/self/mountinfo") as f:
        mounts = [line.split()[4].encode().decode("unicode_escape") for line in f]
    for at in mounts:
        if at not in directories and at != "/proc" and not at.startswith(("/dev", "/proc/")):
            check(libc.mount(None, at.encode(), None, MS_REMOUNT | MS_BIND | MS_RDONLY, None), at)


def main(arguments):
    directories, names = [], None
    while arguments[0] != "--":
        option = arguments.pop(0)
        if option == "--write-only-to":
            directories.append(arguments.pop(0))
        elif option == "--system-calls":
            names = system_calls()
    if directories:
        write_only_to(directories)
    libc = ctypes.CDLL(None, use_errno=True)
    check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    libc.prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) # MemoryDenyWriteExecute; from Linux 6.3 on
    if names:
        filter_system_calls(names)
    os.execvp(arguments[1], arguments[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
