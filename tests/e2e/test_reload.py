# SPDX-License-Identifier: Apache-2.0
"""One module is added, removed, reconfigured or replaced; nothing else notices, and no packet or exec is lost."""
import re

import prism_e2e as e2e
import prism_load as load
from prism_e2e import Node, wait_for

TRACE = {"name": "trace", "config": {"rate": 0, "ring_size": "4MiB"}}
BUFFER = {"admin": {"event_buffer": 65536}}


def world(*modules):
    """A node with its own module directory, not yet started."""
    node = Node(start=False, modules=list(modules), extra=dict(BUFFER))
    try:
        load.own_modules(node, *(m if isinstance(m, str) else m["name"] for m in modules))
        node.write_config()
    except BaseException:
        node.close()
        raise
    return node


class Reload(e2e.TestCase):
    def unmoved(self, node, name, before):
        """Neither loaded again nor anything else since before."""
        now = load.modules(node)[name]
        self.assertEqual((now["state"], now["loads"]), (before[name]["state"], before[name]["loads"]))
        self.assertGreaterEqual(now["since"], before[name]["since"])

    def steps(self, node):
        return [(e["what"], e["n"]) for e in node.events("life.step")]

    def test_added_removed_and_the_others(self):
        with world("net", "life") as node:
            node.start()
            node.wait_module("life", "running")
            web = node.cgroup("web")
            node.identity_of(web)
            before, steps = load.modules(node), len(self.steps(node))
            node.modules.append(TRACE)
            load.install(node, "trace")
            load.reload(node)
            node.wait_module("trace", "running")
            wait_for("trace's facet", lambda: node.entry(web)[1] & 0b101 == 0b101)
            self.assertIn("prism_trace_events_total", node.get("/metrics")[1])
            node.modules = [m for m in node.modules if m["name"] != "trace"]
            load.reload(node)
            self.assertNotIn("trace", load.modules(node))
            self.assertEqual(node.get("/v1/modules/trace")[0], 404)
            self.assertIsNone(load.pins(node, "trace"))
            wait_for("trace's facet to go", lambda: node.entry(web)[1] & 0b101 == 0b001)
            for name in ("net", "life"):
                self.unmoved(node, name, before)
            self.assertEqual(len(self.steps(node)), steps, "life has heard of nothing")

    def test_options_reconfigure_only(self):
        with world("net", {"name": "life", "config": {"level": 3}}) as node:
            node.start()
            node.wait_module("life", "running")
            before = load.modules(node)
            node.modules[1]["config"]["level"] = 7
            load.reload(node)
            self.assertEqual(self.steps(node)[-1], ("configure", 7))
            self.assertEqual([w for w, _ in self.steps(node)].count("start"), 1)
            for name in ("net", "life"):
                self.unmoved(node, name, before)
            load.reload(node)
            self.assertEqual([w for w, _ in self.steps(node)].count("configure"), 2, "the same again is no change")

    def test_bad_options_change_nothing(self):
        with world("net", {"name": "life", "config": {"level": 3}}) as node:
            node.start()
            node.wait_module("life", "running")
            web = node.cgroup("web")
            entry = (node.identity_of(web), node.entry(web))[1]
            before, steps = load.modules(node), self.steps(node)
            for config, pattern in [({"level": 70}, r"modules\[1\]\.config\.level: 70 is out of range: 1 to 9"),
                                    ({"levle": 7}, r"modules\[1\]\.config\.levle: unknown key.*did you mean \"level\""),
                                    ({"do": "configure-fails"}, r"no rule matches anything")]:
                with self.subTest(config=config):
                    node.modules[1]["config"] = config
                    node.rules[0]["class"] = "batch" # a good change beside the bad one
                    done = load.reload(node, check=1)
                    self.assertRegex(done.stdout + done.stderr, r"prismd\.yaml:\d+:\d+: .*" + pattern)
                    for name in ("net", "life"):
                        self.unmoved(node, name, before)
                    self.assertEqual(node.entry(web), entry)
                    self.assertEqual([s for s in self.steps(node) if s[0] != "configure"],
                                     [s for s in steps if s[0] != "configure"])
            node.modules[1]["config"] = {"level": 4}
            load.reload(node)
            self.assertIn(("configure", 4), self.steps(node))
            wait_for("the class on the bus", lambda: node.entry(web)[1] >> 8 & 7 == 3)

    def test_dropped_file_runs_after_a_reload(self):
        with world("net") as node:
            node.start()
            node.modules.append({"name": "life"})
            load.reload(node, check=4)
            self.assertRegex(node.wait_module("life", "failed")["reason"]["text"], r"no file life\.so in")
            before = load.modules(node)
            load.install(node, "life")
            load.reload(node)
            view = node.wait_module("life", "running")
            self.assertLess(view["load_time"], 1, "seconds from its check to running")
            self.unmoved(node, "net", before)

    def test_new_version_replaces_the_old(self):
        with world("net", "life") as node:
            node.start()
            self.assertEqual(node.wait_module("life", "running")["version"], "1.0")
            web = node.cgroup("web")
            node.identity_of(web)
            bit = node.module("life").get("facet_bit", load.modules(node)["life"]["facet_bit"])
            wait_for("life's facet", lambda: node.entry(web)[1] >> bit & 1)
            before = load.modules(node)
            load.install(node, "life", source=f"{load.FIXTURES}/next/life.so")
            load.reload(node)
            wait_for("the new version", lambda: load.modules(node)["life"]["version"] == "2.0")
            self.assertTrue(node.entry(web)[1] >> bit & 1)
            self.unmoved(node, "net", before)
            load.install(node, "life", source=f"{load.FIXTURES}/crash-constructor.so")
            load.reload(node, check=None)
            view = node.wait_module("life", "running")
            self.assertEqual(view["version"], "2.0", "a bad file leaves the one before in place")
            self.assertRegex(node.log(), r"the new file is refused, the one before goes on")
            self.unmoved(node, "net", before)

    def replace(self, how):
        with world("net", TRACE) as node:
            node.start()
            for name in ("net", "trace"):
                node.wait_module(name, "running")
            web = node.cgroup("web")
            number = node.identity_of(web)
            traffic, execs = load.Traffic(node, web), load.Execs(node, web, f"{node.name}:")
            for i in range(3):
                for name in ("net", "trace"):
                    loads = load.modules(node)[name]["loads"]
                    traffic.flow()
                    load.install(node, name, extra=b"." * (i + 1), how=how)
                    traffic.flow(3)
                    node.ctl("reload", check=0)
                    view = node.wait_module(name, "running")
                    self.assertEqual((view["loads"], view["reason"]), (loads + 1, None))
            traffic.flow()
            n, started = traffic.stop(), execs.stop()
            self.assertEqual(load.packets(node, number), n)
            expected = {f"{node.name}:{i}": 1 for i in range(started)}
            wait_for("every exec to be reported", lambda: len(execs.reported(node)) >= len(expected))
            self.assertEqual(execs.reported(node), expected)
            self.assertFalse(re.search(r"^.*(error|warning).*$", self.complaints(node)), self.complaints(node))

    @staticmethod
    def complaints(node):
        return "\n".join(line for line in node.log().splitlines() if re.search(r"\b(net|trace)\b.*(fail|lost|refus)", line))

    def test_replaced_by_rename_under_traffic(self):
        self.replace("rename")

    def test_overwritten_in_place_under_traffic(self):
        self.replace("cp")


if __name__ == "__main__":
    e2e.main()
