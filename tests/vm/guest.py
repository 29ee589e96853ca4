# SPDX-License-Identifier: Apache-2.0
"""One virtual machine from its start to its end, and what it says meanwhile."""
import ctypes
import os
import re
import selectors
import signal
import subprocess
import time

from initramfs import which

PR_SET_PDEATHSIG = 1
RS = b"\x1e"
# What a kernel that is well never says. A report is the line and what follows it.
TROUBLE = re.compile(r"WARNING: |BUG: |\bOops\b|Kernel panic|kernel BUG at|general protection fault|[- ]detected stall"
                     r"|blocked for more than|soft lockup|hard LOCKUP|possible (?:circular|recursive) locking"
                     r"|suspicious RCU usage|UBSAN:|KASAN:|KCSAN:|refcount_t: ")
# Seconds within which a guest has come up, emulated and on a loaded host: some four on an idle one. A kernel that cannot make
# sense of an emulated clock hangs before its first word, once in many boots; it is started again, and that is said.
BOOT_LIMIT = 120
BOOTS = 2
ESCAPES = re.compile(r"\x1b(?:\[[0-9;?=]*[A-Za-z]|c)")


class Machine:
    """How a guest is emulated."""

    def __init__(self, kernel, initrd, cpus=2, memory=2048, timing=False, parameters=()):
        qemu = which("qemu-system-x86_64")
        self.arguments = [qemu, "-nodefaults", "-no-user-config", "-no-reboot", "-cpu", "max",
                          "-smp", str(cpus), "-m", str(memory), "-kernel", kernel, "-initrd", initrd]
        # BPF LSM programs are only asked where "bpf" is among the active modules.
        line = ["console=ttyS0", "loglevel=5", "panic=-1", "oops=panic",
                "lsm=landlock,lockdown,yama,integrity,apparmor,bpf"]
        if timing:
            # Instructions are counted and are the clock: what is measured repeats, also on a loaded host. Nothing passes
            # the filter; its timer bounds how long one CPU runs ahead of the others.
            self.arguments += ["-accel", "tcg,thread=single", "-icount", "shift=1,sleep=off", "-rtc",
                               "base=2025-01-01,clock=vm", "-netdev", "hubport,id=n0,hubid=0", "-object",
                               "filter-buffer,id=fb,netdev=n0,interval=100"]
            # The kernel's comparison of the CPUs' clocks, which are one here, spins on one CPU until the other answers: taking
            # turns, that can last.
            line += ["cryptomgr.notests", "tsc=reliable"]
        else:
            # With a thread for each CPU one may go on with what stood where another has written. The kernel rewrites its own
            # code by way of a breakpoint, under which BPF programs are attached; a CPU that meets it too late is "Oops: int3",
            # often in qemu before 8.1, and seen in 10.0 too.
            self.arguments += ["-accel", "tcg,thread=single"]
        self.arguments += ["-append", " ".join([*line, *parameters])]

    def interactive(self):
        return [*self.arguments, "-nographic", "-serial", "mon:stdio"]

    def batch(self, console):
        return [*self.arguments, "-display", "none", "-serial", f"file:{console}", "-serial", "stdio"]


def trouble(console, known=()):
    """The reports of trouble in a console's text, each with the lines that follow; without those that are known."""
    lines = console.splitlines()
    reports, skip_to = [], 0
    for i, line in enumerate(lines):
        if i >= skip_to and TROUBLE.search(line):
            if any(re.search(pattern, line) for pattern in known):
                continue
            reports.append("\n".join(lines[i:i + 40]))
            skip_to = i + 40
    return reports


def die_with_parent():
    """No machine outlives the one who asked for it, however that one ended."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def text(path):
    try:
        with open(path, errors="replace") as f:
            return ESCAPES.sub("", f.read()).replace("\r", "")
    except FileNotFoundError:
        return ""


class Guest:
    """A running machine. `run` feeds what comes to on_output(bytes) and on_word(verb, rest) until the guest has ended.

    After it: `done` the guest came to its end by itself, `late` the limit passed, `console` what the kernel said; `hung` is the
    console of a boot that came to nothing and was repeated."""

    def __init__(self, machine, directory, limit):
        self.machine, self.limit = machine, limit
        self.console_path = os.path.join(directory, "console")
        self.complaints_path = os.path.join(directory, "qemu")
        self.done = self.late = self.up = False
        self.hung = ""

    def run(self, on_output, on_word):
        end = time.monotonic() + self.limit
        for boot in range(BOOTS):
            self._boot(end, BOOT_LIMIT if boot + 1 < BOOTS else self.limit, on_output, on_word)
            if self.up or not self.late or time.monotonic() >= end:
                return
            self.hung, self.late = self.console, False

    def _boot(self, end, boot_limit, on_output, on_word):
        with open(self.complaints_path, "wb") as complaints:
            process = subprocess.Popen(self.machine.batch(self.console_path), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=complaints, preexec_fn=die_with_parent)
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(process.stdout, selectors.EVENT_READ)
                self._listen(process, selector, end, time.monotonic() + boot_limit, on_output, on_word)
            if not self.late:
                process.wait(max(1, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.late = True
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                process.wait()
            process.stdout.close()
        self.status = process.returncode

    def _listen(self, process, selector, end, up_by, on_output, on_word):
        pending = b""
        while True:
            left = (end if self.up else min(end, up_by)) - time.monotonic()
            if left <= 0 or not selector.select(left):
                self.late = True
                return
            data = os.read(process.stdout.fileno(), 65536)
            if not data:
                if pending:
                    on_output(pending)
                return
            self.up = True # its first words are those of its first process
            pending = self.split(pending + data, on_output, on_word)

    def split(self, data, on_output, on_word):
        """Hands out whole words and the output between them; returns a word's beginning that waits for the rest."""
        while data:
            output, mark, rest = data.partition(RS)
            if output:
                on_output(output)
            if not mark:
                return b""
            word, newline, after = rest.partition(b"\n")
            if not newline:
                return mark + rest
            verb, _, argument = word.decode(errors="replace").partition(" ")
            if verb == "done":
                self.done = True
            else:
                on_word(verb, argument)
            data = after
        return data

    @property
    def console(self):
        return text(self.console_path)

    def troubles(self, known=()):
        """What is wrong with the machine itself, whatever its tests say; known: patterns of what this kernel may report."""
        found = [f"the kernel reports trouble:\n{report}" for report in trouble(self.console, known)]
        tail = "\n".join(self.console.splitlines()[-30:])
        if self.late:
            found.append(f"the guest was not done within {self.limit:g} s; the end of its console:\n{tail}")
        elif not self.done and not found:
            found.append(f"the guest died (qemu's status {self.status}); what qemu said:\n{text(self.complaints_path)}"
                         f"the end of the guest's console:\n{tail}")
        return found
