# SPDX-License-Identifier: Apache-2.0
"""prismd goes and comes, cleanly or not, at rest or in the middle of its start; the numbers and the counts do not."""
import contextlib
import fcntl
import os
import random
import signal
import time

import prism_e2e as e2e
import prism_load as load
from prism_e2e import Node, wait_for

KILLS = int(os.environ.get("PRISM_E2E_START_KILLS", "10"))
TRACE = {"name": "trace", "config": {"rate": 0, "ring_size": "4MiB"}}


class Upgrade(e2e.TestCase):
    def all_pins(self, node):
        return sorted(os.path.relpath(os.path.join(path, f), node.bus_dir)
                      for path, _, files in os.walk(node.bus_dir) for f in files)

    def test_stop_and_start_under_traffic(self):
        """A new prismd and new module files at once, as a package upgrade does it."""
        with Node(start=False, modules=["net", TRACE], extra={"admin": {"event_buffer": 65536}}) as node:
            load.own_modules(node, "net", "trace")
            node.write_config()
            node.start()
            for name in ("net", "trace"):
                node.wait_module(name, "running")
            web = node.cgroup("web")
            number, flags = node.identity_of(web), node.entry(web)[1]
            traffic = load.Traffic(node, web)
            seen = {}
            for i in range(4):
                traffic.flow()
                execs = load.Execs(node, web, f"{node.name}-{i}:")
                traffic.flow()
                self.assertEqual(node.stop(), 0)
                self.assertEqual(node.entry(web)[:2], (number, flags), "the bus stays as it was")
                traffic.flow()
                for name in ("net", "trace"):
                    load.install(node, name, extra=b"." * (i % 2))
                node.start()
                for name in ("net", "trace"):
                    node.wait_module(name, "running")
                traffic.flow()
                seen[execs] = execs.stop()
                # Told by the prismd before, or by this one: each is told once.
                wait_for("the execs of this turn", lambda e=execs: self.accounted(node))
            n = traffic.stop()
            self.assertEqual(load.packets(node, number), n)
            total = sum(seen.values())
            exec_count = node.metric("prism_trace_events_total", identity=number, type="exec")
            self.assertEqual(exec_count, total + len(seen) + 1, "and the tools themselves")

    @staticmethod
    def accounted(node):
        sums = {}
        for line in node.get("/metrics")[1].splitlines():
            name = line.partition(" ")[0].partition("{")[0]
            if name.startswith("prism_trace_"):
                sums[name] = sums.get(name, 0) + float(line.rsplit(" ", 1)[1])
        return sums["prism_trace_pending_bytes"] == 0 and \
            sums["prism_trace_events_total"] == sums["prism_trace_delivered_total"] + sums["prism_trace_lost_total"]

    def test_killed_while_it_starts(self):
        with Node(modules=["net", "trace"], start=False) as node:
            apps = [node.cgroup(f"app{i}") for i in range(20)]
            node.start()
            node.wait_module("net", "running")
            before = {p: node.identity_of(p) for p in apps}
            pins = self.all_pins(node)
            traffic = load.Traffic(node, apps[0])
            traffic.flow()
            self.assertEqual(node.stop(signal.SIGKILL), -signal.SIGKILL)
            dice = random.Random(2)
            for _ in range(KILLS):
                start = traffic.sent()
                node.spawn()
                # Paced by the sender, which does some 1,000 a second: from at once to well after the start.
                wait_for("a moment", lambda n=start + dice.randrange(0, 500): traffic.sent() >= n)
                if node.process.poll() is None:
                    node.stop(signal.SIGKILL)
                self.assertEqual(node.process.returncode, -signal.SIGKILL, node.log()[-2000:])
                self.assertEqual({p: node.entry(p)[0] for p in apps}, before)
            node.start()
            for name in ("net", "trace"):
                node.wait_module(name, "running")
            self.assertEqual({p: node.entry(p)[0] for p in apps}, before)
            self.assertEqual(self.all_pins(node), pins, "no stale pin, none missing")
            n = traffic.stop()
            self.assertEqual(load.packets(node, before[apps[0]]), n)
            self.assertEqual(len(node.bus()), len(apps))

    def test_lock_that_outlives_its_holder_for_a_moment(self):
        """A child that a killed prismd was just starting has its lock until it execs: no reason to refuse the next."""
        with Node(modules=[]) as node:
            number = node.identity_of(node.cgroup("web"))
            node.kill()
            for path in (node.bus_dir, f"{node.state_dir}/host.state"):
                with self.subTest(path=path):
                    fd = os.open(path, os.O_RDONLY)
                    fcntl.flock(fd, fcntl.LOCK_EX)
                    node.spawn()
                    wait_for("it to want the lock", lambda p=path: p in self.open_files(node.process.pid))
                    os.close(fd)
                    node.wait_ready()
                    self.assertEqual(node.entry(f"{node.base}/web")[0], number)
                    node.kill()

    @staticmethod
    def open_files(pid):
        files = set()
        with contextlib.suppress(FileNotFoundError):
            for fd in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(FileNotFoundError):
                    files.add(os.readlink(f"/proc/{pid}/fd/{fd}"))
        return files

    def test_killed_in_its_very_first_start(self):
        """Nothing of a first start that was cut off is in the way of the next."""
        for milliseconds in (0, 5, 15, 40, 90, 160):
            with self.subTest(milliseconds=milliseconds), Node(modules=["net", "trace"], start=False) as node:
                web = node.cgroup("web")
                node.spawn()
                wait_for("the moment", lambda at=time.monotonic() + milliseconds / 1000: time.monotonic() >= at, interval=0.001)
                node.stop(signal.SIGKILL)
                node.start()
                for name in ("net", "trace"):
                    node.wait_module(name, "running")
                number = node.identity_of(web)
                traffic = load.Traffic(node, web)
                traffic.flow()
                n = traffic.stop()
                self.assertEqual(load.packets(node, number), n)
                self.assertEqual(node.ctl("status").returncode, 0, node.ctl("status").stdout)


if __name__ == "__main__":
    e2e.main()
