# SPDX-License-Identifier: Apache-2.0
"""Pods of a real API server under all four legs: each says on the bus that it has the pod, and does with it what its identity
is for, over restarts of prismd and without the API server."""
import prism_kube
from prism_kube import canonical, cgroup_id, pod, policy

PODS = 12
WITHOUT_LSM, ALL = 0x7, 0xf # facet bits; lsm has those that one of its rule sets is about


class FourLegs(prism_kube.TestCase):
    NAMESPACES = {"shop": ("alice", "bob")}

    def test_pods_under_all_four(self):
        rules = {"name": "lsm", "config": {"rule_sets": [{
            "name": "bob", "select": {"namespace": "shop", "service_account": "bob"},
            "exec": [{"path": "/usr/bin/false", "action": "block"}]}]}}
        with self.node(modules=[rules]) as node:
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


if __name__ == "__main__":
    prism_kube.main()
