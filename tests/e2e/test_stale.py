# SPDX-License-Identifier: Apache-2.0
"""A consumer built with the SDK tells known, unknown and stale apart, and its cached lookup is never out of date."""
import json
import os
import select
import struct
import subprocess
import sys

import prism_e2e as e2e
from prism_e2e import Node, UNMANAGED, wait_for

OBJECT = os.path.join(e2e.BUILD, "tests", "e2e", "consumers", "asker.bpf.o")
UNKNOWN, KNOWN, STALE = range(3)
FAST = {"bus": {"heartbeat": "1s", "stale_after": "3s"}}
ASKER = """
import os
while os.read(0, 1):
    os.getpriority(os.PRIO_PROCESS, 0)
    os.write(1, b".")
"""


def hexes(data):
    return [f"0x{b:02x}" for b in data]


class Asker(e2e.Attached):
    """The program, loaded by bpftool with both maps handed over; asks as tasks in any cgroup."""

    def __init__(self, node):
        self.node = node
        super().__init__(node, OBJECT, "asker")

    def task(self, cgroup):
        """A task that can be asked; sleeps else."""
        p = self.node.popen_in(cgroup, [sys.executable, "-c", ASKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               bufsize=0)
        subprocess.run(["bpftool", "map", "update", "pinned", f"{self.dir}/maps/answers", "key",
                        *hexes(struct.pack("<I", p.pid)), "value", *hexes(bytes(32))], check=True)
        return p

    def __call__(self, task):
        """(state, identity, flags); the plain and the cached lookup have said the same."""
        task.stdin.write(b".")
        if not select.select([task.stdout], [], [], e2e.TIMEOUT)[0]:
            raise AssertionError("the task does not answer")
        task.stdout.read(1)
        done = subprocess.run(["bpftool", "-j", "map", "lookup", "pinned", f"{self.dir}/maps/answers", "key",
                               *hexes(struct.pack("<I", task.pid))], capture_output=True, text=True, check=True)
        value = bytes(int(b, 16) for b in json.loads(done.stdout)["value"])
        asked, *rest = struct.unpack("<Q6I", value)
        if not asked:
            raise AssertionError("the program has not run")
        if rest[:3] != rest[3:]:
            raise AssertionError(f"plain {rest[:3]}, cached {rest[3:]}")
        return tuple(rest[:3])

    def state(self, task):
        return self(task)[:2]


class Stale(e2e.TestCase):
    def test_known_stale_and_known_again(self):
        with Node(modules=[], extra=FAST) as node:
            web = node.cgroup("web")
            number = node.identity_of(web)
            ask = Asker(node)
            managed, other = ask.task(web), ask.task(node.base)
            self.assertEqual(ask.state(managed), (KNOWN, number))
            self.assertEqual(ask.state(other), (UNKNOWN, UNMANAGED))
            for end in (node.kill, node.stop):
                end()
                wait_for("the bus to be stale", lambda: ask(managed)[0] == STALE)
                self.assertEqual(ask.state(managed), (STALE, number), "the last that was known")
                self.assertEqual(ask.state(other), (STALE, 0), "nobody can say")
                late = node.cgroup(f"web/late-{end.__name__}")
                self.assertEqual(ask.state(ask.task(late)), (STALE, number), "from its ancestor")
                node.start()
                self.assertEqual(ask.state(managed), (KNOWN, number))
                self.assertEqual(ask.state(other), (UNKNOWN, UNMANAGED))

    def test_not_stale_while_it_beats(self):
        with Node(modules=[], extra=FAST) as node:
            web = node.cgroup("web")
            number = node.identity_of(web)
            ask = Asker(node)
            managed, first = ask.task(web), node.meta()["heartbeat_ns"]
            beaten = lambda: node.meta()["heartbeat_ns"] - first > 4e9
            while not beaten():
                self.assertEqual(ask.state(managed), (KNOWN, number))

    def test_cache_sees_relabel_move_and_restart(self):
        with Node(modules=[]) as node:
            web, db = node.cgroup("web"), node.cgroup("db")
            first, second = node.identity_of(web), node.identity_of(db)
            ask = Asker(node)
            task = ask.task(web)
            for _ in range(3):
                self.assertEqual(ask.state(task), (KNOWN, first))

            def move(cgroup):
                with open(f"{cgroup}/cgroup.procs", "w") as f:
                    f.write(str(task.pid))

            for cgroup, state in ((db, (KNOWN, second)), (node.base, (UNKNOWN, UNMANAGED)), (web, (KNOWN, first))):
                move(cgroup)
                self.assertEqual(ask.state(task), state, cgroup)
            node.rules[0].update({"class": "critical", "weight": 100})
            node.write_config()
            node.ctl("reload", check=0)
            self.assertEqual(ask(task), (KNOWN, first, 0x32100), "another policy, the same number")
            node.rules[0]["labels"] = {"tier": "gold"}
            node.write_config()
            node.ctl("reload", check=0)
            relabelled = node.entry(web)[0]
            self.assertNotEqual(relabelled, first)
            self.assertEqual(ask.state(task), (KNOWN, relabelled))
            rules, node.rules = node.rules, []
            node.write_config()
            node.ctl("reload", check=0)
            self.assertEqual(ask.state(task), (UNKNOWN, UNMANAGED))
            node.rules = rules
            node.write_config()
            node.ctl("reload", check=0)
            self.assertEqual(ask.state(task), (KNOWN, relabelled))
            # What changes while prismd is away is seen as soon as the next one has read it.
            node.kill()
            self.assertEqual(ask.state(task), (KNOWN, relabelled))
            del node.rules[0]["labels"]
            node.write_config()
            node.start()
            self.assertEqual(ask.state(task), (KNOWN, first))
            child = node.cgroup("db/child")
            move(child)
            self.assertEqual(ask.state(task), (KNOWN, second))
            self.assertEqual(node.stop(), 0)
            node.start()
            self.assertEqual(ask.state(task), (KNOWN, second))
            move(web)
            os.rmdir(child)
            self.assertEqual(ask.state(task), (KNOWN, first))


if __name__ == "__main__":
    e2e.main()
