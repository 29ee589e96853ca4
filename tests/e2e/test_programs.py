# SPDX-License-Identifier: Apache-2.0
"""Runs and run time of BPF programs: they grow with the work while the kernel counts, and stand still while it does not."""
import contextlib

import prism_e2e as e2e
from prism_e2e import Node
from test_legs import transfer

SYSCTL = "/proc/sys/kernel/bpf_stats_enabled"
RUNS, TIME, MISSES = (f"prism_bpf_program_{name}_total" for name in ("runs", "run_seconds", "misses"))
# One program of each leg and of the core, that the work of work() runs.
PROGRAMS = [("net", "net_egress"), ("trace", "trace_exec"), ("prism", "on_mkdir")]
PACKETS, EXECS, CGROUPS = 100, 5, 3


@contextlib.contextmanager
def statistics(on):
    """Whether the kernel counts runs; as before afterwards."""
    with open(SYSCTL) as f:
        before = f.read()
    try:
        with open(SYSCTL, "w") as f:
            f.write("1" if on else "0")
        yield
    finally:
        with open(SYSCTL, "w") as f:
            f.write(before)


def values(node, family):
    return [node.metric(family, module=module, program=program) for module, program in PROGRAMS]


def work(node, web, name):
    """Has left its traces in what each of PROGRAMS writes when it returns."""
    for i in range(CGROUPS):
        node.identity_of(node.cgroup(f"web/{name}{i}"))
    for _ in range(EXECS - 1):
        assert node.run_in(web, ["/bin/true"]).returncode == 0
    transfer(node, web, PACKETS) # an exec, too


class Runs(e2e.TestCase):
    def test_grow_with_the_work_and_stand_still_without_statistics(self):
        with Node(modules=["net", "trace"]) as node:
            for name in ("net", "trace"):
                node.wait_module(name, "running")
            web = node.cgroup("web")
            node.identity_of(web)
            with statistics(True):
                before, began = values(node, RUNS), values(node, TIME)
                work(node, web, "a")
                after, ended = values(node, RUNS), values(node, TIME)
            for least, label, *counts in zip((PACKETS, EXECS, CGROUPS), PROGRAMS, before, after, began, ended):
                self.assertGreaterEqual(counts[1] - counts[0], least, label)
                self.assertGreater(counts[3], counts[2], label)
                self.assertLess(counts[3], 60, f"{label}: seconds, not another unit")
            with statistics(False):
                before, began = values(node, RUNS), values(node, TIME)
                work(node, web, "b")
                self.assertEqual((values(node, RUNS), values(node, TIME)), (before, began))
            self.assertNotIn(None, values(node, MISSES))

    def test_gone_with_the_module(self):
        with Node(modules=["net", "trace"]) as node:
            for name in ("net", "trace"):
                node.wait_module(name, "running")
            node.ctl("module", "disable", "net", check=0)
            self.assertIsNone(node.metric(RUNS, module="net"))
            self.assertIsNotNone(node.metric(RUNS, module="trace"))
            node.ctl("module", "enable", "net", check=0)
            self.assertIsNotNone(node.metric(RUNS, module="net", program="net_egress"))

    def test_of_the_next_prismd(self):
        """It loads its own and puts them in the place of the pinned ones, so it knows them."""
        with Node(modules=["net", "trace"]) as node:
            node.wait_module("net", "running")
            node.kill()
            node.start()
            for name in ("net", "trace"):
                node.wait_module(name, "running")
            web = node.cgroup("web")
            with statistics(True):
                before = node.metric(RUNS, module="net", program="net_egress")
                transfer(node, web, PACKETS)
                self.assertGreaterEqual(node.metric(RUNS, module="net", program="net_egress") - before, PACKETS)


if __name__ == "__main__":
    e2e.main()
