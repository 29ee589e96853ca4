# SPDX-License-Identifier: Apache-2.0
"""A real prismd on this host, for the end-to-end tests.

Everything a test makes is private to it (bus directory, state, socket, cgroups) and is taken away when its `Node` is
closed, also after a failure: processes by their pid, then pins, cgroups, mounts and files. Waiting is for conditions,
with a limit; nothing here sleeps for its own sake.

    with Node(rules=[{"match": "{base}/{app}", "namespace": "e2e"}]) as node:
        web = node.cgroup("web")
        ident = node.identity_of(web)
        node.run_in(web, ["true"])
"""
import contextlib
import json
import os
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

BUILD = os.environ.get("PRISM_BUILD", os.path.abspath("build"))
PRISMD = os.path.join(BUILD, "core", "prismd")
PRISMCTL = os.path.join(BUILD, "core", "prismctl")
MODULES = os.path.join(BUILD, "lib", "prism", "modules")
BPFFS = "/sys/fs/bpf"
TIMEOUT = float(os.environ.get("PRISM_E2E_TIMEOUT", "20"))
UNMANAGED = 3


def wait_for(what, condition, timeout=TIMEOUT, interval=0.01):
    """The condition's value as soon as it is true; an AssertionError that says what was waited for otherwise."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {timeout:g} s in vain: {what}")
        select.select([], [], [], interval)


def cgroup2_root():
    best = None
    with open("/proc/self/mountinfo") as f:
        for line in f:
            left, _, right = line.partition(" - ")
            fields = left.split()
            if right.split()[0] == "cgroup2" and fields[3] == "/" and (best is None or len(fields[4]) < len(best)):
                best = fields[4]
    if best is None:
        raise AssertionError("no cgroup v2 hierarchy on this host")
    return best


def cgroup_id(path):
    return os.stat(path).st_ino


def ensure_bpffs():
    if not os.path.ismount(BPFFS):
        subprocess.run(["mount", "-t", "bpf", "bpf", BPFFS], check=True)


class Exit(Exception):
    pass


class Node:
    """One prismd with its own world."""

    def __init__(self, rules=None, modules=("net", "trace"), start=True, config=None, extra=None, wrapper=None):
        ensure_bpffs()
        self.stack = contextlib.ExitStack()
        self.tmp = tempfile.mkdtemp(prefix="prism-e2e-", suffix=f"-{os.getpid()}")
        self.stack.callback(shutil.rmtree, self.tmp, ignore_errors=True)
        self.name = os.path.basename(self.tmp)
        self.bus_dir = f"{BPFFS}/{self.name}"
        self.stack.callback(self._remove_pins)
        self.root = cgroup2_root()
        self.base = f"{self.root}/{self.name}"
        os.mkdir(self.base)
        self.stack.callback(self._remove_cgroups)
        self.state_dir = f"{self.tmp}/state"
        self.socket = f"{self.tmp}/prismd.sock"
        self.config_path = f"{self.tmp}/prismd.yaml"
        self.log_path = f"{self.tmp}/prismd.log"
        self.wrapper = list(wrapper or [])
        self.process = None
        self.processes = []
        self.stack.callback(self._end_processes)
        self.rules = rules if rules is not None else [{"match": "{base}/{app}", "namespace": "e2e"}]
        self.modules = [m if isinstance(m, dict) else {"name": m} for m in modules]
        self.extra = extra or {}
        if config is None:
            self.write_config()
        else:
            with open(self.config_path, "w") as f:
                f.write(config)
        if start:
            try:
                self.start()
            except BaseException:
                self.show_log()
                self.close()
                raise

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None and os.path.exists(self.log_path):
            self.show_log()
        self.close()

    def close(self):
        self.stack.close()

    # ---- configuration ----

    def tree(self):
        tree = {
            "node": {"state_dir": self.state_dir, "runtime_dir": self.tmp, "callback_deadline": f"{TIMEOUT / 2:g}s"},
            "log": {"level": "debug", "format": "plain"},
            "bus": {"dir": self.bus_dir},
            "admin": {"socket": self.socket, "metrics": "off"},
            "sources": {"cgroup": {"rules": [{k: v.replace("{base}", self.name) if isinstance(v, str) else v
                                              for k, v in rule.items()} for rule in self.rules]}},
            "module_dirs": [MODULES],
            "modules": self.modules,
        }
        for section, values in self.extra.items():
            if isinstance(values, dict):
                tree.setdefault(section, {}).update(values)
            else:
                tree[section] = values
        return tree

    def write_config(self):
        """JSON is YAML."""
        with open(self.config_path, "w") as f:
            json.dump(self.tree(), f, indent=2)
            f.write("\n")

    # ---- prismd ----

    def spawn(self, *arguments):
        log = open(self.log_path, "a")
        self.process = subprocess.Popen([*self.wrapper, PRISMD, "--config", self.config_path, *arguments],
                                        stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.close()
        self.processes.append(self.process)
        return self.process

    def start(self, *arguments):
        self.spawn(*arguments)
        self.wait_ready()

    def wait_ready(self):
        def ready():
            if self.process.poll() is not None:
                raise AssertionError(f"prismd ended with {self.process.returncode}:\n{self.log()[-4000:]}")
            try:
                return self.get("/readyz")[0] == 200
            except OSError:
                return False
        wait_for("prismd to be ready", ready)

    def stop(self, sig=signal.SIGTERM):
        self.process.send_signal(sig)
        return self.process.wait(TIMEOUT)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(TIMEOUT)

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def show_log(self):
        sys.stderr.write(f"--- log of {self.name} ---\n{self.log()[-8000:]}\n---\n")

    def wait_log(self, pattern):
        return wait_for(f"the log to say /{pattern}/", lambda: re.search(pattern, self.log()))

    # ---- asking it ----

    def get(self, path, method="GET"):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(TIMEOUT)
            s.connect(self.socket)
            s.sendall(f"{method} {path} HTTP/1.1\r\nHost: prism\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode())
            data = b""
            while chunk := s.recv(65536):
                data += chunk
        head, _, body = data.partition(b"\r\n\r\n")
        code = int(head.split()[1])
        if b"chunked" in head.lower():
            out = b""
            while body:
                size, _, body = body.partition(b"\r\n")
                n = int(size, 16)
                if n == 0:
                    break
                out, body = out + body[:n], body[n + 2:]
            body = out
        return code, body.decode(errors="replace")

    def json(self, path, method="GET"):
        code, body = self.get(path, method)
        return code, json.loads(body)

    def ctl(self, *arguments, check=None):
        done = subprocess.run([PRISMCTL, "--socket", self.socket, "--config", self.config_path, "--bus-dir", self.bus_dir,
                               *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=3 * TIMEOUT)
        if check is not None and done.returncode != check:
            raise AssertionError(f"prismctl {' '.join(arguments)}: exit {done.returncode}, not {check}\n{done.stdout}\n{done.stderr}")
        return done

    def metric(self, name, **labels):
        """Sum of the samples of this name that carry these labels."""
        total, found = 0.0, False
        for line in self.get("/metrics")[1].splitlines():
            m = re.match(r"([A-Za-z0-9_:]+)(?:\{(.*)\})? ([^ ]+)", line)
            if not m or m.group(1) != name:
                continue
            have = dict(re.findall(r'([a-zA-Z0-9_]+)="((?:[^"\\]|\\.)*)"', m.group(2) or ""))
            if all(have.get(k) == str(v) for k, v in labels.items()):
                total, found = total + float(m.group(3)), True
        return total if found else None

    def module(self, name):
        return self.json(f"/v1/modules/{name}")[1]

    def wait_module(self, name, state):
        def there():
            code, body = self.json(f"/v1/modules/{name}")
            view = body.get("module", body)
            seen[:] = [code, view.get("state"), view.get("reason")]
            return view if code == 200 and view.get("state") == state else None

        seen = []
        try:
            return wait_for(f"module {name} to be {state}", there)
        except AssertionError as e:
            raise AssertionError(f"{e}; last seen: {seen}") from e

    def events(self, type_prefix="", since=0):
        body = self.get(f"/v1/events?from={since}&type={type_prefix}")[1]
        return [json.loads(line) for line in body.splitlines() if line]

    # ---- the bus, read as any consumer does ----

    def bus(self):
        """cgroup id -> (identity, flags, label_hash, updated_ns), by bpftool."""
        done = subprocess.run(["bpftool", "-j", "map", "dump", "pinned", f"{self.bus_dir}/prism_identity"],
                              capture_output=True, text=True)
        if done.returncode:
            raise AssertionError(f"bpftool: {done.stdout}{done.stderr}")
        out = {}
        for item in json.loads(done.stdout):
            key = bytes(int(b, 16) for b in item["key"])
            value = bytes(int(b, 16) for b in item["value"])
            out[struct.unpack("<Q", key)[0]] = struct.unpack("<IIQQ", value)
        return out

    def entry(self, path):
        return self.bus().get(cgroup_id(path))

    def meta(self):
        done = subprocess.run(["bpftool", "-j", "map", "dump", "pinned", f"{self.bus_dir}/prism_meta"],
                              capture_output=True, text=True, check=True)
        value = bytes(int(b, 16) for b in json.loads(done.stdout)[0]["value"])
        names = ("abi_version", "value_size", "feature_flags", "generation", "writer_pid", "capacity", "heartbeat_ns",
                 "stale_jiffies", "root_levels", "stale_after_ns", "writer_epoch")
        return dict(zip(names, struct.unpack("<IIQQIIQQQQQ", value[:72])))

    def identity_of(self, path):
        """The number of a cgroup, as soon as it is on the bus."""
        return wait_for(f"an entry for {path}", lambda: self.entry(path))[0]

    # ---- cgroups and processes ----

    def cgroup(self, name):
        path = f"{self.base}/{name}"
        os.makedirs(path)
        return path

    def popen_in(self, cgroup, argv, **kwargs):
        """A process that enters the cgroup before it execs, as a service manager does it."""
        fd = os.open(f"{cgroup}/cgroup.procs", os.O_WRONLY)
        try:
            p = subprocess.Popen(argv, preexec_fn=lambda: os.write(fd, b"0") and None, **kwargs)
        finally:
            os.close(fd)
        self.processes.append(p)
        return p

    def run_in(self, cgroup, argv, **kwargs):
        p = self.popen_in(cgroup, argv, **kwargs)
        p.communicate(timeout=TIMEOUT)
        return p

    # ---- the end ----

    def _end_processes(self):
        for p in reversed(self.processes):
            if p.poll() is None:
                p.terminate()
                try:
                    p.wait(5)
                except subprocess.TimeoutExpired:
                    p.kill()
                    p.wait()
            for stream in (p.stdin, p.stdout, p.stderr):
                if stream:
                    stream.close()

    def _remove_cgroups(self):
        self.remove_cgroup(self.base)

    @staticmethod
    def remove_cgroup(top):
        """With all below it; processes in there are killed."""
        for path, _, _ in sorted(os.walk(top), key=lambda w: -len(w[0])):
            def gone():
                try:
                    with open(f"{path}/cgroup.procs") as f:
                        for pid in f.read().split():
                            with contextlib.suppress(ProcessLookupError):
                                os.kill(int(pid), signal.SIGKILL)
                    os.rmdir(path)
                except FileNotFoundError:
                    return True
                except OSError:
                    return False
                return True
            wait_for(f"{path} to be removable", gone)

    def _remove_pins(self):
        if self.extra.get("bus", {}).get("compat") == "v1-exact":
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{BPFFS}/prism_identity")
        for path, dirs, files in os.walk(self.bus_dir, topdown=False):
            for f in files:
                os.unlink(os.path.join(path, f))
            for d in dirs:
                d = os.path.join(path, d)
                (os.unlink if os.path.islink(d) else os.rmdir)(d)
        with contextlib.suppress(FileNotFoundError):
            os.rmdir(self.bus_dir)


class TestCase(unittest.TestCase):
    """Asserts that a test has left nothing, whatever became of it."""

    def run(self, result=None):
        before = self._world()
        outcome = super().run(result)
        after = self._world()
        left = {k: sorted(after[k] - before[k]) for k in after if after[k] - before[k]}
        if left and result is not None and result.wasSuccessful():
            try:
                self.fail(f"left behind: {left}")
            except AssertionError:
                result.addFailure(self, sys.exc_info())
        return outcome

    @staticmethod
    def _world():
        root = cgroup2_root()
        return {
            "pins": {os.path.join(BPFFS, n) for n in os.listdir(BPFFS) if n.startswith("prism-e2e-")
                     and n.endswith(f"-{os.getpid()}")},
            "defaults": {p for p in ("/sys/fs/bpf/prism", "/var/lib/prism", "/run/prism") if os.path.exists(p)},
            "cgroups": {n for n in os.listdir(root) if n.startswith("prism-e2e-") and n.endswith(f"-{os.getpid()}")},
        }


class Attached:
    """A consumer's object, loaded and attached by bpftool with both maps of the node's bus handed over; pinned below dir."""

    def __init__(self, node, program, name):
        self.dir = f"{BPFFS}/{node.name}-{name}"
        node.stack.callback(self.remove)
        os.mkdir(self.dir)
        maps = [word for name in ("prism_identity", "prism_meta")
                for word in ("map", "name", name, "pinned", f"{node.bus_dir}/{name}")]
        done = subprocess.run(["bpftool", "prog", "loadall", program, f"{self.dir}/prog", *maps, "pinmaps", f"{self.dir}/maps",
                               "autoattach"], capture_output=True, text=True)
        if done.returncode:
            raise AssertionError(f"bpftool: {done.stdout}{done.stderr}")

    def remove(self):
        for path, _, files in os.walk(self.dir, topdown=False):
            for f in files:
                os.unlink(os.path.join(path, f))
            os.rmdir(path)


def active_lsms():
    with contextlib.suppress(FileNotFoundError), open("/sys/kernel/security/lsm") as f:
        return f.read().strip().split(",")
    return []


FEATURES = {
    "sched_ext": lambda: os.path.exists("/sys/kernel/sched_ext"),
    "BPF LSM": lambda: "bpf" in active_lsms(),
}


def main(*needs):
    """needs: names of FEATURES without which nothing of this file makes sense."""
    missing = [name for name in needs if not FEATURES[name]()]
    if missing:
        sys.stderr.write(f"UNSUPPORTED: this kernel has no {' and no '.join(missing)}\n")
        sys.exit(77)
    if os.geteuid() != 0:
        sys.stderr.write("these tests load BPF programs and make cgroups: run them as root\n")
        sys.exit(1)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1)) # so that what a test has made is taken away
    unittest.main(verbosity=2)
