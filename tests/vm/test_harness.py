# SPDX-License-Identifier: Apache-2.0
"""The harness tells what is wrong from what is not: what it reads off a guest, without one."""
import sys
import tempfile
import unittest
from unittest import mock

import expected
import guest
import suite


def collect(*chunks, kernel="6.1", tests=()):
    """The verdicts on a guest that said these bytes, in these pieces; whether it came to its end."""
    listener = guest.Guest(None, "/nowhere", 1)
    collector = suite.Collector(expected.KERNELS[kernel], lambda verdict: None, lambda data: None)
    pending = b""
    for chunk in chunks:
        pending = listener.split(pending + chunk, collector.output, collector.word)
    collector.cut([suite.Test({"name": name}) for name in tests])
    return {v.name: v for v in collector.verdicts}, listener.done


def said(output, status, name="bpf.x"):
    return f"\x1ebegin {name}\n{output}\x1eend {status}\n".encode()


class Words(unittest.TestCase):
    def test_cut_anywhere(self):
        whole = b"\x1eup 6.1\n" + said("some output, not ended by a newline", 0) + b"\x1edone\n"
        for at in range(len(whole)):
            with self.subTest(at=at):
                verdicts, done = collect(whole[:at], whole[at:])
                self.assertEqual(verdicts["bpf.x"].state, "passed")
                self.assertEqual(verdicts["bpf.x"].output, "some output, not ended by a newline")
                self.assertTrue(done)

    def test_a_guest_that_dies(self):
        verdicts, done = collect(said("", 0, "a"), b"\x1ebegin b\nhalf", tests=("a", "b", "c"))
        self.assertEqual({n: v.state for n, v in verdicts.items()}, {"a": "passed", "b": "failed", "c": "failed"})
        self.assertFalse(done)


class Boots:
    """A machine of which each start is one of these commands."""

    def __init__(self, *commands):
        self.commands = list(commands)

    def batch(self, console):
        with open(console, "w") as f:
            f.write(f"{len(self.commands)} starts left\n")
        return self.commands.pop(0)


@mock.patch.object(guest, "BOOT_LIMIT", 2)
class Boot(unittest.TestCase):
    HANGS = ["sleep", "600"]
    WORKS = ["printf", "\\036up 6.1\\n\\036done\\n"]

    def boot(self, *commands, limit=60):
        words = []
        with tempfile.TemporaryDirectory() as directory:
            g = guest.Guest(Boots(*commands), directory, limit)
            g.run(lambda data: None, lambda verb, rest: words.append(verb))
            return g, words, g.troubles()

    def test_one_that_hangs_is_started_again(self):
        g, words, troubles = self.boot(self.HANGS, self.WORKS)
        self.assertEqual((words, troubles, g.late), (["up"], [], False))
        self.assertEqual(g.hung, "2 starts left\n")

    def test_one_that_works_is_started_once(self):
        g, words, troubles = self.boot(self.WORKS)
        self.assertEqual((words, troubles, g.hung), (["up"], [], ""))

    def test_one_that_hangs_again_has_failed(self):
        g, words, troubles = self.boot(self.HANGS, self.HANGS, limit=3)
        self.assertEqual((words, g.late, len(troubles)), ([], True, 1))

    def test_one_that_came_up_is_not_started_again(self):
        g, words, troubles = self.boot(["sh", "-c", "printf '\\036up 6.1\\n'; exec sleep 600"], limit=1)
        self.assertEqual((words, g.late, len(troubles), g.hung), (["up"], True, 1, ""))


class Verdicts(unittest.TestCase):
    def state(self, output, status, kernel="6.1"):
        verdict = collect(said(output, status), kernel=kernel)[0]["bpf.x"]
        return verdict.state, verdict.parts

    def test_status(self):
        self.assertEqual(self.state("", 0)[0], "passed")
        self.assertEqual(self.state("", 1)[0], "failed")
        self.assertEqual(self.state("", 143)[0], "failed")

    def test_a_reason_that_the_kernel_may_give(self):
        reason = "this kernel has no sched_ext"
        self.assertEqual(self.state(f"UNSUPPORTED: {reason}\n", 77), ("unsupported", [reason]))
        self.assertEqual(self.state(f"UNSUPPORTED: {reason}\n", 0), ("passed", [reason]))
        self.assertEqual(self.state(f"test_x (a.B.test_x) ... UNSUPPORTED: {reason}\nok\n", 0), ("passed", [reason]))
        self.assertEqual(self.state(f"test_x (a.B.test_x) ... skipped '{reason}'\n", 0), ("passed", [reason]))

    def test_a_reason_that_it_may_not_give(self):
        for output, status in (("UNSUPPORTED: this kernel has no sched_ext\n", 77), ("UNSUPPORTED: bad weather\n", 0),
                               ("", 77), ("[  SKIPPED ] some_case\n", 0), ("t ... skipped 'no mood'\n", 0)):
            with self.subTest(output=output):
                self.assertEqual(self.state(output, status, "newest")[0], "failed")

    def test_what_is_left_behind(self):
        verdicts, _ = collect(b"\x1ebegin a\n\x1eleft /sys/fs/bpf/x\n\x1eend 0\n" + said("", 0, "b"))
        self.assertEqual({n: v.state for n, v in verdicts.items()}, {"a": "failed", "b": "passed"})


class Trouble(unittest.TestCase):
    def test_reports(self):
        for line in ("WARNING: CPU: 0 PID: 1 at kernel/sched/ext.c:1 scx_x+0x1/0x2", "BUG: unable to handle page fault",
                     "Oops: 0000 [#1] SMP", "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
                     "rcu: INFO: rcu_sched self-detected stall on CPU",
                     "INFO: task prismd:12 blocked for more than 120 seconds.", "Kernel panic - not syncing: x",
                     "watchdog: BUG: soft lockup - CPU#0 stuck for 22s!", "WARNING: possible circular locking dependency"):
            with self.subTest(line=line):
                self.assertEqual(len(guest.trouble(f"[    0.1] fine\n[   12.3] {line}\n[   12.4] trace\n")), 1)

    def test_what_a_kernel_may_report_of_itself(self):
        known = expected.KNOWN_TROUBLE["6.12-scx"]
        line = "[ 9.1] WARNING: CPU: 1 PID: 24 at kernel/sched/{} task_non_contending+0x354/0x540\n"
        self.assertEqual(guest.trouble(line.format("deadline.c:428") * 2, known), [])
        self.assertEqual(len(guest.trouble(line.format("deadline.c:428"))), 1)
        self.assertEqual(len(guest.trouble(line.format("deadline.c:428") + line.format("ext.c:5"), known)), 1)

    def test_a_kernel_that_is_well(self):
        self.assertEqual(guest.trouble("[ 0.0] tsc: Unable to calibrate\n[ 9.9] sched_ext: BPF scheduler \"x\" disabled\n"
                                       "[ 9.9] Memory cgroup out of memory: Killed process 12 (x)\n"), [])


if __name__ == "__main__":
    sys.exit(unittest.main())
