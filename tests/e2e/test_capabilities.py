# SPDX-License-Identifier: Apache-2.0
"""prismd with what the unit gives it: every leg works with exactly those capabilities, and one that is missing is named."""
import prism_e2e as e2e
import prism_unit as unit
from prism_e2e import Node, wait_for
from test_legs import packets, transfer

CLASSIC = ["net", "trace"]


def modules():
    """The legs that this kernel can run."""
    rules = [{"name": "web", "select": {}, "exec": [{"directory": "/nowhere/", "action": "block"}]}]
    lsm = {"name": "lsm", "config": {"rule_sets": rules}}
    return [*CLASSIC, *(["sched"] if e2e.FEATURES["sched_ext"]() else []), *([lsm] if e2e.FEATURES["BPF LSM"]() else [])]


def without(name):
    return unit.setpriv([c for c in unit.capabilities() if c != name])


def mitigated():
    """A kernel that does nothing against speculation does not ask for CAP_PERFMON on its account: net runs without it."""
    with open("/sys/devices/system/cpu/vulnerabilities/spectre_v1") as f:
        return not f.read().startswith("Vulnerable")


def effective(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(next(line.split()[1] for line in f if line.startswith("CapEff:")), 16)


def legs_work(test, node, name="web"):
    """A workload's cgroup and number, after each leg has done for it what it is there for."""
    for module in node.modules:
        node.wait_module(module["name"], "running")
    web = node.cgroup(name)
    number = node.identity_of(web)
    transfer(node, web, 50)
    test.assertEqual(packets(node, number, direction="egress"), 50)
    wait_for("the exec to be told", lambda: [e for e in node.events("trace.exec") if e["identity"] == number])
    test.assertEqual(node.identity_of(node.cgroup(f"{name}/a/b/c")), number)
    for module in ("prism", *(module["name"] for module in node.modules)):
        test.assertIsNotNone(node.metric("prism_bpf_program_runs_total", module=module), module)
    status = node.json("/v1/status")[1]
    test.assertEqual((status["conditions"], status["cgroup"]["mechanism"]), ([], "bpf"))
    return web, number


class Works(e2e.TestCase):
    def test_with_the_units_capabilities(self):
        with Node(modules=modules(), wrapper=unit.setpriv(unit.capabilities())) as node:
            self.assertEqual(bin(effective(node.process.pid)).count("1"), len(unit.capabilities()))
            self.assertEqual(effective(node.process.pid) & 1 << 21, 0, "CAP_SYS_ADMIN")
            legs_work(self, node)

    def test_across_kill_and_restart(self):
        """What is adopted needs no more than what is made."""
        with Node(modules=modules(), wrapper=unit.setpriv(unit.capabilities())) as node:
            web, number = legs_work(self, node)
            for sig in (9, 15):
                node.stop(sig)
                transfer(node, web, 10)
                node.start()
                for module in node.modules:
                    node.wait_module(module["name"], "running")
            self.assertEqual(node.identity_of(web), number)
            self.assertEqual(packets(node, number, direction="egress"), 70)
            self.assertEqual(node.json("/v1/status")[1]["conditions"], [])


class SaysWhatIsMissing(e2e.TestCase):
    def failure(self, node, name):
        return node.wait_module(name, "failed")["reason"]["text"]

    def test_bpf(self):
        with Node(modules=[], wrapper=without("bpf"), start=False) as node:
            self.assertEqual(node.spawn().wait(e2e.TIMEOUT), 1)
            self.assertIn("cannot be made: Operation not permitted (prismd needs CAP_BPF or root)", node.log())

    def test_perfmon(self):
        with Node(modules=CLASSIC, wrapper=without("perfmon")) as node:
            for name in CLASSIC if mitigated() else ["trace"]:
                self.assertIn("; prismd lacks CAP_PERFMON", self.failure(node, name))
            self.assertIn("cgroup events come from inotify and are slower", node.ctl("status", check=4).stdout)

    def test_net_admin(self):
        with Node(modules=CLASSIC, wrapper=without("net_admin")) as node:
            self.assertIn("prismd lacks CAP_NET_ADMIN", self.failure(node, "net"))
            node.wait_module("trace", "running")

    def test_sys_nice(self):
        with Node(modules=[], wrapper=without("sys_nice")) as node:
            self.assertRegex(node.ctl("status", check=4).stdout, "real-time scheduling: .*; give prismd CAP_SYS_NICE")

    def test_chown(self):
        with Node(modules=[], wrapper=without("chown"), extra={"admin": {"group": "daemon"}}, start=False) as node:
            self.assertEqual(node.spawn().wait(e2e.TIMEOUT), 1)
            self.assertRegex(node.log(), r"prismd\.sock.*Operation not permitted.*CAP_CHOWN")

    def test_each_is_tested(self):
        """But dac_read_search: it is for an event whose parent is unknown, which cannot be brought about at will."""
        self.assertEqual(set(unit.capabilities()), {"bpf", "perfmon", "net_admin", "sys_nice", "chown", "dac_read_search"})


if __name__ == "__main__":
    e2e.main()
