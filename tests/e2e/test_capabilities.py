# SPDX-License-Identifier: Apache-2.0
"""prismd with what the unit gives it, and with what `prismctl caps` says: every leg works with exactly those capabilities, and
one that is missing is named."""
import json
import os

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


class Caps(e2e.TestCase):
    """`prismctl caps`, which asks the files alone."""

    def names(self, prismd, **changes):
        prismd.modules = [{"name": name} for name in changes.pop("modules", [])]
        prismd.extra = changes
        prismd.write_config()
        doc = json.loads(prismd.ctl("caps", "-o", "json", check=0).stdout)
        self.assertEqual(doc["unknown"], [])
        return {capability["name"].removeprefix("CAP_").lower() for capability in doc["capabilities"]}

    def test_the_units_are_those_of_all_that_ships(self):
        with Node(start=False) as node:
            self.assertEqual(self.names(node, modules=["net", "trace", "sched", "lsm"], admin={"group": "daemon"}),
                             set(unit.capabilities()))

    def test_follow_the_configuration(self):
        idle = {"scheduling": "normal", "nice": 0}
        least = {"bpf", "perfmon", "dac_read_search"}
        with Node(start=False) as node:
            for more, changes in [
                    (set(), {}),
                    ({"net_admin"}, {"modules": ["net"]}),
                    (set(), {"modules": ["trace", "lsm"]}),
                    ({"sys_nice"}, {"modules": ["sched"]}),
                    ({"sys_nice"}, {"node": {"scheduling": "realtime", "nice": 0}}),
                    ({"sys_nice"}, {"node": {"scheduling": "normal", "nice": -1}}),
                    ({"chown"}, {"admin": {"group": "daemon"}}),
                    ({"net_bind_service"}, {"admin": {"metrics": "127.0.0.1:1023"}}),
                    (set(), {"admin": {"metrics": "[::1]:1024"}})]:
                with self.subTest(changes):
                    self.assertEqual(self.names(node, **{"node": idle, **changes}), least | more)

    def works_with_what_it_says(self, modules, **changes):
        with Node(start=False) as node:
            names = self.names(node, modules=modules, **changes)
            node.wrapper = unit.setpriv(names)
            node.start()
            self.assertEqual(bin(effective(node.process.pid)).count("1"), len(names))
            legs = [name for name in modules if name in CLASSIC]
            if legs == CLASSIC:
                legs_work(self, node)
            for name in modules:
                node.wait_module(name, "running")
            self.assertEqual(node.json("/v1/status")[1]["conditions"], [])

    def test_are_enough(self):
        self.works_with_what_it_says(CLASSIC)
        self.works_with_what_it_says(["trace"], node={"scheduling": "normal", "nice": 19}) # whatever it was started with
        self.works_with_what_it_says([], admin={"group": "daemon", "metrics": "127.0.0.1:1023"})

    def test_ready_to_paste(self):
        with Node(modules=["net"], start=False) as node:
            names = sorted(f"CAP_{name.upper()}" for name in self.names(node, modules=["net"]))
            lines = node.ctl("caps", "--systemd", check=0).stdout.splitlines()
            self.assertEqual(lines[:2], ["[Service]", "CapabilityBoundingSet="])
            self.assertEqual(sorted(lines[2].removeprefix("CapabilityBoundingSet=").split()), names)
            self.assertEqual(len(lines), 3)
            paste = node.ctl("caps", "--kubernetes", check=0).stdout
            added = paste.removeprefix("capabilities:\n  drop: [ALL]\n  add: [").removesuffix("]\n").split(", ")
            self.assertEqual(sorted(f"CAP_{name}" for name in added), names)
            self.assertRegex(node.ctl("caps", check=0).stdout, r"CAP_NET_ADMIN +module net +packets and bytes")
            node.ctl("caps", "--systemd", "--kubernetes", check=2)

    def test_of_one_module(self):
        with Node(modules=["net"]) as node:
            node.wait_module("net", "running")
            of_net = sorted(c["name"] for c in json.loads(node.ctl("-o", "json", "caps", check=0).stdout)["capabilities"]
                            if any(need["by"] == "module net" for need in c["needed_by"]))
            shown = json.loads(node.ctl("-o", "json", "module", "show", "net", check=0).stdout)
            self.assertEqual(sorted(shown["capabilities"]), of_net)
            self.assertIn("CAP_NET_ADMIN", of_net)

    def test_module_that_does_not_say(self):
        """Built for ABI 1.0; what is behind its descriptor is not taken for an answer. The others are told all the same."""
        modules = os.path.join(e2e.BUILD, "tests", "loader", "modules")
        with Node(start=False, modules=["older"], extra={"module_dirs": [modules]}) as node:
            done = node.ctl("caps", "-o", "json", check=0)
            self.assertEqual(json.loads(done.stdout)["unknown"], ["older"])
            self.assertIn("module older does not say which capabilities it needs", done.stderr)
            node.modules.append({"name": "crash-constructor"})
            node.write_config()
            done = node.ctl("caps", check=1)
            self.assertIn("crashed with SIGSEGV in the test-load", done.stderr)
            self.assertIn("CAP_BPF", done.stdout)


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

    def test_net_bind_service(self):
        """Which the unit does not give: the shipped configuration needs no such port."""
        with Node(modules=[], wrapper=unit.setpriv(unit.capabilities()), extra={"admin": {"metrics": "127.0.0.1:1023"}},
                  start=False) as node:
            self.assertEqual(node.spawn().wait(e2e.TIMEOUT), 1)
            self.assertRegex(node.log(), r"127\.0\.0\.1:1023.*Permission denied")

    def test_each_is_tested(self):
        """But dac_read_search: it is for an event whose parent is unknown, which cannot be brought about at will."""
        self.assertEqual(set(unit.capabilities()), {"bpf", "perfmon", "net_admin", "sys_nice", "chown", "dac_read_search"})


if __name__ == "__main__":
    e2e.main()
