# SPDX-License-Identifier: Apache-2.0
"""The sched leg through prismd: who is scheduled how follows the identity; it outlives prismd, and says when it is off."""
import sys

import prism_e2e as e2e
from prism_e2e import Node, wait_for

ROOT = "/sys/kernel/sched_ext"
BUSY = "import time\nend=time.process_time()+0.2\nwhile time.process_time()<end: pass"


def kernel(name):
    with open(f"{ROOT}/{name}") as f:
        return f.read().strip()


def rule(latency_class):
    return {"match": "{base}/{app}", "namespace": "e2e", **({"class": latency_class} if latency_class else {})}


class Sched(e2e.TestCase):
    def node(self, config=None, latency_class="critical", **kwargs):
        node = Node(rules=[rule(latency_class)], modules=[{"name": "sched", "config": config or {}}], **kwargs)
        self.addCleanup(node.close)
        node.wait_module("sched", "running")
        wait_for("the scheduler", lambda: kernel("state") == "enabled")
        return node

    def busy(self, node, cgroup):
        self.assertEqual(node.run_in(cgroup, [sys.executable, "-c", BUSY]).returncode, 0)

    def class_seconds(self, node):
        return {c: node.metric("prism_sched_class_run_seconds_total", **{"class": c}) for c in ("critical", "normal", "batch")}

    def test_the_class_follows_the_identity(self):
        """The same work under three rules and none: its time shows up in that class, and under the number or not."""
        node = self.node()
        work = node.cgroup("work")
        number = node.identity_of(work)
        for given, served in (("critical", "critical"), ("batch", "batch"), ("normal", "normal"), (None, "normal")):
            with self.subTest(given=given):
                node.rules = [rule(given)]
                node.write_config()
                node.ctl("reload", check=0)
                bits = {"critical": 1, "normal": 2, "batch": 3, None: 0}[given]
                wait_for("the class on the bus", lambda b=bits: node.entry(work)[1] >> 8 & 7 == b)
                before, own = self.class_seconds(node), node.metric("prism_sched_run_seconds_total", identity=number) or 0
                self.busy(node, work)
                after = self.class_seconds(node)
                self.assertGreaterEqual(after[served] - before[served], 0.2)
                self.assertGreaterEqual(node.metric("prism_sched_run_seconds_total", identity=number) - own, 0.2)
                if served != "normal": # where prismd and this test themselves are
                    others = [c for c in after if c not in (served, "normal")]
                    self.assertLess(sum(after[c] - before[c] for c in others), 0.05)
        node.rules = []
        node.write_config()
        node.ctl("reload", check=0)
        wait_for("the entry to go", lambda: node.entry(work) is None)
        own = node.metric("prism_sched_run_seconds_total", identity=number)
        self.busy(node, work)
        self.assertEqual(node.metric("prism_sched_run_seconds_total", identity=number), own, "not without the identity")

    def test_outlives_prismd_and_is_adopted(self):
        node = self.node()
        work = node.cgroup("work")
        number = node.identity_of(work)
        self.busy(node, work)
        sequence = kernel("enable_seq")
        before = node.metric("prism_sched_run_seconds_total", identity=number)
        for _ in range(2):
            node.kill()
            self.assertEqual(kernel("state"), "enabled")
            self.busy(node, work)
            node.start()
            node.wait_module("sched", "running")
            self.assertEqual((kernel("state"), kernel("enable_seq")), ("enabled", sequence))
        after = node.metric("prism_sched_run_seconds_total", identity=number)
        self.assertGreaterEqual(after - before, 0.4, "time without prismd is counted too")
        self.assertEqual(node.ctl("status").returncode, 0, node.ctl("status").stdout)

    def test_options_change_without_detaching(self):
        node = self.node({"max_wait": "200ms"})
        sequence = kernel("enable_seq")
        node.modules[0]["config"]["max_wait"] = "100ms"
        node.write_config()
        node.ctl("reload", check=0)
        work = node.cgroup("work")
        node.identity_of(work)
        self.assertIn("100 ms", node.ctl("identity", "explain", work, check=0).stdout)
        self.assertEqual((kernel("state"), kernel("enable_seq")), ("enabled", sequence))
        # The mode is how it is attached: that is one detach and attach, and said.
        node.modules[0]["config"].update(mode="partial", select=["e2e/*"])
        node.write_config()
        node.ctl("reload", check=0)
        wait_for("partial mode", lambda: kernel("state") == "enabled" and kernel("switch_all") == "0")
        self.assertGreater(node.metric("prism_sched_last_gap_seconds"), 0)

    def test_an_operator_takes_it_away(self):
        """SysRq-S: said in status, not fought, back on request."""
        node = self.node()
        with open("/proc/sysrq-trigger", "w") as f:
            f.write("S")
        wait_for("the scheduler to go", lambda: kernel("state") == "disabled")
        status = wait_for("status to say so", lambda: (s := node.ctl("status")).returncode == 4 and s.stdout)
        self.assertIn("operator", status)
        node.ctl("module", "reload", "sched")
        wait_for("the scheduler", lambda: kernel("state") == "enabled")
        wait_for("status to be well", lambda: node.ctl("status").returncode == 0)

    def test_a_cpu_goes_and_comes(self):
        node = self.node()
        online = "/sys/devices/system/cpu/cpu1/online"
        def switch(value):
            with open(online, "w") as f:
                f.write(value)
        self.addCleanup(switch, "1")
        work = node.cgroup("work")
        node.identity_of(work)
        for _ in range(3):
            switch("0")
            self.busy(node, work)
            switch("1")
            self.busy(node, work)
        wait_for("the scheduler", lambda: kernel("state") == "enabled")
        self.assertEqual(node.ctl("status").returncode, 0, node.ctl("status").stdout)

    def test_disable_gives_the_tasks_back(self):
        node = self.node()
        node.ctl("module", "disable", "sched", check=0)
        wait_for("the scheduler to go", lambda: kernel("state") == "disabled")
        node.ctl("module", "enable", "sched", check=0)
        wait_for("the scheduler", lambda: kernel("state") == "enabled")


if __name__ == "__main__":
    e2e.main("sched_ext")
