# SPDX-License-Identifier: Apache-2.0
"""The sched leg through prismd: who is scheduled how follows the identity; it outlives prismd, and says when it is off."""
import os
import subprocess
import sys
import time

import prism_e2e as e2e
import prism_load as load
from prism_e2e import Node, wait_for

ROOT = "/sys/kernel/sched_ext"
TESTS = os.path.join(e2e.BUILD, "modules", "sched", "tests")
OTHER_BUILD = os.path.join(TESTS, "other_build", "modules", "sched.so")
FORGOTTEN = {"class": "batch", "weight": 7} # what that one has a fault about
BUSY = "import time\nend=time.process_time()+0.2\nwhile time.process_time()<end: pass"


def kernel(name):
    with open(f"{ROOT}/{name}") as f:
        return f.read().strip()


class Turns:
    """A process that sleeps until it is told to run for a moment."""

    def __init__(self, node, cgroup):
        self.process = node.popen_in(cgroup, [sys.executable, "-c", "import os\nwhile os.read(0, 1): os.write(1, b'.')"],
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self.take()

    def take(self):
        self.process.stdin.write(b".")
        assert self.process.stdout.read(1) == b"."
        wait_for("it to sleep", self._sleeps, interval=0)

    def _sleeps(self):
        with open(f"/proc/{self.process.pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] == "S"

    def move(self, cgroup):
        with open(f"{cgroup}/cgroup.procs", "w") as f:
            f.write(str(self.process.pid))


def turns_of(node, identity):
    return node.metric("prism_sched_wait_seconds_count", identity=identity) or 0


def spin(node, cgroup):
    """A process that computes until it is killed."""
    return node.popen_in(cgroup, [sys.executable, "-c", "while True: pass"])


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

    def assert_next_turn(self, node, turns, before, now):
        """It is the new owner's, and no longer the old one's."""
        had, has = turns_of(node, before), turns_of(node, now)
        turns.take()
        self.assertGreater(turns_of(node, now), has)
        self.assertEqual(turns_of(node, before), had)

    def test_the_next_turn_is_right_wherever_the_process_is(self):
        """Below its workload, moved from one to another and back, and there before anybody knew whose the cgroup is."""
        node = self.node()
        web, db = node.cgroup("web"), node.cgroup("db")
        deep = node.cgroup("web/pod/container")
        web_is, db_is = node.identity_of(web), node.identity_of(db)
        turns = Turns(node, deep)
        for to, before, now in ((deep, db_is, web_is), (db, web_is, db_is), (deep, db_is, web_is), (node.base, web_is, e2e.UNMANAGED)):
            with self.subTest(to=to):
                turns.move(to)
                self.assert_next_turn(node, turns, before, now)
        node.rules = []
        node.write_config()
        node.ctl("reload", check=0)
        wait_for("the entry to go", lambda: node.entry(db) is None)
        turns = Turns(node, node.cgroup("db/late"))
        self.assert_next_turn(node, turns, db_is, e2e.UNMANAGED)
        node.rules = [rule("critical")]
        node.write_config()
        node.ctl("reload", check=0)
        self.assertEqual(node.identity_of(db), db_is)
        self.assert_next_turn(node, turns, web_is, db_is)

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

    def test_another_build_takes_over_with_the_gap_that_it_states(self):
        node = Node(start=False, rules=[rule("critical")], modules=["sched"])
        self.addCleanup(node.close)
        load.own_modules(node, "sched")
        node.write_config()
        node.start()
        node.wait_module("sched", "running")
        work = node.cgroup("work")
        number, sequence = node.identity_of(work), int(kernel("enable_seq"))
        for by, source in (("a new prismd", OTHER_BUILD), ("a reload", None)):
            with self.subTest(by=by):
                load.install(node, "sched", source)
                began = time.monotonic()
                if by == "a reload":
                    node.ctl("module", "reload", "sched", check=0)
                else:
                    node.kill()
                    self.assertEqual((kernel("state"), kernel("enable_seq")), ("enabled", str(sequence)))
                    node.start()
                    node.wait_module("sched", "running")
                sequence += 1
                self.assertEqual((kernel("state"), kernel("enable_seq")), ("enabled", str(sequence)))
                gap, took = node.metric("prism_sched_last_gap_seconds"), time.monotonic() - began
                print(f"gap: {gap * 1000:.1f} ms", file=sys.stderr)
                self.assertTrue(0 < gap < took, f"{gap} s of {took} s")
                event = node.events("sched.attached")[-1]
                self.assertEqual((event["how"], event["enable_seq"]), ("replaced", sequence))
                self.assertAlmostEqual(event["gap_ns"] / 1e9, gap, places=6)
                node.wait_log(r"scheduler replaced; the kernel's own one had the tasks for [0-9.]+ ms")
                before = turns_of(node, number)
                self.busy(node, work)
                self.assertGreater(turns_of(node, number), before)

    def test_a_task_that_is_not_run_ends_it_and_it_is_tried_again(self):
        """The kernel's own watchdog, on a build that forgets a task: noticed, explained, tried again, then left."""
        node = Node(start=False, rules=[{"match": "{base}/lost", "labels": {"name": "lost"}, **FORGOTTEN}, rule("normal")],
                    modules=[{"name": "sched", "config": {"retries": 2, "retry_delay": "300ms"}}])
        self.addCleanup(node.close)
        load.own_modules(node, "sched")
        load.install(node, "sched", OTHER_BUILD)
        node.write_config()
        node.start()
        node.wait_module("sched", "running")
        lost, work = node.cgroup("lost"), node.cgroup("work")
        node.identity_of(lost), node.identity_of(work)
        for _ in range(2 * os.cpu_count()):
            spin(node, work)
        victim = spin(node, lost)
        wait_for("it to give up", lambda: node.metric("prism_sched_state", state="given_up") == 1, timeout=3 * e2e.TIMEOUT)
        self.assertEqual(kernel("state"), "disabled")
        self.assertEqual(node.metric("prism_sched_exits_total", cause="stall"), 3)
        exits, attached = node.events("sched.exited"), node.events("sched.attached")
        self.assertEqual([e["cause"] for e in exits], ["stall"] * 3)
        for event in exits:
            self.assertIn(f"[{victim.pid}] failed to run for", event["message"])
        for text, event in zip(("again after 300 ms", "again after 600 ms", "attached again 2 times within 600 s"), exits):
            self.assertIn(text, event["next"])
        self.assertEqual([e["how"] for e in attached], ["attached", "reattached", "reattached"])
        self.assertTrue(attached[1]["gap_ns"] >= 300e6 and attached[2]["gap_ns"] >= 600e6, attached)
        status = node.ctl("status", check=4).stdout
        self.assertIn("failed to run for", status)
        self.assertIn("prismctl module reload sched", status)
        self.assertIn("it ejected this scheduler too often", node.ctl("identity", "explain", work, check=0).stdout)
        victim.kill()
        victim.wait()
        node.ctl("module", "reload", "sched", check=0)
        wait_for("the scheduler", lambda: kernel("state") == "enabled")
        wait_for("status to be well", lambda: node.ctl("status").returncode == 0)

    def test_another_scheduler_is_named_and_left_alone(self):
        pins = f"{e2e.BPFFS}/prism-e2e-foreign-{os.getpid()}"
        self.addCleanup(lambda: os.path.exists(pins) and os.rmdir(pins))
        subprocess.run(["bpftool", "struct_ops", "register", f"{TESTS}/bpf/foreign.bpf.o", pins], check=True, capture_output=True)
        self.addCleanup(lambda: os.path.exists(f"{pins}/foreign_ops") and os.unlink(f"{pins}/foreign_ops"))
        node = Node(rules=[rule("critical")], modules=["sched"])
        self.addCleanup(node.close)
        status = wait_for("status to say so", lambda: (s := node.ctl("status")).returncode == 4 and s.stdout)
        self.assertIn("foreign_toy", status)
        work = node.cgroup("work")
        node.identity_of(work)
        self.assertIn("scheduled by foreign_toy", node.ctl("identity", "explain", work, check=0).stdout)
        self.assertEqual(node.entry(work)[1] & 2, 0, "no facet: it does nothing for it")
        self.assertEqual(kernel("root/ops"), "foreign_toy")
        os.unlink(f"{pins}/foreign_ops")
        wait_for("ours", lambda: kernel("state") == "enabled" and kernel("root/ops") == "prism")
        wait_for("status to be well", lambda: node.ctl("status").returncode == 0)

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
