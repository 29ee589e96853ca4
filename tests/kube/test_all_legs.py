# SPDX-License-Identifier: Apache-2.0
"""Pods of a real API server under all four legs, on a kernel that has what they want, below systemd's slices at the root of
cgroup v2."""
import os

import prism_kube
from kubelet import Kubelet
from prism_kube import canonical, cgroup_id, pod, policy, wait_for

PODS = 12
LEGS = ("net", "sched", "trace", "lsm")
WITHOUT_LSM, ALL = 0x7, 0xf # facet bits; lsm has those that one of its rule sets is about


class FourLegs(prism_kube.TestCase):
    NAMESPACES = {"shop": ("alice", "bob")}

    def test_pods_under_all_four(self):
        rules = {"name": "lsm", "config": {"rule_sets": [{
            "name": "bob", "select": {"namespace": "shop", "service_account": "bob"},
            "exec": [{"path": "/usr/bin/false", "action": "block"}]}]}}
        with self.node(modules=["net", "sched", "trace", rules]) as node:
            for leg in LEGS:
                node.wait_module(leg, "running")
            node.kubelet = Kubelet(node.root)
            node.stack.callback(self.remove_slices, node)
            pods = [node.create(pod(f"p-{i}", labels={"app": "web", "prism.io/latency-class": "critical"},
                                    account="bob" if i % 2 else "alice", qos=("Burstable", "BestEffort")[i // 2 % 2]))
                    for i in range(PODS)]
            node.wait_known(PODS)
            leaves = [node.start_pod(it) for it in pods]
            numbers = self.check(node, pods, leaves)
            self.assertEqual(len(set(numbers)), 2, "they differ in their service account alone")
            node.kill()
            node.start()
            self.assertEqual(self.check(node, pods, leaves), numbers)
            self.cluster.kill_apiserver()
            self.assertEqual(self.check(node, pods, leaves), numbers)
        # Its last pin is gone, and the kernel takes a while to let the scheduler go.
        wait_for("the kernel's own scheduler", lambda: self.scheduler() == "disabled")

    @staticmethod
    def scheduler():
        with open("/sys/kernel/sched_ext/state") as f:
            return f.read().strip()

    def check(self, node, pods, leaves):
        for it, leaf in zip(pods, leaves):
            node.witness
            node.kubelet.run_in(leaf)
            if it["spec"]["serviceAccountName"] == "bob":
                with self.assertRaises(AssertionError, msg="lsm blocks it"):
                    node.kubelet.run_in(leaf, "/usr/bin/false")
        sights, names = node.witness.sights(), node.identities()
        for it, leaf in zip(pods, leaves):
            sight = sights[cgroup_id(leaf)]
            self.assertEqual(names[sight.last_identity]["canonical"], canonical(it))
            legs = ALL if it["spec"]["serviceAccountName"] == "bob" else WITHOUT_LSM
            self.assertEqual(sight.last_flags & 0xff, legs, "each leg says that it has it")
            self.assertEqual(policy(sight.last_flags)[0], 1)
        return [sights[cgroup_id(leaf)].last_identity for leaf in leaves]

    @staticmethod
    def remove_slices(node):
        for path, _, _ in os.walk(f"{node.root}/kubepods.slice", topdown=False):
            os.rmdir(path)


if __name__ == "__main__":
    prism_kube.main("sched_ext", "BPF LSM")
