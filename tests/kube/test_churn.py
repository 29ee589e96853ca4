# SPDX-License-Identifier: Apache-2.0
"""Pods come and go while everything that can go wrong does: at the end the bus is what the API says, no key is stale, no
number was given twice, and the memory is back.

PRISM_KUBE_CHURN: arrivals and as many departures (default: 3000)."""
import collections
import os
import random
import threading
import time

import prism_kube
from control_plane import Api
from fault_proxy import CUT, GARBAGE, RESET, FaultProxy
from prism_kube import canonical, cgroup_id, pod, wait_for

ARRIVALS = int(os.environ.get("PRISM_KUBE_CHURN", "3000"))
WORKLOADS = 40
WINDOW = 60 # pods that are there at once


class Faults(threading.Thread):
    """One after the other, without end, until it is told so."""

    def __init__(self, proxy, seed):
        super().__init__(daemon=True)
        self.proxy, self.random, self.over, self.done = proxy, random.Random(seed), threading.Event(), collections.Counter()
        self.failure = None

    def overload(self):
        self.proxy.refuse(429, {"Retry-After": "1"})
        self.proxy.end_watches(CUT)
        self.over.wait(0.5)
        self.proxy.pass_on()

    def error(self):
        self.proxy.refuse(500, body=b"etcdserver: leader changed\n")
        self.proxy.end_watches(RESET)
        self.over.wait(0.5)
        self.proxy.pass_on()

    def half_open(self):
        self.proxy.freeze()
        self.over.wait(2.5)
        self.proxy.thaw()

    def away(self):
        self.proxy.go_away()
        self.over.wait(0.5)
        self.proxy.come_back()

    def disorder(self):
        held = []

        def shuffle(line):
            held.append(line)
            if len(held) < 2:
                return []
            out = [held[1], held[0], held[1]]
            held.clear()
            return out
        self.proxy.rewrite = shuffle
        self.over.wait(1)
        # What is held is held for good: as lost as in a broken proxy, which ends the stream in the end.
        self.proxy.rewrite = None
        self.proxy.end_watches(CUT)

    def cut(self):
        self.proxy.end_watches(CUT)

    def garbage(self):
        self.proxy.end_watches(GARBAGE)

    def reset(self):
        self.proxy.end_watches(RESET)

    def run(self):
        try:
            while not self.over.wait(self.random.uniform(0.2, 1)):
                fault = self.random.choice((self.overload, self.error, self.half_open, self.away, self.disorder, self.cut,
                                            self.garbage, self.reset))
                fault()
                self.done[fault.__name__] += 1
        except BaseException as e: # the test must not go on without them
            self.failure = e
        finally:
            self.proxy.thaw()
            self.proxy.pass_on()
            self.proxy.rewrite = None


class Churn(prism_kube.TestCase):
    NAMESPACES = {"shop": ("alice", "bob"), "bank": ("alice",)}

    def arrive(self, node, n):
        which = self.random.randrange(WORKLOADS)
        wanted = pod(f"pod-{n}", "shop" if which % 3 else "bank", {"app": f"app-{which // 2}", "pod-template-hash": str(n)},
                     "alice" if which % 2 else "default", qos=("BestEffort", "Burstable")[which % 2])
        early = self.random.random() < 0.3
        if early: # kubelet is faster than the event: only a static pod's file is, or a slow API
            it = node.create({**wanted, "spec": {**wanted["spec"], "nodeName": ""}})
            node.kubelet.make_pod(it)
            self.bind(node, it)
        else:
            it = node.create(wanted)
            node.kubelet.make_pod(it)
        self.leaves[it["metadata"]["uid"]] = node.kubelet.make_container(it)
        return it

    @staticmethod
    def bind(node, it):
        node.api.create(node.path_of(it) + "/binding", {
            "metadata": {"name": it["metadata"]["name"]},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node.node_name}})

    def depart(self, node, it):
        if self.random.random() < 0.5:
            node.set_status(it, phase="Succeeded")
        ends = [lambda: node.delete(it), lambda: node.kubelet.remove_pod(it)]
        self.random.shuffle(ends)
        for end in ends:
            end()
        self.leaves.pop(it["metadata"]["uid"])

    def note_numbers(self, node):
        """A number has one canonical form, from the beginning to the end of the test."""
        for number, identity in node.identities().items():
            self.assertEqual(self.given.setdefault(number, identity["canonical"]), identity["canonical"])

    def test_churn_with_faults(self):
        seed = random.randrange(1 << 32)
        self.random, self.given, self.leaves = random.Random(seed), {}, {}
        print(f"\nseed {seed}", flush=True)
        settings = {"idle_limit": "2s", "retry_max": "1s"}
        with FaultProxy(self.cluster) as proxy, self.node(server=proxy.url, settings=settings) as node:
            faults = Faults(proxy, seed)
            running, began, rss = collections.deque(), time.monotonic(), 0
            faults.start()
            try:
                for n in range(ARRIVALS):
                    running.append(self.arrive(node, n))
                    if len(running) > WINDOW:
                        running.rotate(self.random.randrange(3))
                        self.depart(node, running.popleft())
                    if n % 100 == 99:
                        self.note_numbers(node)
                    if n == ARRIVALS // 4:
                        rss = node.rss()
                    if n in (ARRIVALS // 3, ARRIVALS * 2 // 3): # with prismd
                        node.kill()
                        node.start()
                    if n == ARRIVALS // 2:
                        self.restart_apiserver(node)
                    self.assertIsNone(faults.failure)
            finally:
                faults.over.set()
                faults.join(60)
            print(f"{ARRIVALS} arrivals in {time.monotonic() - began:.0f} s, faults: {dict(faults.done)}", flush=True)
            self.assertGreater(len(faults.done), 3)
            self.assert_bus_is_api(node, running)
            while running:
                self.depart(node, running.popleft())
            wait_for("the bus to be empty", lambda: not node.bus())
            node.wait_forgotten()
            self.assertLess(node.rss() - rss, 2 << 20, "bytes of memory more than after a quarter of it")

    def restart_apiserver(self, node):
        self.cluster.kill_apiserver()
        self.cluster.compact()
        self.cluster.start_apiserver()
        self.assertIsInstance(node.api, Api)

    def assert_bus_is_api(self, node, running):
        expected = {}
        for it in running:
            for path, _, _ in os.walk(node.kubelet.pod_path(it)):
                expected[cgroup_id(path)] = canonical(it)

        def bus():
            names = {n: i["canonical"] for n, i in node.identities().items()}
            return {cgroup: names.get(entry[0]) for cgroup, entry in node.bus().items()}
        wait_for("the bus to be what the API says", lambda: bus() == expected, timeout=30, interval=0.2)
        for it in running:
            self.assertEqual(node.canonical(node.who(self.leaves[it["metadata"]["uid"]])), canonical(it))
        self.note_numbers(node)
        pods = [p for space in self.NAMESPACES for p in node.api.get(
            f"/api/v1/namespaces/{space}/pods?fieldSelector=spec.nodeName={node.node_name}")["items"]]
        self.assertEqual(len(pods), len(running))
        node.wait_known(len(running))


if __name__ == "__main__":
    prism_kube.main()
