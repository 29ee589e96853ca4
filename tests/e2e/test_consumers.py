# SPDX-License-Identifier: Apache-2.0
"""Programs that know only the frozen ABI, loaded by bpftool: they count under the right identity, and none can write."""
import json
import os
import socket
import struct
import subprocess
import sys

import prism_e2e as e2e
from prism_e2e import Node, UNMANAGED, wait_for

OBJECTS = os.path.join(e2e.BUILD, "tests", "e2e", "consumers")
PINGS = 50


def bpftool(*arguments):
    return json.loads(subprocess.run(["bpftool", "-j", *arguments], capture_output=True, text=True, check=True).stdout)


class Consumer:
    """One program, loaded and attached by bpftool, in a bpffs directory that goes with it."""

    def __init__(self, node, name, pin_by_name=False):
        self.dir = f"{e2e.BPFFS}/{node.name}-{name}"
        self.object = f"{OBJECTS}/{name}{'-pinned' if pin_by_name else ''}.bpf.o"
        self.node = node
        self.pin_by_name = pin_by_name
        self.attached = None

    def load(self, autoattach):
        os.mkdir(self.dir)
        bus = [] if self.pin_by_name else ["map", "name", "prism_identity", "pinned", f"{self.node.bus_dir}/prism_identity"]
        # The maps' pins hold the counters; the programs' (or links') pins hold the program.
        # bpftool cannot pin a map twice, so an object that pins the bus by name keeps its counters unpinned.
        pinmaps = [] if self.pin_by_name else ["pinmaps", f"{self.dir}/maps"]
        return subprocess.run(["bpftool", "prog", "loadall", self.object, f"{self.dir}/prog", *bus, *pinmaps,
                               *(["autoattach"] if autoattach else [])], capture_output=True, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.attached:
            subprocess.run(["bpftool", "cgroup", "detach", self.node.root, "egress", "pinned", self.attached], check=True)
        for path, dirs, files in os.walk(self.dir, topdown=False):
            for f in files:
                os.unlink(os.path.join(path, f))
            os.rmdir(path)

    def start(self, autoattach=True):
        before = self.counter_maps()
        done = self.load(autoattach)
        if done.returncode:
            raise AssertionError(f"bpftool: {done.stdout}{done.stderr}")
        self.mine = max(self.counter_maps() - before)

    def attach_egress(self):
        pin = f"{self.dir}/prog/account"
        subprocess.run(["bpftool", "cgroup", "attach", self.node.root, "egress", "pinned", pin, "multi"], check=True)
        self.attached = pin

    @staticmethod
    def counter_maps():
        return {m["id"] for m in bpftool("map", "show") if m.get("name") == "counts"}

    def counter_map(self):
        return ["id", str(self.mine)] if self.pin_by_name else ["pinned", f"{self.dir}/maps/counts"]

    def counts(self):
        done = subprocess.run(["bpftool", "-j", "map", "dump", *self.counter_map()], capture_output=True, text=True,
                              check=True)
        raw = lambda hexes: bytes(int(b, 16) for b in hexes)
        return {struct.unpack("<I", raw(i["key"]))[0]: struct.unpack("<Q", raw(i["value"]))[0]
                for i in json.loads(done.stdout)}


SENDER = ("import socket,sys\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n"
          "for _ in range(int(sys.argv[2])): s.sendto(b'x',('127.0.0.1',int(sys.argv[1])))")
OPENER = "import os\nfor _ in range(200): os.close(os.open('/dev/null', os.O_RDONLY))"


def send_from(node, cgroup, n):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink:
        sink.bind(("127.0.0.1", 0))
        p = node.run_in(cgroup, [sys.executable, "-c", SENDER, str(sink.getsockname()[1]), str(n)])
        assert p.returncode == 0


class Consumers(e2e.TestCase):
    def check_all(self, node):
        managed, other = node.cgroup("web"), f"{node.root}/{node.name}"
        number = node.identity_of(managed)
        with Consumer(node, "account") as c:
            c.start(autoattach=False)
            c.attach_egress()
            send_from(node, managed, PINGS)
            self.assertEqual(c.counts().get(number), PINGS)
        with Consumer(node, "exec_tracer") as c:
            c.start()
            before = c.counts()
            for _ in range(5):
                node.run_in(managed, ["/bin/true"])
            self.assertEqual(c.counts().get(number, 0) - before.get(number, 0), 5)
            node.run_in(other, ["/bin/true"])
            self.assertGreaterEqual(c.counts().get(UNMANAGED, 0) - before.get(UNMANAGED, 0), 1)
        with Consumer(node, "openat") as c:
            c.start()
            node.run_in(managed, [sys.executable, "-c", OPENER])
            self.assertGreaterEqual(c.counts().get(number, 0), 200)
        for name in ("writer", "updater"):
            with Consumer(node, name) as c:
                done = c.load(autoattach=False)
                self.assertNotEqual(done.returncode, 0, f"{name} was loaded: a program can write the bus")
                self.assertRegex(done.stdout + done.stderr, r"write into map forbidden|Permission denied")

    def test_lean_bus_handed_over(self):
        with Node(modules=[]) as node:
            self.check_all(node)

    def test_v1_exact_bus_handed_over_and_by_name(self):
        with Node(modules=[], extra={"bus": {"compat": "v1-exact"}}) as node:
            pinned = f"{e2e.BPFFS}/prism_identity"
            self.assertTrue(os.path.exists(pinned), "the second pin of the v1-exact shape")
            self.check_all(node)
            managed = node.cgroup("byname")
            number = node.identity_of(managed)
            with Consumer(node, "exec_tracer", pin_by_name=True) as c:
                c.start()
                node.run_in(managed, ["/bin/true"])
                self.assertEqual(c.counts().get(number), 1)
            node.extra["node"] = {"on_exit": "remove"}
            node.write_config()
            node.ctl("reload", check=0)
            node.stop()
            self.assertFalse(os.path.exists(pinned), "a clean removal takes the second pin too")

    def test_the_count_follows_the_rule(self):
        """Flip one thing: the same packets with and without the rule."""
        with Node(modules=[]) as node:
            web = node.cgroup("web")
            number = node.identity_of(web)
            with Consumer(node, "account") as c:
                c.start(autoattach=False)
                c.attach_egress()
                send_from(node, web, PINGS)
                self.assertEqual(c.counts().get(number), PINGS)
                node.rules = []
                node.write_config()
                node.ctl("reload", check=0)
                wait_for("the entry to go", lambda: node.entry(web) is None)
                unmanaged = c.counts().get(UNMANAGED, 0)
                send_from(node, web, PINGS)
                self.assertEqual(c.counts().get(number), PINGS)
                self.assertGreaterEqual(c.counts().get(UNMANAGED, 0), unmanaged + PINGS)


if __name__ == "__main__":
    e2e.main()
