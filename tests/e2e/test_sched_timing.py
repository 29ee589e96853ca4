# SPDX-License-Identifier: Apache-2.0
"""What the class does to latency, and that nobody starves, measured where time is the count of instructions; on one scheduler,
under one load, and what changes is a rule. Relations, never a time: those tests/bench/sched prints."""
import json
import os
import subprocess

import prism_e2e as e2e
from prism_e2e import Node, wait_for

LOAD = os.path.join(e2e.BUILD, "tests", "bench", "sched", "sched_load")
HOGS = {"match": "{base}/hogs-{app}", "namespace": "e2e", "class": "normal"}
CLASSES = {"critical": 1, "normal": 2, "batch": 3}


def rule(name, **policy):
    return {"match": "{base}/" + name, "namespace": "e2e", "labels": {"name": name}, **policy}


def entry_says(node, cgroup, latency_class):
    entry = node.entry(cgroup)
    return entry is None if latency_class is None else entry is not None and entry[1] >> 8 & 7 == CLASSES[latency_class]


class Timing(e2e.TestCase):
    def node(self, rules, **config):
        node = Node(rules=rules, modules=[{"name": "sched", "config": config}])
        self.addCleanup(node.close)
        node.wait_module("sched", "running")
        return node

    def load(self, *arguments):
        done = subprocess.run([LOAD, *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_latency_follows_the_class(self):
        """A workload that wants more than its fair share: as nobody's, as a normal and as a critical one's."""
        node = self.node([HOGS])
        probed = node.cgroup("probed")
        hogs = [node.cgroup(f"hogs-{i}") for i in range(3)]
        for cgroup in hogs:
            node.identity_of(cgroup)
        p99 = {None: [], "normal": [], "critical": []}
        for _ in range(2):
            for given, figures in p99.items():
                node.rules = [HOGS, *([rule("probed", **{"class": given})] if given else [])]
                node.write_config()
                node.ctl("reload", check=0)
                wait_for("the class on the bus", lambda c=given: entry_says(node, probed, c))
                figures.append(self.load("-p", probed, "-w", 400, "-g", 2000, *(f"{h}=3" for h in hogs))["response_p99"])
        print(f"response p99, us: {p99}", flush=True)
        without = p99[None] + p99["normal"]
        self.assertLess(max(p99["critical"]) * 5, min(without), "better with the class")
        self.assertLess(max(without), min(without) * 2, "and with nothing else")

    def test_no_wait_is_longer_than_the_bound(self):
        """Critical tasks that never sleep on every CPU; the others have little weight, or are nobody's."""
        weights = (1, 8, 64, 127)
        node = self.node([rule("critical", weight=127, **{"class": "critical"}), rule("meek", weight=1, **{"class": "critical"}),
                          *(rule(f"batch-{w}", weight=w, **{"class": "batch"}) for w in weights)])
        names = ["critical", "meek", "nobody", *(f"batch-{w}" for w in weights)]
        counts = [4, 1, 1, 2, 2, 2, 2]
        groups = [node.cgroup(name) for name in names]
        for cgroup in groups:
            wait_for("the class on the bus", lambda c=cgroup: (node.entry(c) is None) == c.endswith("/nobody"))
        for bound in (250, 100):
            with self.subTest(bound=bound):
                node.modules[0]["config"]["max_wait"] = f"{bound}ms"
                node.write_config()
                node.ctl("reload", check=0)
                before = self.violations(node)
                result = self.load("-s", 4, *(f"{c}={n}" for c, n in zip(groups, counts)))["hogs"]
                print(f"{bound} ms: {dict(zip(names, result))}", flush=True)
                self.assertEqual(self.violations(node), before, "by the scheduler's own count")
                for name, hog in zip(names, result):
                    self.assertLessEqual(hog["longest_ms"], bound, name)
                    self.assertGreater(hog["cpus"], 0, name)
                self.assertGreater(result[0]["cpus"], sum(hog["cpus"] for hog in result[3:]), "critical is still first")

    @staticmethod
    def violations(node):
        return node.metric("prism_sched_class_wait_violations_total")


if __name__ == "__main__":
    e2e.main("sched_ext")
