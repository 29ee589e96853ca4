# SPDX-License-Identifier: Apache-2.0
"""One bus, one workload, all four legs: each acts on it, each says so on the bus, and any other program can read it."""
import errno
import os
import shutil
import sys

import prism_e2e as e2e
from prism_e2e import Node, wait_for
from test_consumers import Consumer
from test_legs import packets, transfer

NET, SCHED, TRACE, LSM = 1, 2, 4, 8
ALL = NET | SCHED | TRACE | LSM
LEGS = {"net": NET, "sched": SCHED, "trace": TRACE, "lsm": LSM}
SCHED_EXT_STATE = "/sys/kernel/sched_ext/state"

# Starts the program that it is given and ends with the errno of that.
STARTER = "import os,sys\ntry: os.waitpid(os.posix_spawn(sys.argv[1],sys.argv[1:],{}),0)\nexcept OSError as e: sys.exit(e.errno)"


def modules(node_tmp):
    return ["net", "sched", "trace", {"name": "lsm", "config": {"rule_sets": [{
        "name": "web", "select": {"namespace": "e2e", "labels": {"app": "web"}},
        "exec": [{"directory": f"{node_tmp}/tools/", "action": "block"}]}]}}]


def started(node, cgroup, program):
    """The errno of starting program from a process of this cgroup."""
    return node.run_in(cgroup, [sys.executable, "-c", STARTER, program]).returncode


class FourLegs(e2e.TestCase):
    def node(self):
        node = Node(start=False, rules=[{"match": "{base}/{app}", "namespace": "e2e", "class": "critical", "weight": 100}])
        try:
            node.modules = [m if isinstance(m, dict) else {"name": m} for m in modules(node.tmp)]
            node.write_config()
            os.mkdir(f"{node.tmp}/tools")
            shutil.copy(os.path.realpath("/bin/true"), f"{node.tmp}/tools/true")
            node.start()
        except BaseException:
            node.close()
            raise
        return node

    def web(self, node):
        """The workload, when each leg has it in its care."""
        for name in LEGS:
            node.wait_module(name, "running")
        web = node.cgroup("web")
        number = node.identity_of(web)
        wait_for("every facet bit", lambda: node.entry(web)[1] & 0xff == ALL)
        return web, number

    def test_each_leg_acts_and_says_so(self):
        with self.node() as node:
            web, number = self.web(node)
            self.assertEqual(node.entry(web)[1] >> 8 & 7, 1, "class critical")

            transfer(node, web, 50)
            self.assertEqual(packets(node, number, direction="egress"), 50, "net")
            self.assertEqual(started(node, web, f"{node.tmp}/tools/true"), errno.EPERM, "lsm")
            self.assertEqual(started(node, f"{node.base}", f"{node.tmp}/tools/true"), 0, "lsm, without the identity")
            execs = wait_for("trace", lambda: [e for e in node.events("trace.exec") if e["identity"] == number])
            self.assertEqual(set(execs[0]["facets"]), set(LEGS))
            with open(SCHED_EXT_STATE) as f:
                self.assertEqual(f.read().strip(), "enabled")
            ran = node.metric("prism_sched_run_seconds_total", identity=number)
            self.assertGreater(ran, 0, "sched")

    def test_another_program_reads_every_facet(self):
        with self.node() as node:
            web, _ = self.web(node)
            with Consumer(node, "facets") as consumer:
                consumer.start()
                node.run_in(web, ["/bin/true"])
                self.assertEqual(consumer.counts(), {ALL: 1})
                for name, bit in LEGS.items():
                    with self.subTest(without=name):
                        before = consumer.counts().get(ALL & ~bit, 0)
                        node.ctl("module", "disable", name, check=0)
                        wait_for(f"the bit of {name} to go", lambda b=bit: node.entry(web)[1] & 0xff == ALL & ~b)
                        node.run_in(web, ["/bin/true"])
                        self.assertEqual(consumer.counts().get(ALL & ~bit, 0), before + 1)
                        node.ctl("module", "enable", name, check=0)
                        wait_for(f"the bit of {name} to come back", lambda: node.entry(web)[1] & 0xff == ALL)

    def test_all_outlive_prismd(self):
        with self.node() as node:
            web, number = self.web(node)
            transfer(node, web, 10)
            with open("/sys/kernel/sched_ext/enable_seq") as f:
                enabled = f.read()
            for _ in range(2):
                node.kill()
                transfer(node, web, 10)
                self.assertEqual(started(node, web, f"{node.tmp}/tools/true"), errno.EPERM)
                with open(SCHED_EXT_STATE) as f:
                    self.assertEqual(f.read().strip(), "enabled")
                node.start()
                for name in LEGS:
                    node.wait_module(name, "running")
                self.assertEqual(node.entry(web)[:2], (number, node.entry(web)[1]))
                self.assertEqual(node.entry(web)[1] & 0xff, ALL)
            with open("/sys/kernel/sched_ext/enable_seq") as f:
                self.assertEqual(f.read(), enabled, "the scheduler was adopted, not attached anew")
            self.assertEqual(packets(node, number, direction="egress"), 30)


if __name__ == "__main__":
    e2e.main("sched_ext", "BPF LSM")
