# SPDX-License-Identifier: Apache-2.0
"""A pod's life: each order of cgroup and event, each end, each change in place, each shape that its cgroups can have."""
import os

import prism_kube
from kubelet import Kubelet
from prism_kube import canonical, cgroup_id, mirror, pod, policy, wait_for

CRITICAL, BATCH = 1, 3


class Pods(prism_kube.TestCase):
    NAMESPACES = {"shop": ("web",)}

    def assert_is(self, node, cgroup, it):
        """A process in this cgroup is, in the kernel, what the API says of the pod. Returns its number."""
        number = node.who(cgroup)
        self.assertEqual(node.canonical(number), canonical(it))
        return number

    def test_the_cgroup_comes_after_the_event(self):
        with self.node() as node:
            it = node.create(pod("a", labels={"app": "web"}, account="web"))
            node.wait_known(1)
            leaf = node.start_pod(it)
            self.assert_is(node, leaf, it)
            self.assertEqual(node.metric("prism_pod_window_seconds_count"), 1)
            self.assertRegex(node.ctl("identity", "explain", "shop/a", check=0).stdout, r"on the bus \d+\.\d+ ms after")

    def test_the_cgroup_comes_before_the_event(self):
        with self.node() as node:
            it = node.create(pod("b", labels={"app": "web"}, nodeName="")) # bound to no node yet
            node.kubelet.make_pod(it)
            leaf = node.kubelet.make_container(it)
            path = node.kubelet.pod_path(it)
            wait_for("the cgroup to be seen", lambda: "of which the API server has said nothing" in
                     node.ctl("identity", "explain", path).stdout)
            self.assertEqual(node.who(leaf), 0)
            node.api.create(node.path_of(it) + "/binding", {
                "metadata": {"name": "b"}, "target": {"apiVersion": "v1", "kind": "Node", "name": node.node_name}})
            node.wait_bound(it)
            self.assert_is(node, leaf, it)

    def test_deleted_and_its_cgroup_goes_later(self):
        with self.node() as node:
            it = node.create(pod("gone"))
            node.wait_known(1)
            leaf = node.start_pod(it)
            number = self.assert_is(node, leaf, it)
            node.delete(it)
            node.wait_known(0)
            self.assertEqual(node.who(leaf), number, "what still runs stays what it is")
            node.kubelet.remove_pod(it)
            wait_for("its entries to go", lambda: not node.bus())
            node.wait_forgotten()

    def test_deleted_with_grace(self):
        with self.node() as node:
            it = node.create(pod("graceful"))
            node.wait_known(1)
            leaf = node.start_pod(it)
            number = self.assert_is(node, leaf, it)
            node.api.delete(node.path_of(it), {"gracePeriodSeconds": 30})
            wait_for("the deletion to be known",
                     lambda: "being deleted" in node.ctl("identity", "explain", "shop/graceful", check=0).stdout)
            self.assertEqual(node.who(leaf), number)
            node.delete(it)
            node.kubelet.remove_pod(it)
            wait_for("its entries to go", lambda: not node.bus())
            node.wait_forgotten()

    def test_completed_and_evicted(self):
        with self.node() as node:
            for name, status in (("done", {"phase": "Succeeded"}), ("evicted", {"phase": "Failed", "reason": "Evicted"})):
                with self.subTest(name):
                    it = node.create(pod(name))
                    node.wait_known(1)
                    leaf = node.start_pod(it)
                    number = self.assert_is(node, leaf, it)
                    node.set_status(it, **status)
                    wait_for("its end to be known",
                             lambda: status["phase"] in node.ctl("identity", "explain", f"shop/{name}", check=0).stdout)
                    self.assertEqual(node.who(leaf), number)
                    node.kubelet.remove_pod(it)
                    wait_for("its entries to go with its cgroups", lambda: not node.bus())
                    node.delete(it)
                    node.wait_known(0)

    def test_the_same_pod_in_a_new_cgroup(self):
        with self.node() as node:
            it = node.create(pod("again"))
            node.wait_known(1)
            first = node.start_pod(it)
            number = self.assert_is(node, first, it)
            old = cgroup_id(node.kubelet.pod_path(it))
            node.kubelet.remove_pod(it)
            second = node.start_pod(it)
            self.assertEqual(self.assert_is(node, second, it), number)
            wait_for("the old entry to go", lambda: old not in node.bus())
            self.assertEqual(len(node.bus()), 3)

    def test_a_container_that_restarts(self):
        with self.node() as node:
            it = node.create(pod("crash-loop"))
            node.wait_known(1)
            number = self.assert_is(node, node.start_pod(it), it)
            for _ in range(5):
                leaf = node.kubelet.make_container(it)
                self.assertEqual(self.assert_is(node, leaf, it), number)
                self.assertEqual(node.witness.sights()[cgroup_id(leaf)].first_identity, number)
                os.rmdir(leaf)

    def test_relabelled_in_place(self):
        with self.node() as node:
            it = node.create(pod("web-0", labels={"app": "web", "tier": "front"}))
            node.wait_known(1)
            leaf = node.start_pod(it)
            before = self.assert_is(node, leaf, it)
            cgroups = set(node.bus())
            it = node.relabel(it, {"app": "api", "tier": None})
            wait_for("another number", lambda: node.who(leaf) != before)
            self.assert_is(node, leaf, it)
            self.assertEqual(set(node.bus()), cgroups, "the same entries")
            sight = node.witness.sights()[cgroup_id(leaf)]
            self.assertEqual(sight.first_identity, before)

    def test_labels_that_do_not_count_write_nothing(self):
        with self.node() as node:
            it = node.create(pod("web-0", labels={"app": "web", "pod-template-hash": "1"}))
            marker = node.create(pod("marker"))
            node.wait_known(2)
            node.start_pod(it)
            node.start_pod(marker)
            before = node.bus()[cgroup_id(node.kubelet.pod_path(it))]
            node.relabel(it, {"pod-template-hash": "2"})
            for n in range(5):
                node.set_status(it, message=str(n))
            node.relabel(marker, {"app": "marked"}) # comes after the others
            wait_for("what came last", lambda: any("app=marked" in i["canonical"] for i in node.identities().values()))
            self.assertEqual(node.bus()[cgroup_id(node.kubelet.pod_path(it))], before)

    def test_policy_is_no_identity(self):
        with self.node() as node:
            it = node.create(pod("web-0", labels={"app": "web", "prism.io/latency-class": "critical",
                                                  "prism.io/weight": "100"}))
            plain = node.create(pod("web-1", labels={"app": "web"}))
            node.wait_known(2)
            leaf, other = node.start_pod(it), node.start_pod(plain)
            number = self.assert_is(node, leaf, it)
            self.assertEqual(node.who(other), number)
            self.assertEqual(policy(node.witness.sights()[cgroup_id(leaf)].last_flags), (CRITICAL, 100))
            self.assertEqual(policy(node.witness.sights()[cgroup_id(other)].last_flags), (0, 0))
            node.relabel(it, {"prism.io/latency-class": "batch", "prism.io/weight": "7"})
            wait_for("the new policy", lambda: policy(node.entry(leaf)[1]) == (BATCH, 7))
            self.assertEqual(node.who(leaf), number)
            self.assertEqual(policy(node.witness.sights()[cgroup_id(leaf)].last_flags), (BATCH, 7))

    def test_without_labels(self):
        with self.node() as node:
            a, b = node.create(pod("bare")), node.create(pod("bare-web", account="web"))
            node.wait_known(2)
            self.assertNotEqual(self.assert_is(node, node.start_pod(a), a), self.assert_is(node, node.start_pod(b), b))

    def test_which_labels_count_is_configuration(self):
        labels = {"exclude": ["build-*", "pod-template-hash"], "include": ["build-kind"]}
        with self.node(extra={"identity": {"labels": labels}}) as node:
            pods = [node.create(pod(f"p-{i}", labels={"app": "web", "build-id": str(i), "build-kind": "debug" if i > 1 else "release"}))
                    for i in range(3)]
            node.wait_known(3)
            numbers = [node.who(node.start_pod(it)) for it in pods]
            self.assertEqual(node.canonical(numbers[2]),
                             "io.prism/namespace=shop;io.prism/serviceaccount=default;app=web;build-kind=debug")
            self.assertEqual(numbers[0], numbers[1])
            self.assertNotEqual(numbers[1], numbers[2])

    def test_the_same_name_is_another_pod(self):
        """As a StatefulSet has it: the old one's cgroup may still be there."""
        with self.node() as node:
            old = node.create(pod("db-0", labels={"app": "db", "version": "1"}))
            node.wait_known(1)
            before = node.start_pod(old)
            self.assert_is(node, before, old)
            node.delete(old)
            new = node.create(pod("db-0", labels={"app": "db", "version": "2"}))
            after = node.start_pod(new)
            node.wait_bound(new)
            self.assert_is(node, after, new)
            self.assert_is(node, before, old)

    def test_static_pods_go_by_the_hash_of_their_file(self):
        with self.node() as node:
            digest = "0123456789abcdef0123456789abcdef"
            it = node.create(mirror("etcd-node", digest, labels={"component": "etcd"}))
            node.wait_known(1)
            leaf = node.start_pod(it)
            self.assertIn(digest, leaf)
            number = self.assert_is(node, leaf, it)
            # kubelet makes the mirror anew: the same static pod, another object.
            node.delete(it)
            again = node.create(mirror("etcd-node", digest, labels={"component": "etcd"}))
            self.assertNotEqual(again["metadata"]["uid"], it["metadata"]["uid"])
            node.wait_known(1)
            self.assertEqual(self.assert_is(node, leaf, again), number)

    def test_in_the_hosts_network(self):
        with self.node() as node:
            it = node.create(pod("agent", labels={"app": "agent"}, hostNetwork=True))
            node.wait_known(1)
            self.assert_is(node, node.start_pod(it), it)
            self.assertIn("in the host's network", node.ctl("identity", "explain", "shop/agent", check=0).stdout)

    def test_every_driver_class_runtime_and_root(self):
        shapes = [(driver, root, runtime) for driver, roots, runtimes in (
            ("systemd", ("", "kubelet.slice", "a-b.slice"), ("containerd", "crio", "crun", "docker")),
            ("cgroupfs", ("", "kubelet", "docker/0123/kubelet"), ("containerd", "crun")))
            for root in roots for runtime in runtimes]
        with self.node() as node:
            placed = []
            for n, (driver, root, runtime) in enumerate(shapes):
                for qos in ("Guaranteed", "Burstable", "BestEffort"):
                    it = node.create(pod(f"shape-{n}-{qos.lower()}", labels={"shape": f"{n}-{qos}"}, qos=qos))
                    self.assertEqual(it["status"]["qosClass"], qos)
                    placed.append((it, Kubelet(node.top, driver, root, runtime)))
            node.wait_known(len(placed))
            node.witness
            leaves = [node.start_pod(it, kubelet) for it, kubelet in placed]
            for leaf in leaves:
                node.kubelet.run_in(leaf)
            sights, names = node.witness.sights(), node.identities()
            for (it, kubelet), leaf in zip(placed, leaves):
                self.assertEqual(names[sights[cgroup_id(leaf)].last_identity]["canonical"], canonical(it), leaf)

    def test_other_nodes_pods_are_none_of_ours(self):
        with self.node() as node:
            other = node.create(pod("elsewhere", nodeName="another-node"))
            it = node.create(pod("here"))
            node.wait_known(1)
            self.assertEqual(node.who(node.start_pod(other)), 0)
            self.assert_is(node, node.start_pod(it), it)


if __name__ == "__main__":
    prism_kube.main()
