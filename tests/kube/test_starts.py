# SPDX-License-Identifier: Apache-2.0
"""Starts of containers as kubelet and a runtime make them: is the identity there at the first exec?

PRISM_KUBE_STARTS: how many (default: 1000)."""
import os

import prism_kube
from kubelet import Kubelet
from prism_kube import KNOWN, canonical, cgroup_id, pod

STARTS = int(os.environ.get("PRISM_KUBE_STARTS", "1000"))
AT_ONCE = 50
SHAPES = (("systemd",), ("cgroupfs", "nested"), ("systemd", "kubelet.slice"))


class Starts(prism_kube.TestCase):
    @staticmethod
    def right_at_first(node, it, sights, names):
        """Of the pod's containers' cgroups: {path: was it right at the first exec?}"""
        paths = [entry.path for entry in os.scandir(node.kubelet.pod_path(it)) if entry.is_dir()]
        firsts = {path: sights[cgroup_id(path)] for path in paths}
        return {path: s.first_state == KNOWN and names[s.first_identity]["canonical"] == canonical(it)
                for path, s in firsts.items()}

    def test_identity_at_the_first_exec(self):
        """The pod's cgroup, its sandbox right after it, a container; in each a process that execs at once. A real kubelet
        mounts volumes and asks for a network in between."""
        sandboxes = containers = 0
        with self.node() as node:
            node.witness
            for base in range(0, STARTS, AT_ONCE):
                node.kubelet = Kubelet(node.top, *SHAPES[base // AT_ONCE % len(SHAPES)])
                pods = [node.create(pod(f"p-{base + i}", labels={"app": f"app-{i % 7}"})) for i in range(AT_ONCE)]
                node.wait_known(AT_ONCE)
                leaves = [node.start_pod(it) for it in pods]
                sights, names = node.witness.sights(), node.identities()
                for it, leaf in zip(pods, leaves):
                    right = self.right_at_first(node, it, sights, names)
                    self.assertEqual(len(right), 2)
                    containers += right.pop(leaf)
                    sandboxes += sum(right.values())
                for it in pods:
                    node.kubelet.remove_pod(it)
                    node.delete(it)
                node.wait_known(0)
        print(f"\nthe identity at the first exec: {containers} of {STARTS} containers, {sandboxes} of {STARTS} sandboxes that "
              "exec right after their pod's cgroup was made", flush=True)
        self.assertEqual(containers, STARTS)
        # prismd has some hundred microseconds for these, of which a busy machine may take all.
        self.assertGreaterEqual(sandboxes, STARTS * 0.99)


if __name__ == "__main__":
    prism_kube.main()
