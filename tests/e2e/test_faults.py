# SPDX-License-Identifier: Apache-2.0
"""What befalls a prismd that runs: signals at bad moments, limits that are met, pins that others take away."""
import fcntl
import os
import signal
import subprocess
import threading

import prism_e2e as e2e
from prism_e2e import Node, wait_for

FIXTURES = os.path.join(e2e.BUILD, "tests", "loader", "modules")
SLOW = "loop-constructor"  # holds a test-load until its time limit


def children(pid):
    """The processes that this one has not reaped, and what they are called."""
    done = subprocess.run(["ps", "--ppid", str(pid), "-o", "stat=,comm="], capture_output=True, text=True)
    return done.stdout.split("\n")[:-1]


def tree(path):
    return sorted(os.path.join(at, f)[len(path):] for at, _, files in os.walk(path) for f in files)


def remove_tree(path):
    for at, dirs, files in os.walk(path, topdown=False):
        for f in files:
            os.unlink(os.path.join(at, f))
        for d in dirs:
            os.rmdir(os.path.join(at, d))
    os.rmdir(path)


class Signals(e2e.TestCase):
    def test_stop_while_a_request_waits(self):
        with Node(modules=[SLOW], extra={"module_dirs": [FIXTURES]}) as node:
            answers = []
            asking = threading.Thread(target=lambda: answers.append(node.json(f"/v1/modules/{SLOW}/reload", "POST")))
            asking.start()
            wait_for("the test-load to run", lambda: children(node.process.pid))
            self.assertEqual(node.stop(), 0)
            asking.join(e2e.TIMEOUT)
            self.assertEqual([(code, body["error"]["code"]) for code, body in answers], [(503, "ESHUTDOWN")])

    def test_stop_in_the_middle_of_the_start(self):
        for sig in (signal.SIGTERM, signal.SIGINT):
            with Node(modules=["net", SLOW], extra={"module_dirs": [e2e.MODULES, FIXTURES]}, start=False) as node:
                node.spawn("--remove-on-exit")
                wait_for("the test-load to run", lambda: children(node.process.pid))
                self.assertEqual(node.stop(sig), 0)
                self.assertFalse(os.path.exists(node.bus_dir))

    def test_hangup_in_the_middle_of_the_start(self):
        with Node(modules=[SLOW], extra={"module_dirs": [FIXTURES]}, start=False) as node:
            node.spawn()
            wait_for("the test-load to run", lambda: children(node.process.pid))
            node.process.send_signal(signal.SIGHUP)
            node.wait_log("configuration read again")
            self.assertEqual(node.stop(), 0)


class Limits(e2e.TestCase):
    def test_a_test_load_that_never_ends_is_reaped(self):
        with Node(modules=[SLOW], extra={"module_dirs": [FIXTURES]}) as node:
            node.wait_module(SLOW, "failed")
            self.assertEqual(children(node.process.pid), [])

    def test_more_modules_than_there_is_room_for(self):
        with Node(modules=["net"]) as node:
            node.modules = [{"name": f"m{i}"} for i in range(70)]
            node.write_config()
            code, body = node.json("/v1/reload", "POST")
            self.assertEqual(code, 400)
            self.assertIn("70 modules: at most 64", body["error"]["text"])
            self.assertEqual(node.module("net")["state"], "running")
            self.assertEqual(node.stop(), 0)

    def test_few_descriptors(self):
        """However many are left, it comes up with what they allow or ends with a reason."""
        for limit in (16, 24, *range(28, 84, 4)):
            with Node(start=False, wrapper=["prlimit", f"--nofile={limit}:{limit}"]) as node:
                node.spawn("--remove-on-exit")

                def settled():
                    if node.process.poll() is not None:
                        return True
                    try:
                        return node.get("/readyz")[0] == 200
                    except OSError:
                        return False
                wait_for(f"an end or a start with {limit} descriptors", settled)
                if node.process.poll() is None:
                    self.assertEqual(node.stop(), 0)
                else:
                    self.assertEqual(node.process.returncode, 1)
                    self.assertRegex(node.log(), r"error +prismd: .*(Too many open files|descriptors)|too many open files")


class Pins(e2e.TestCase):
    def setUp(self):
        self.node = Node(extra={"bus": {"heartbeat": "1s"}})
        self.addCleanup(self.node.close)

    def test_pins_that_are_taken_away_come_back(self):
        node = self.node
        web = node.cgroup("web")
        number = node.identity_of(web)
        before = tree(node.bus_dir)
        remove_tree(node.bus_dir)
        wait_for("all pins again", lambda: tree(node.bus_dir) == before)
        self.assertRegex(node.log(), r"error +bus: its pins in .* were removed by another process: pinned again")
        self.assertRegex(node.log(), r"error +module net: its pins .* were removed by another process")
        # The very map: what was on it is there, and what comes is written to it.
        self.assertEqual(node.entry(web)[0], number)
        node.identity_of(node.cgroup("db"))
        for name in ("net", "trace"):
            node.wait_module(name, "running")
        self.assertEqual(node.json("/v1/status")[1]["health"], "healthy")
        # Who adopts it later finds one bus and one writer.
        other = Node(start=False)
        self.addCleanup(other.close)
        other.extra = {"bus": {"dir": node.bus_dir}}
        other.write_config()
        self.assertEqual(other.spawn().wait(e2e.TIMEOUT), 1)
        self.assertRegex(other.log(), "another prismd")

    def test_a_directory_made_anew_by_others_is_taken(self):
        """Also its lock: there is one writer, whoever made the directory."""
        node = self.node
        number = node.identity_of(node.cgroup("web"))
        remove_tree(node.bus_dir)
        os.mkdir(node.bus_dir)
        wait_for("the bus again", lambda: os.path.exists(f"{node.bus_dir}/prism_identity"))
        self.assertEqual(node.identity_of(f"{node.base}/web"), number)
        fd = os.open(node.bus_dir, os.O_RDONLY)
        self.addCleanup(os.close, fd)
        with self.assertRaises(BlockingIOError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def test_another_map_in_its_place_is_named(self):
        node = self.node
        pin = f"{node.bus_dir}/prism_meta"
        os.unlink(pin)
        subprocess.run(["bpftool", "map", "create", pin, "type", "array", "key", "4", "value", "4", "entries", "1",
                        "name", "stranger"], check=True)

        def conditions():
            return [c["text"] for c in node.json("/v1/status")[1]["conditions"]]
        wait_for("a condition", lambda: any("another map took the place of the bus" in c for c in conditions()))
        os.unlink(pin)
        wait_for("no condition", lambda: not conditions())
        self.assertEqual(node.meta()["writer_pid"], node.process.pid)


if __name__ == "__main__":
    e2e.main()
