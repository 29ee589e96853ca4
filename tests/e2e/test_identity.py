# SPDX-License-Identifier: Apache-2.0
"""cgroups become identities on the bus, and stay right while they come, go, nest and change."""
import os

import prism_e2e as e2e
from prism_e2e import Node, wait_for


class Identity(e2e.TestCase):
    def test_cgroup_rule_to_bus_and_children_inherit(self):
        with Node(modules=[]) as node:
            web = node.cgroup("web")
            number = node.identity_of(web)
            self.assertGreaterEqual(number, 256)
            child = node.cgroup("web/worker")
            self.assertEqual(node.identity_of(child), number)
            wait_for("the entry of a removed cgroup to go",
                     lambda: os.path.isdir(child) and os.rmdir(child) is None or len(node.bus()) == 1)
            self.assertEqual(node.entry(web)[0], number)

    def test_same_labels_same_number_other_labels_other_number(self):
        rules = [{"match": "{base}/{app}/{copy}", "namespace": "shop", "labels": {"copy": "any"}}]
        with Node(rules=rules, modules=[]) as node:
            a, b, c = node.cgroup("web/1"), node.cgroup("web/2"), node.cgroup("db/1")
            self.assertEqual(node.identity_of(a), node.identity_of(b))
            self.assertNotEqual(node.identity_of(a), node.identity_of(c))

    def test_deeper_match_wins_below_it(self):
        rules = [{"match": "{base}/{app}", "namespace": "outer"}, {"match": "{base}/{app}/inner", "namespace": "inner"}]
        with Node(rules=rules, modules=[]) as node:
            outer, inner = node.cgroup("a"), node.cgroup("a/inner")
            leaf, sibling = node.cgroup("a/inner/leaf"), node.cgroup("a/other")
            self.assertEqual(node.identity_of(leaf), node.identity_of(inner))
            self.assertEqual(node.identity_of(sibling), node.identity_of(outer))
            self.assertNotEqual(node.identity_of(inner), node.identity_of(outer))

    def test_what_was_there_before_start_is_found(self):
        with Node(modules=[], start=False) as node:
            paths = [node.cgroup(f"app{i}/sub") for i in range(200)]
            node.start()
            bus = node.bus()
            self.assertTrue(all(e2e.cgroup_id(p) in bus for p in paths))
            self.assertEqual(len(bus), 400)

    def test_class_and_weight_are_flags_and_not_identity(self):
        rules = [{"match": "{base}/{app}", "namespace": "e2e", "class": "critical", "weight": 100}]
        with Node(rules=rules, modules=[]) as node:
            web = node.cgroup("web")
            number = node.identity_of(web)
            self.assertEqual(node.entry(web)[1], 0x32100)
            node.rules[0].update({"class": "batch", "weight": 64})
            node.write_config()
            generation = node.meta()["generation"]
            node.ctl("reload", check=0)
            wait_for("the new class on the bus", lambda: node.entry(web)[1] == 0x20300)
            self.assertEqual(node.entry(web)[0], number)
            self.assertGreater(node.meta()["generation"], generation)

    def test_rule_taken_away_takes_the_entry_away(self):
        with Node(modules=[]) as node:
            web = node.cgroup("web")
            node.identity_of(web)
            node.rules = []
            node.write_config()
            node.ctl("reload", check=0)
            wait_for("the entry to go", lambda: node.entry(web) is None)

    def test_numbers_survive_restart_and_are_the_same_on_another_node(self):
        with Node(modules=[]) as node:
            paths = [node.cgroup(f"app{i}") for i in range(50)]
            before = {p: node.identity_of(p) for p in paths}
            self.assertEqual(node.stop(), 0)
            self.assertEqual({p: node.entry(p)[0] for p in paths}, before, "entries stay while prismd is down")
            node.start()
            self.assertEqual({p: node.entry(p)[0] for p in paths}, before)
            rules = [{"match": f"{node.name}/{{app}}", "namespace": "e2e"}]
            with Node(rules=rules, modules=[]) as other:
                self.assertEqual({p: other.identity_of(p) for p in paths}, before)

    def test_identical_updates_write_nothing(self):
        with Node(modules=[]) as node:
            web = node.cgroup("web")
            node.identity_of(web)
            writes, updated = node.metric("prism_bus_writes_total"), node.entry(web)[3]
            for _ in range(20):
                node.ctl("reload", check=0)
            self.assertEqual(node.metric("prism_bus_writes_total"), writes)
            self.assertEqual(node.entry(web)[3], updated)

    def test_built_in_rules_know_what_systemd_makes(self):
        """A node without a configuration of its own, and cgroups as systemd lays them out."""
        with Node(modules=[], extra={"sources": {"cgroup": {"enabled": True}}}) as node:
            made = []

            def unit(path):
                parts = path.split("/")
                for i in range(1, len(parts) + 1):
                    full = f"{node.root}/{'/'.join(parts[:i])}"
                    if not os.path.isdir(full):
                        os.mkdir(full)
                        made.append(full)
                return f"{node.root}/{path}"

            try:
                service = unit(f"system.slice/{node.name}.service")
                template = unit(f"system.slice/system-{node.name}.slice/{node.name}@1.service")
                below = unit(f"system.slice/{node.name}.service/worker")
                number = node.identity_of(service)
                self.assertEqual(node.identity_of(below), number)
                self.assertNotEqual(node.identity_of(template), number)
                self.assertIn(f"system/{node.name}", node.ctl("identity", "list", check=0).stdout)
                self.assertIn(str(number), node.ctl("identity", "explain", f"{node.name}.service", check=0).stdout)
            finally:
                for path in reversed(made):
                    os.rmdir(path)

    def test_explain_says_why_and_why_not(self):
        with Node(modules=[]) as node:
            web = node.cgroup("web")
            number = node.identity_of(web)
            out = node.ctl("identity", "explain", f"/{node.name}/web", check=0).stdout
            self.assertIn(str(number), out)
            self.assertIn("io.prism/namespace=e2e", out)
            out = node.ctl("identity", "explain", f"/{node.name}", check=0).stdout
            self.assertIn("none of 1 cgroup rules matches", out)


if __name__ == "__main__":
    e2e.main()
