# SPDX-License-Identifier: Apache-2.0
"""Work that knows its own exact numbers, and module directories to put fixtures and new files into."""
import contextlib
import os
import select
import subprocess
import sys

import prism_e2e as e2e
from prism_e2e import wait_for

FIXTURES = os.path.join(e2e.BUILD, "tests", "loader", "modules")

# Says how many packets it has sent each time it is asked (a byte on stdin), and waits for another; ends when stdin does.
SENDER = """
import os, select, socket
sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sink.bind(("127.0.0.1", 0))
s, n = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0
while True:
    s.sendto(b"x", sink.getsockname())
    n += 1
    if select.select([0], [], [], 0.0003)[0]:
        if not os.read(0, 1):
            break
        os.write(1, b"%d\\n" % n)
        if not os.read(0, 1):
            break
"""

# Runs /bin/true over and over, each with its own number as an argument.
EXECER = """
import os, select, sys
n = 0
while True:
    pid = os.posix_spawn("/bin/true", ["true", sys.argv[1] + str(n)], {})
    os.waitpid(pid, 0)
    n += 1
    if select.select([0], [], [], 0.002)[0]:
        break
print(n, flush=True)
"""


class Traffic:
    """Packets from a cgroup, counted exactly by who sends them."""

    def __init__(self, node, cgroup):
        self.process = node.popen_in(cgroup, [sys.executable, "-c", SENDER], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, bufsize=0)

    def _say(self):
        self.process.stdin.write(b".")

    def pause(self):
        """Packets sent so far; none is under way until go_on()."""
        self._say()
        if not select.select([self.process.stdout], [], [], e2e.TIMEOUT)[0]:
            raise AssertionError("the sender does not answer")
        return int(self.process.stdout.readline())

    def go_on(self):
        self._say()

    def sent(self):
        n = self.pause()
        self.go_on()
        return n

    def flow(self, n=30):
        """Returns when n packets more have been sent."""
        goal = self.sent() + n
        wait_for("traffic", lambda: self.sent() >= goal)

    def stop(self):
        n = self.pause()
        self.process.stdin.close()
        self.process.wait(e2e.TIMEOUT)
        return n


class Execs:
    """Programs started one after the other in a cgroup, each with an argument that no other has."""

    def __init__(self, node, cgroup, tag):
        self.tag = tag
        self.process = node.popen_in(cgroup, [sys.executable, "-c", EXECER, tag], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, text=True)

    def stop(self):
        self.process.stdin.write("\n")
        self.process.stdin.close()
        n = int(self.process.stdout.read())
        self.process.wait(e2e.TIMEOUT)
        return n

    def reported(self, node):
        """argument -> how often an exec with it was reported."""
        out = {}
        for event in node.events("trace.exec"):
            args = event.get("args") or []
            if len(args) == 2 and args[1].startswith(self.tag):
                out[args[1]] = out.get(args[1], 0) + 1
        return out


def packets(node, identity):
    return node.metric("prism_net_packets_total", identity=identity, direction="egress") or 0


def own_modules(node, *names):
    """A directory of module files for this node alone: the shipped and the fixtures of these names."""
    path = f"{node.tmp}/modules"
    os.makedirs(path, exist_ok=True)
    os.chmod(path, 0o755)
    for name in names:
        install(node, name)
    node.extra["module_dirs"] = [path]
    return path


def source_of(name):
    shipped = os.path.join(e2e.MODULES, f"{name}.so")
    return shipped if os.path.exists(shipped) else os.path.join(FIXTURES, f"{name}.so")


def install(node, name, source=None, extra=b"", how="rename"):
    """Puts a module file there as a package manager does (rename), or over the bytes that are there (cp)."""
    target = f"{node.tmp}/modules/{name}.so"
    with open(source or source_of(name), "rb") as f:
        data = f.read() + extra
    if how == "cp":
        with open(target, "r+b") as f:
            f.write(data)
            f.truncate()
        return target
    with open(f"{target}.new", "wb") as f:
        f.write(data)
    os.chmod(f"{target}.new", 0o644)
    os.rename(f"{target}.new", target)
    return target


def pins(node, module):
    with contextlib.suppress(FileNotFoundError):
        return sorted(os.listdir(f"{node.bus_dir}/modules/{module}"))
    return None


def modules(node):
    """name -> view."""
    return {m["name"]: m for m in node.json("/v1/modules")[1]["modules"]}


def reload(node, check=0):
    node.write_config()
    return node.ctl("reload", check=check)
