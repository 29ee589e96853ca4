# SPDX-License-Identifier: Apache-2.0
"""500 pods of 40 workloads: each has the right identity in the kernel, replicas share one, and restarts change nothing.

PRISM_KUBE_PODS: how many, 40 at least (default: 500)."""
import collections
import os

import prism_kube
from kubelet import Kubelet
from prism_kube import KNOWN, canonical, cgroup_id, pod, wait_for

PODS = int(os.environ.get("PRISM_KUBE_PODS", "500"))
WORKLOADS = 40
QOS = ("Guaranteed", "Burstable", "BestEffort")


class Workloads(prism_kube.TestCase):
    NAMESPACES = {"shop": ("alice", "bob"), "bank": ("alice",)}

    @staticmethod
    def template(i):
        """The first two differ in their service account alone, the third in its namespace."""
        if i < 3:
            return {"labels": {"app": "twin"}, "account": "bob" if i == 1 else "alice",
                    "namespace": "bank" if i == 2 else "shop"}
        return {"labels": {"app": f"app-{i}", "tier": "front" if i % 2 else "back"}, "namespace": "shop" if i % 3 else "bank"}

    def populate(self, node):
        """All pods in the API, every other one under the other driver; pods of a workload differ in labels that do not
        count."""
        drivers = [Kubelet(node.top, "systemd", "kubelet.slice"), Kubelet(node.top, "cgroupfs", "nested", "docker")]
        pods = []
        for i in range(PODS):
            wanted = pod(f"pod-{i}", qos=QOS[i % 3], **self.template(i % WORKLOADS))
            wanted["metadata"]["labels"] = {**wanted["metadata"]["labels"], "pod-template-hash": f"{i:08x}",
                                            "apps.kubernetes.io/pod-index": str(i // WORKLOADS)}
            pods.append((node.create(wanted), drivers[i % 2]))
        return pods

    def check(self, node, pods, leaves, when):
        """Every pod's processes as the kernel sees them, against what the API says. Returns the numbers."""
        for leaf in leaves:
            node.kubelet.run_in(leaf)
        sights, names = node.witness.sights(), node.identities()
        numbers = {}
        for (it, _), leaf in zip(pods, leaves):
            sight = sights[cgroup_id(leaf)]
            self.assertEqual(sight.last_state, KNOWN, f"{it['metadata']['name']} {when}")
            self.assertEqual(names[sight.last_identity]["canonical"], canonical(it), when)
            numbers[it["metadata"]["name"]] = sight.last_identity
        return numbers

    def test_pods_of_forty_workloads(self):
        with self.node() as node:
            node.witness
            pods = self.populate(node)
            node.wait_known(PODS)
            # kubelet makes the cgroup, then come volumes and network, then the runtime.
            for it, kubelet in pods:
                kubelet.make_pod(it)
            leaves = [kubelet.start_containers(it) for it, kubelet in pods]
            numbers = self.check(node, pods, leaves, "at first")
            first = [s for s in node.witness.sights().values() if s.first_state == KNOWN]
            self.assertEqual(len(first), 2 * PODS, "sandboxes and containers with an identity at their first exec")
            by_workload = collections.defaultdict(set)
            for i, (it, _) in enumerate(pods):
                by_workload[i % WORKLOADS].add(numbers[it["metadata"]["name"]])
            self.assertEqual([len(s) for s in by_workload.values()], [1] * WORKLOADS, "replicas share a number")
            self.assertEqual(len(set(numbers.values())), WORKLOADS, "no two workloads share one")
            self.restarts(node, pods, leaves, numbers)

    def restarts(self, node, pods, leaves, numbers):
        node.kill()
        node.start()
        self.assertEqual(self.check(node, pods, leaves, "after a restart of prismd"), numbers)
        self.cluster.kill_apiserver()
        self.assertEqual(self.check(node, pods, leaves, "without the API server"), numbers)
        self.cluster.start_apiserver()
        wait_for("prismd to be in step again", lambda: node.metric("prism_kube_connected", resource="pods") == 1)
        self.assertEqual(self.check(node, pods, leaves, "after a restart of the API server"), numbers)
        node.stop()
        self.cluster.kill_apiserver()
        node.extra["sources"]["kubernetes"]["sync_timeout"] = "1s"
        node.write_config()
        node.start()
        self.assertEqual(self.check(node, pods, leaves, "after a restart of both, before the API server is back"), numbers)
        self.cluster.start_apiserver()
        node.wait_known(PODS)
        self.assertEqual(self.check(node, pods, leaves, "after a restart of both"), numbers)


if __name__ == "__main__":
    prism_kube.main()
