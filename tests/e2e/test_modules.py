# SPDX-License-Identifier: Apache-2.0
"""Modules that are broken or misbehave: each is named, nothing of it stays, and the others do not notice."""
import os
import random
import signal

import prism_e2e as e2e
import prism_load as load
from prism_e2e import Node, wait_for

KILLS = int(os.environ.get("PRISM_E2E_KILLS", "20"))

BAD_FILES = {
    "crash-constructor": r"crashed with SIGSEGV in the test-load, in a constructor",
    "abort-constructor": r"crashed with SIGABRT in the test-load, in a constructor",
    "loop-constructor": r"did not load within \d+ s of CPU time .*endless loop",
    "exit-constructor": r"ended the test-load with status 7 and no answer",
    "liar-constructor": r"ended the test-load with status 0 and no answer",
    "unresolved": r"undefined symbol: prism_fixture_nowhere",
    "no-note": r"note",
    "no-symbol": r"exports no symbol `prism_module`",
    "major": r"ABI \d+\.\d+.*build",
    "minor": r"ABI \d+\.\d+.*upgrade prismd",
    "other-name": r"the configuration calls it \"other-name\"",
    "mismatch-name": r"in its descriptor and .* in its note",
    "mismatch-version": r"in its descriptor and .* in its note",
    "mismatch-abi": r"says ABI .* in its descriptor and .* in its note",
    "short-descriptor": r"has a descriptor of \d+ bytes",
    "wild-table": r"crashed with SIGSEGV in the test-load, while its descriptor was read",
    "bad-option": r"declares an unsound option",
    "bad-metric": r"its name has to end in _total",
    "bad-element-size": r"declares events of 8 bytes each",
}


class Modules(e2e.TestCase):
    def net_counts(self, node, number, traffic):
        """Every packet sent so far has been counted."""
        n = traffic.pause()
        self.assertEqual(load.packets(node, number), n)
        traffic.go_on()

    def gone(self, node, name, facet=None):
        self.assertIsNone(load.pins(node, name), f"pins of {name}")
        for f in node.json("/v1/facets")[1]["facets"]:
            self.assertFalse(f["owner"] == name or (f["name"] == facet and f["owner"]), f)

    def named(self, node, name, state, reason):
        view = node.wait_module(name, state)
        self.assertRegex(view["reason"]["text"], reason)
        self.assertRegex(node.ctl("module", "show", name, check=0).stdout, reason)
        self.assertRegex(node.log(), reason)
        return view

    def test_files_that_are_refused(self):
        with Node(start=False, modules=["net", *BAD_FILES]) as node:
            load.own_modules(node, "net", *BAD_FILES)
            node.write_config()
            node.start()
            node.wait_module("net", "running")
            web = node.cgroup("web")
            number = node.identity_of(web)
            traffic = load.Traffic(node, web)
            status = node.ctl("status")
            self.assertEqual(status.returncode, 4)
            for name, reason in BAD_FILES.items():
                with self.subTest(name):
                    view = self.named(node, name, "failed", reason)
                    self.assertRegex(view["reason"]["where"], r"prismd\.yaml:\d+:\d+")
                    self.assertRegex(status.stdout, reason)
                    self.gone(node, name)
            self.assertEqual(node.get("/readyz")[0], 200, "none of them is required")
            traffic.flow()
            self.net_counts(node, number, traffic)

    def test_file_modes_and_digest(self):
        names = {"plain": r"is writable by others \(mode 0666\): chmod go-w",
                 "life": r"belongs to uid 65534, not to root: chown root",
                 "facet-one": r"is a symbolic link: install the file itself",
                 "other": r"has sha256 [0-9a-f]{64}, the configuration pins 0{64}",
                 "facet-two": r"no file facet-two\.so in"}
        with Node(start=False, modules=["net", *names]) as node:
            path = load.own_modules(node, "net", "plain", "life", "other")
            os.chmod(f"{path}/plain.so", 0o666)
            os.chown(f"{path}/life.so", 65534, 0)
            os.symlink(load.source_of("facet-one"), f"{path}/facet-one.so")
            node.modules[4]["sha256"] = "0" * 64
            node.write_config()
            node.start()
            node.wait_module("net", "running")
            for name, reason in names.items():
                with self.subTest(name):
                    self.named(node, name, "failed", reason)
                    self.gone(node, name)
            os.chmod(f"{path}/plain.so", 0o644)
            os.chown(f"{path}/life.so", 0, 0)
            os.unlink(f"{path}/facet-one.so")
            load.install(node, "facet-one")
            load.install(node, "facet-two")
            del node.modules[4]["sha256"]
            load.reload(node, check=4)
            for name in ("plain", "life", "other", "facet-one"):
                node.wait_module(name, "running")
            view = self.named(node, "facet-two", "failed", r"shared")
            self.assertIn("facet-one", view["reason"]["text"], "a conflict names both")

    def test_required_module_that_fails_keeps_the_node_from_ready(self):
        with Node(start=False, modules=["net", {"name": "major", "required": True}]) as node:
            load.own_modules(node, "net", "major")
            node.write_config()
            node.spawn()
            wait_for("prismd to answer", lambda: os.path.exists(node.socket) and node.get("/healthz")[0] == 200)
            node.wait_module("net", "running")
            self.named(node, "major", "failed", r"ABI")
            self.assertEqual(node.get("/readyz")[0], 503)
            self.assertNotEqual(node.ctl("status", "--wait=1s").returncode, 0)

    def lifecycle(self, trouble, state, reason, environment=(), config=None):
        life = {"name": "life", "stop_deadline": "100ms", "config": {"do": trouble, **(config or {})}}
        with Node(start=False, modules=["net", life], wrapper=["env", *environment]) as node:
            load.own_modules(node, "net", "life")
            node.write_config()
            node.start()
            web = node.cgroup("web")
            number = node.identity_of(web)
            traffic = load.Traffic(node, web)
            node.wait_module("net", "running")
            self.named(node, "life", state, reason)
            self.gone(node, "life", "life")
            wait_for("the facet bits to be net's alone", lambda: node.entry(web)[1] & 0x7ffc00ff == 1)
            traffic.flow()
            self.net_counts(node, number, traffic)
            self.assertEqual(node.ctl("status").returncode, 0 if state == "unsupported" else 4)

    def test_probe_open_configure_start(self):
        for trouble, state, reason, more in [
            ("none", "unsupported", r"probe hooks: this kernel has no such hook", ("LIFE_PROBE=life",)),
            ("none", "failed", r"open\(\) failed: allocate: nothing left", ("LIFE_OPEN=life",)),
            ("configure-fails", "failed", r"configure\(\) failed: rules: no rule matches anything", ()),
            ("start-fails", "failed", r"start\(\) failed: attach ingress: the hook is taken", ()),
            ("start-silent", "failed", r"start\(\) failed: Operation not permitted \(it gave no reason\)", ()),
            ("timer-fails", "failed", r"gave up while it was running: read counters: the map is gone", ()),
        ]:
            with self.subTest(trouble=trouble, more=more):
                self.lifecycle(trouble, state, reason, more)

    def test_module_that_runs_and_does_not_do_its_work(self):
        life = {"name": "life", "config": {"do": "degraded", "level": 3}}
        with Node(start=False, modules=["net", life]) as node:
            load.own_modules(node, "net", "life")
            node.write_config()
            node.start()
            why = "level 3 holds it up"
            view = node.wait_module("life", "running")
            self.assertEqual(view["condition"], why)
            self.assertIsNone(node.module("net")["condition"])
            status = node.ctl("status")
            self.assertEqual(status.returncode, 4)
            self.assertRegex(status.stdout, rf"Conditions: +life: degraded: {why}")
            self.assertRegex(status.stdout, r"(?m)^ +life degraded$")
            self.assertRegex(node.ctl("module", "list", check=0).stdout, rf"(?m)^life +degraded .*{why}")
            self.assertRegex(node.ctl("module", "show", "life", check=0).stdout, rf"Degraded: +{why}")
            self.assertIn(f'condition: "{why}"', node.ctl("module", "list", "-o", "yaml", check=0).stdout)
            self.assertEqual(node.metric("prism_module_degraded", module="life"), 1)
            self.assertEqual(node.metric("prism_module_degraded", module="net"), 0)
            self.assertIn(f"degraded: life: degraded: {why}", node.get("/healthz")[1])
            self.assertEqual(node.get("/readyz")[0], 200, "it is not required")
            node.wait_log(rf"module life: degraded: {why}")
            life["required"] = True
            load.reload(node, check=4)
            self.assertEqual(node.get("/readyz")[0], 503)
            life["config"]["do"] = "none"
            load.reload(node, check=0)
            self.assertEqual(node.get("/readyz")[0], 200)
            self.assertEqual(node.ctl("status").returncode, 0)
            self.assertIsNone(node.module("life")["condition"])
            self.assertEqual(node.metric("prism_module_degraded", module="life"), 0)
            node.wait_log(r"module life: no longer degraded")
            said = [e.get("condition") for e in node.events("prism.module") if e.get("module") == "life"]
            self.assertEqual([c for c in said if c is not None], [why, ""])

    def test_module_that_left_the_configuration_while_prismd_was_down(self):
        with Node(modules=["net", "trace"]) as node:
            node.wait_module("net", "running")
            node.wait_module("trace", "running")
            node.kill()
            self.assertTrue(load.pins(node, "net"))
            node.modules[:] = [m for m in node.modules if m["name"] != "net"]
            node.write_config()
            node.start()
            self.gone(node, "net", "net")
            self.assertTrue(load.pins(node, "trace"))
            node.wait_log(r"modules/net: removed what a module that is no longer enabled had pinned")

    def test_stop_that_never_ends(self):
        life = {"name": "life", "stop_deadline": "100ms", "config": {"do": "stop-never"}}
        with Node(start=False, modules=["net", life]) as node:
            load.own_modules(node, "net", "life")
            node.write_config()
            node.start()
            node.wait_module("life", "running")
            since = load.modules(node)["net"]["loads"]
            node.ctl("module", "disable", "life", check=0)
            self.assertRegex(node.log(), r"life.*did not stop within 100 ms \(stop_deadline\)")
            self.gone(node, "life", "life")
            self.assertEqual(load.modules(node)["net"]["loads"], since)
            node.ctl("module", "enable", "life", check=0)
            node.wait_module("life", "running")
            self.assertEqual(node.stop(), 0, "nor does it keep prismd from stopping")

    def quarantine(self, trouble, cause, deadline):
        life = {"name": "life", "max_crashes": 2, "config": {"do": trouble}}
        with Node(start=False, modules=["net", life], extra={"node": {"callback_deadline": deadline}}) as node:
            load.own_modules(node, "net", "life")
            life["enabled"] = False
            node.write_config()
            node.start()
            node.wait_module("net", "running")
            pid, web = node.process.pid, node.cgroup("web")
            number = node.identity_of(web)
            traffic = load.Traffic(node, web)
            traffic.flow()
            life["enabled"] = True
            load.reload(node, check=None) # cut off by the restart, as a rule
            node.wait_log(r"starting anew in place[\s\S]*starting anew in place")
            node.wait_ready()
            reason = rf"took prismd down 2 times \(max_crashes 2\), the last time by {cause}.*`prismctl module enable life`"
            self.named(node, "life", "quarantined", reason)
            self.assertEqual((node.process.poll(), node.process.pid), (None, pid), "the same process")
            self.assertRegex(node.ctl("status").stdout, reason)
            node.wait_module("net", "running")
            self.assertEqual(node.entry(web)[0], number)
            traffic.flow()
            self.net_counts(node, number, traffic)
            life["config"]["do"] = "none"
            load.reload(node, check=4)
            node.wait_module("life", "quarantined")
            node.ctl("module", "enable", "life", check=0)
            self.assertEqual(node.wait_module("life", "running")["crashes"], 0)
            wait_for("status to be well", lambda: node.ctl("status").returncode == 0)
            self.net_counts(node, number, traffic)

    def test_crash_in_a_callback(self):
        self.quarantine("crash-in-timer", r"SIGSEGV in its timer", "10s")

    def test_callback_that_blocks(self):
        self.quarantine("block-in-timer", r"its timer|.*deadline.*", "2s")

    def test_kill_9_quarantines_nobody(self):
        with Node(start=False, modules=["net", "trace", {"name": "life", "max_crashes": 1}]) as node:
            load.own_modules(node, "net", "trace", "life")
            node.write_config()
            node.start()
            web = node.cgroup("web")
            number = node.identity_of(web)
            node.wait_module("net", "running")
            traffic = load.Traffic(node, web)
            dice = random.Random(1)
            for i in range(KILLS):
                if i % 4 == 0: # at rest; else somewhere between exec and rest
                    node.wait_ready()
                else:
                    wait_for("a moment", lambda n=traffic.sent() + dice.randrange(1, 400): traffic.sent() >= n)
                self.assertEqual(node.stop(signal.SIGKILL), -signal.SIGKILL)
                node.spawn()
            node.wait_ready()
            for name, view in load.modules(node).items():
                self.assertEqual((name, view["state"], view["crashes"]), (name, "running", 0))
            self.assertEqual(node.entry(web)[0], number)
            self.net_counts(node, number, traffic)


if __name__ == "__main__":
    e2e.main()
