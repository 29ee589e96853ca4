# SPDX-License-Identifier: Apache-2.0
"""Pods that mean harm: each has its own identity, takes nobody's, and is spoken of where that is due."""
import os

import prism_kube
from control_plane import ApiError
from fault_proxy import FaultProxy
from kubelet import Kubelet
from prism_kube import canonical, cgroup_id, mirror, pod, policy, wait_for

LONG = "x" * 63


class Hostile(prism_kube.TestCase):
    NAMESPACES = {"shop": ("teller",), LONG: ("thief", LONG)}

    def test_it_copies_all_that_it_can(self):
        labels = {"app": "vault", "tier": "back", "io.prism/namespace": "shop", "io.prism/serviceaccount": "teller"}
        with self.node() as node:
            victim = node.create(pod("vault-0", labels={"app": "vault", "tier": "back"}, account="teller"))
            thief = node.create(pod("vault-0", LONG, labels, account="thief"))
            node.wait_known(2)
            mine, its = node.who(node.start_pod(victim)), node.who(node.start_pod(thief))
            self.assertNotEqual(mine, its)
            self.assertEqual(node.canonical(mine), canonical(victim))
            self.assertEqual(node.canonical(its), canonical(thief))

    def test_policy_that_cannot_be_read_is_said_and_unset(self):
        with self.node() as node:
            it = node.create(pod("turbo", labels={"app": "turbo", "prism.io/latency-class": "turbo"}))
            zero = node.create(pod("zero", labels={"app": "zero", "prism.io/weight": "0"}))
            much = node.create(pod("much", labels={"app": "much", "prism.io/weight": "4000000000"}))
            node.wait_known(3)
            leaves = [node.start_pod(p) for p in (it, zero, much)]
            for leaf in leaves:
                node.who(leaf)
            flags = [node.witness.sights()[cgroup_id(leaf)].last_flags for leaf in leaves]
            self.assertEqual([policy(f) for f in flags], [(0, 0), (0, 0), (0, 127)])
            node.wait_log(r'warning identity: pod shop/turbo \(.*\): latency class "turbo" is not')
            node.wait_log(r"warning identity: pod shop/zero \(.*\): weight")
            self.assertGreaterEqual(node.metric("prism_policy_invalid_total", label="latency-class") or 0, 1)

    def test_what_only_a_broken_server_lets_through(self):
        """A real one takes no such label's value, and a quarter of such an annotation."""
        with FaultProxy(self.cluster) as proxy, self.node(server=proxy.url) as node:
            with self.assertRaises(ApiError) as refused:
                node.create(pod("refused", labels={"prism.io/weight": "-1"}))
            self.assertEqual(refused.exception.status, 422)
            swaps = ((b'"prism.io/weight":"1"', b'"prism.io/weight":"-1"'), (b'"app":"web"', '"app":"\u2603"'.encode()),
                     (b'"note":"x"', b'"note":"' + b"x" * (1 << 20) + b'"'))

            def swap(line):
                for old, new in swaps:
                    line = line.replace(old, new)
                return [line]
            proxy.rewrite = swap
            wait_for("a watch", lambda: proxy.watches)
            it = node.create(pod("bad", labels={"app": "web", "prism.io/weight": "1"}, annotations={"note": "x"}))
            node.wait_known(1)
            leaf = node.start_pod(it)
            number = node.who(leaf)
            self.assertEqual(node.canonical(number), canonical(it).replace("app=web", "app=\u2603"))
            self.assertEqual(policy(node.witness.sights()[cgroup_id(leaf)].last_flags), (0, 0))
            node.wait_log(r"warning identity: pod shop/bad \(.*\): weight")
            self.assertIsNone(node.metric("prism_kube_objects_refused_total") or None)

    def test_everything_as_large_as_it_may_be(self):
        """240 KiB of annotations is all that an API server takes; labels have no limit but the object's."""
        with self.node() as node:
            labels = {f"{'p' * 60}.{i:03}.example/{LONG}": LONG for i in range(200)}
            it = node.create(pod(LONG, LONG, labels, LONG, annotations={"note": "\u2603\U0001f512\u202e" * 22000}))
            node.wait_known(1)
            number = node.who(node.start_pod(it))
            self.assertEqual(node.canonical(number), canonical(it))
            self.assertIn(number, node.identities())

    def test_one_that_is_larger_than_prismd_takes_harms_no_other(self):
        with self.node(settings={"max_object": "64KiB"}) as node:
            # Known, and then it grows: it stays what it was.
            large = node.create(pod("large", labels={"app": "large"}))
            node.wait_known(1)
            leaf = node.start_pod(large)
            number = node.who(leaf)
            node.api.patch(node.path_of(large), {"metadata": {"annotations": {"note": "x" * 200000}, "labels": {"app": "a"}}})
            after = node.create(pod("after", labels={"app": "after"}))
            node.wait_known(2)
            self.assertEqual(node.canonical(node.who(node.start_pod(after))), canonical(after))
            self.assertEqual(node.who(leaf), number)
            status = wait_for("the condition", lambda: "larger than sources.kubernetes.max_object" in node.ctl("status").stdout)
            self.assertTrue(status)
            self.assertRegex(node.log(), r"warning kubernetes: .*shop/large is larger")
            self.assertEqual(node.metric("prism_kube_objects_refused_total"), 1)

    def test_it_makes_cgroups_that_are_called_like_anothers(self):
        """With a cgroup namespace a pod makes what it likes below its own cgroup."""
        with self.node() as node:
            victim = node.create(pod("victim", labels={"app": "vault"}, account="teller"))
            thief = node.create(pod("thief", LONG, {"app": "thief"}, account="thief"))
            node.wait_known(2)
            node.start_pod(victim)
            inside = node.start_pod(thief)
            for driver in ("systemd", "cgroupfs"):
                fake = Kubelet(inside, driver).pod_path(victim)
                os.makedirs(fake)
                wait_for("it to be seen", lambda: node.entry(fake))
                self.assertEqual(node.canonical(node.who(fake)), canonical(thief))

    def test_a_mirror_claims_another_pods_cgroup(self):
        """Who may make mirror pods by hand names any hash."""
        with self.node() as node:
            victim = node.create(pod("victim", labels={"app": "vault"}, account="teller"))
            node.wait_known(1)
            leaf = node.start_pod(victim)
            number = node.who(leaf)
            node.create(mirror("liar", victim["metadata"]["uid"], namespace=LONG, labels={"app": "liar"}))
            node.wait_log(r"liar says in kubernetes.io/config.hash that it is .*victim: it gets no identity")
            self.assertEqual(node.who(leaf), number)
            self.assertIn("claimed the cgroup of another", node.ctl("status").stdout)


if __name__ == "__main__":
    prism_kube.main()
