# SPDX-License-Identifier: Apache-2.0
"""However cgroups come and go, and whatever they are called: in the end the bus is the tree, exactly."""
import contextlib
import json
import os
import signal
import threading

import prism_e2e as e2e
import prism_load as load
from prism_e2e import Node, wait_for

BURST = int(os.environ.get("PRISM_E2E_BURST", "3000"))
WITHOUT_TRACING = ["setpriv", "--bounding-set", "-perfmon,-sys_admin"]
ODD_NAMES = ["with space", "two  spaces ", 'quo"te', "apo'strophe", "back\\slash", "semi;colon", "equal=sign", "per%cent", "%3b",
             "a;b=c", "a%3Bb%3Dc", "tab\there", "\x01control", "ünïcode", "\u202eright-to-left", "$(id)", "-n", "*", "{app}",
             "b" * 255, "<b>", "&amp;", ":", "x.service", "\x7f"]


class Cgroups(e2e.TestCase):
    def tree(self, node):
        """id -> path of every cgroup that a rule gives an identity, directly or from above."""
        return {e2e.cgroup_id(path): path for path, _, _ in os.walk(node.base) if path != node.base}

    def same(self, node):
        with contextlib.suppress(FileNotFoundError):
            return self.tree(node).keys() == node.bus().keys()

    def wait_same(self, node):
        try:
            wait_for("the bus to be the tree", lambda: self.same(node))
        except AssertionError as e:
            tree, bus = self.tree(node), node.bus()
            known = [node.metric(f"prism_{m}") for m in ("cgroups", "bus_entries", "cgroup_events_lost_total")]
            raise AssertionError(f"{e}: {len(tree)} cgroups, {len(tree.keys() - bus.keys())} of them not on it, "
                                 f"{len(bus.keys() - tree.keys())} entries of what is gone; prismd: cgroups, entries, lost "
                                 f"events {known}, {node.json('/v1/bus/check')[1]}") from e
        numbers = {}
        bus = node.bus()
        for cgroup, path in self.tree(node).items():
            app = os.path.relpath(path, node.base).split("/")[0]
            self.assertEqual(numbers.setdefault(app, bus[cgroup][0]), bus[cgroup][0], path)
        self.assertEqual(len(set(numbers.values())), len(numbers))
        check = node.json("/v1/bus/check")[1]
        self.assertEqual([check[k] for k in ("foreign", "altered", "missing")], [0, 0, 0])

    def burst(self, node, app, n):
        """n nested cgroups; then every third of the innermost goes."""
        leaves = []
        os.mkdir(f"{node.base}/{app}")
        for i in range(n // 3):
            path = f"{node.base}/{app}/{i}"
            for p in (path, f"{path}/a", f"{path}/a/b"):
                os.mkdir(p)
            leaves.append(path)
        for path in leaves[::3]:
            for p in (f"{path}/a/b", f"{path}/a", path):
                os.rmdir(p)

    def test_burst_while_it_runs(self):
        with Node(modules=[]) as node:
            self.burst(node, "app", BURST)
            self.wait_same(node)
            self.remove_all(node)
            wait_for("the bus to be empty", lambda: not node.bus())
            self.assertEqual(node.ctl("status").returncode, 0)

    def remove_all(self, node):
        for path, _, _ in sorted(os.walk(node.base), key=lambda w: -len(w[0])):
            if path != node.base:
                os.rmdir(path)

    def test_burst_while_it_is_stopped(self):
        """More than the ring holds: some events are lost, and a comparison of the tree makes up for them."""
        with Node(modules=[]) as node:
            first = node.cgroup("first")
            number = node.identity_of(first)
            rescans = node.metric("prism_cgroup_rescans_total") or 0
            node.process.send_signal(signal.SIGSTOP)
            try:
                for i in range(3):
                    self.burst(node, f"app{i}", BURST)
            finally:
                node.process.send_signal(signal.SIGCONT)
            self.wait_same(node)
            self.assertGreater(node.metric("prism_cgroup_events_lost_total") or 0, 0, "the ring did not overflow: make it a larger burst")
            self.assertGreater(node.metric("prism_cgroup_rescans_total"), rescans)
            self.assertEqual(node.entry(first)[0], number)
            late = node.cgroup("late")
            self.assertNotEqual(node.identity_of(late), number, "events go on after it")

    def test_created_and_removed_during_the_start(self):
        with Node(modules=["net"], start=False) as node:
            ended, made = threading.Event(), [0]

            def unmake(i):
                os.rmdir(f"{node.base}/app{i % 7}/{i}/x")
                os.rmdir(f"{node.base}/app{i % 7}/{i}")

            def churn():
                while not ended.is_set():
                    i, made[0] = made[0], made[0] + 1
                    os.makedirs(f"{node.base}/app{i % 7}/{i}/x")
                    # However long a start takes, there are no more of them than the bus holds.
                    old = i - 2000
                    if i % 2:
                        unmake(i)
                    elif old >= 0:
                        unmake(old)

            worker = threading.Thread(target=churn)
            worker.start()
            try:
                for _ in range(3):
                    here = made[0]
                    wait_for("churn", lambda n=here + 100: made[0] > n)
                    node.start()
                    here = made[0]
                    wait_for("churn", lambda n=here + 100: made[0] > n)
                    self.assertEqual(node.stop(), 0)
                node.start()
            finally:
                ended.set()
                worker.join()
            self.wait_same(node)

    def test_thirty_levels(self):
        with Node(modules=["net"]) as node:
            node.wait_module("net", "running")
            path = node.cgroup("/".join(["deep"] + [f"l{i}" for i in range(29)]))
            number = node.identity_of(path)
            self.wait_same(node)
            traffic = load.Traffic(node, path)
            traffic.flow()
            n = traffic.stop()
            self.assertEqual(load.packets(node, number), n)
            why = json.loads(node.ctl("-o", "json", "identity", "explain", path, check=0).stdout)
            self.assertEqual(len([c for c in why["chain"] if c["identity"] == number]), 30)

    def test_odd_names(self):
        with Node(modules=["trace"]) as node:
            paths = {}
            for name in ODD_NAMES:
                paths[name] = node.cgroup(name)
            raw = os.path.join(os.fsencode(node.base), b"\xff\xfe not utf-8")
            os.mkdir(raw)
            numbers = {name: node.identity_of(path) for name, path in paths.items()}
            numbers[raw] = node.identity_of(raw)
            self.assertEqual(len(set(numbers.values())), len(numbers), "each its own identity")
            for text in (node.get("/v1/identities")[1], node.ctl("-o", "json", "identity", "list", check=0).stdout):
                listed = {i["number"]: i for i in json.loads(text)["identities"]}
                self.assertEqual(set(listed), set(numbers.values()))
                for name, number in numbers.items():
                    canonical = listed[number]["canonical"]
                    self.assertRegex(canonical, r"^io\.prism/namespace=e2e;io\.prism/serviceaccount=;app=[^;\x00-\x1f\x7f]+$")
            app = {name: listed[numbers[name]]["canonical"].rpartition("app=")[2] for name in paths}
            self.assertEqual((app["a;b=c"], app["a%3Bb%3Dc"]), ("a%3Bb=c", "a%253Bb%253Dc"))
            table = node.ctl("identity", "list", "-o", "wide", check=0).stdout
            self.assertFalse(set(table) & set("\x01\x7f\u202e\x1b\t"), "nothing that a terminal acts on")
            for name, path in paths.items():
                done = node.ctl("-o", "json", "identity", "explain", path)
                self.assertEqual((name, done.returncode, done.stderr), (name, 0, ""))
                self.assertEqual(json.loads(done.stdout)["identity"]["number"], numbers[name])
            for line in node.get("/v1/events")[1].splitlines():
                json.loads(line)
            self.assertEqual(node.stop(), 0)
            node.start()
            self.assertEqual({name: node.identity_of(paths[name]) for name in paths}, {n: numbers[n] for n in paths})

    def test_cgroup_bomb_is_bounded(self):
        """More than the bus holds: loud, answered all the while, nothing of the others lost, and it recovers."""
        with Node(modules=["net"], extra={"bus": {"capacity": 500}}) as node:
            node.wait_module("net", "running")
            good = node.cgroup("good")
            number = node.identity_of(good)
            traffic = load.Traffic(node, good)
            for i in range(BURST):
                os.makedirs(f"{node.base}/bomb/{i}")
            wait_for("status to say it", lambda: "the map is full" in node.ctl("status").stdout)
            self.assertEqual(node.get("/healthz")[0], 200)
            self.assertEqual(len(node.bus()), 500)
            self.assertEqual(node.entry(good)[0], number)
            with open(f"/proc/{node.process.pid}/status") as f:
                resident = int(next(line for line in f if line.startswith("VmRSS")).split()[1])
            self.assertLess(resident, 64 << 10, "KiB resident")
            traffic.flow()
            n = traffic.pause()
            self.assertEqual(load.packets(node, number), n)
            self.assertLess(len(node.log()), 1 << 20, "loud, not deafening")
            for i in range(BURST):
                os.rmdir(f"{node.base}/bomb/{i}")
            os.rmdir(f"{node.base}/bomb")
            wait_for("status to be well again", lambda: node.ctl("status").returncode == 0)
            self.wait_same(node)

    def test_without_the_right_to_trace(self):
        """prismd without CAP_PERFMON: inotify, which says so and is as right, if slower."""
        with Node(modules=[], wrapper=WITHOUT_TRACING) as node:
            cgroup = node.json("/v1/status")[1]["cgroup"]
            self.assertEqual(cgroup["mechanism"], "inotify")
            self.assertIn("BPF object cannot be loaded", cgroup["why_not_bpf"])
            self.assertRegex(node.ctl("status", check=4).stdout, r"cgroup events come from inotify and are slower: ")
            self.burst(node, "app", BURST // 3)
            self.wait_same(node)
            node.cgroup("deep/" + "/".join(str(i) for i in range(20)))
            self.wait_same(node)
            self.remove_all(node)
            wait_for("the bus to be empty", lambda: not node.bus())


if __name__ == "__main__":
    e2e.main()
