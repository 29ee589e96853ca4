# SPDX-License-Identifier: Apache-2.0
"""What is wrong is named, with its place and its remedy; nothing is lost, nothing is left."""
import contextlib
import json
import os
import subprocess

import prism_e2e as e2e
from prism_e2e import Node, wait_for


def run_once(node, *arguments):
    """prismd that is expected to give up by itself."""
    node.spawn(*arguments)
    return node.process.wait(e2e.TIMEOUT)


class BadInput(e2e.TestCase):
    def refuse(self, text, pattern, start=True):
        with Node(config=text, start=False) as node:
            # What the text does not say is the test's own all the same.
            code = run_once(node, "-s", f"node.state_dir={node.state_dir}", "-s", f"node.runtime_dir={node.tmp}",
                            "-s", f"bus.dir={node.bus_dir}", "-s", "admin.metrics=off")
            self.assertEqual(code, 1, node.log())
            self.assertRegex(node.log(), pattern)
            done = node.ctl("config", "check")
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stdout + done.stderr, pattern)

    def test_yaml_mistakes(self):
        for text, pattern in [
            ("bus: {capacity: many}\n", r"prismd\.yaml:1:7: bus\.capacity: \"many\""),
            ("bus: {capactiy: 10}\n", r"prismd\.yaml:1:\d+: bus\.capactiy: .*did you mean \"capacity\"\?"),
            ("bus:\n  compat: leen\n", r"prismd\.yaml:2:3: bus\.compat: \"leen\" is not one of lean, v1-exact \(did you mean \"lean\"\?\)"),
            ("bus: [\n", r"prismd\.yaml:\d+:\d+: "),
            ("node: {nice: 99}\n", r"prismd\.yaml:1:8: node\.nice: "),
            ("a: &x 1\nb: *x\n", r"prismd\.yaml:1:\d+: .*anchor"),
            ("bus: {}\nbus: {}\n", r"prismd\.yaml:2:1: bus: .*twice"),
            ("sources: {cgroup: {rules: [{match: 'a/{b'}]}}\n", r"prismd\.yaml:1:\d+: sources\.cgroup\.rules\[0\]\.match: .*without its"),
            ("sources: {cgroup: {rules: [{match: 'a/{b}', namespace: '{c}'}]}}\n", r"\{c\}.*not captured"),
            ("modules: [{name: Net}]\n", r"modules\[0\]\.name"),
        ]:
            with self.subTest(text=text):
                self.refuse(text, pattern)

    def test_missing_file(self):
        with Node(start=False) as node:
            os.unlink(node.config_path)
            self.assertEqual(run_once(node), 1)
            self.assertRegex(node.log(), r"prismd\.yaml.*No such file")

    def test_bad_reload_changes_nothing(self):
        with Node() as node:
            web = node.cgroup("web")
            before = node.entry(web) or (node.identity_of(web), node.entry(web))[1]
            with open(node.config_path, "a") as f:
                f.write("\n}")
            done = node.ctl("reload")
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stdout + done.stderr, r"prismd\.yaml:\d+:\d+")
            self.assertEqual(node.entry(web), before)
            self.assertIn("reload was refused", node.ctl("status").stdout)
            node.write_config()
            node.ctl("reload", check=0)
            self.assertNotIn("reload was refused", node.ctl("status").stdout)

    def test_v1_only_view(self):
        """A mount namespace without the v2 hierarchy: refused with what to do."""
        with Node(start=False) as node:
            script = (f"mount --make-rprivate / && umount {node.root} && "
                      f"exec {e2e.PRISMD} --config {node.config_path}")
            if node.root == "/sys/fs/cgroup":
                script = script.replace("umount", "umount -l")
            done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, timeout=30)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertRegex(done.stderr, r"no cgroup v2 hierarchy is mounted.*mount -t cgroup2")

    def test_unwritable_state_directory(self):
        with Node(start=False) as node:
            with open(node.state_dir, "w") as f:
                f.write("in the way")
            self.assertEqual(run_once(node), 1)
            self.assertRegex(node.log(), r"/state: .*node\.state_dir.*not a directory|/state.*is not a directory")
            self.assertFalse(os.path.exists(node.bus_dir), "a failed start leaves no pins")

    def test_read_only_state_directory(self):
        with Node(start=False) as node:
            os.mkdir(node.state_dir)
            subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", node.state_dir], check=True)
            try:
                self.assertEqual(run_once(node), 1)
                self.assertRegex(node.log(), r"identities: .*cannot be written: Read-only file system")
                self.assertFalse(os.path.exists(node.bus_dir))
            finally:
                subprocess.run(["umount", node.state_dir], check=True)

    def test_state_directory_that_fills_up_later(self):
        with Node(start=False, modules=[]) as node:
            os.mkdir(node.state_dir)
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", node.state_dir], check=True)
            try:
                node.start()
                filler = f"{node.state_dir}/filler"
                with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as f:
                    while True:
                        f.write(b"x" * 4096)
                number = node.identity_of(node.cgroup("web"))
                wait_for("status to say it", lambda: "identity table is not on disk" in node.ctl("status").stdout)
                self.assertEqual(node.ctl("status").returncode, 4)
                self.assertEqual(node.entry(f"{node.base}/web")[0], number)
                os.unlink(filler)
                wait_for("the table to be written", lambda: node.ctl("status").returncode == 0, timeout=40)
                with open(f"{node.state_dir}/identities") as f:
                    self.assertIn(str(number), f.read())
                node.stop()
            finally:
                node._end_processes()
                subprocess.run(["umount", node.state_dir], check=True)

    def test_foreign_map_at_the_pin_path(self):
        with Node(start=False) as node:
            os.mkdir(node.bus_dir)
            subprocess.run(["bpftool", "map", "create", f"{node.bus_dir}/prism_identity", "type", "array", "key", "4",
                            "value", "8", "entries", "4", "name", "foreign"], check=True)
            self.assertEqual(run_once(node), 1)
            self.assertRegex(node.log(), r"prism_identity: is a foreign map.*nothing was touched")
            done = subprocess.run(["bpftool", "-j", "map", "show", "pinned", f"{node.bus_dir}/prism_identity"],
                                  capture_output=True, text=True, check=True)
            self.assertEqual(json.loads(done.stdout)["name"], "foreign")
            self.assertEqual(os.listdir(node.bus_dir), ["prism_identity"])

    def test_second_writer_is_refused(self):
        with Node(modules=[]) as node:
            done = subprocess.run([e2e.PRISMD, "--config", node.config_path], capture_output=True, text=True, timeout=30)
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, rf"another prismd \(pid {node.process.pid}\) writes this bus")
            self.assertEqual(node.get("/healthz")[0], 200)

    def test_full_bus_is_loud_and_recovers(self):
        with Node(modules=[], extra={"bus": {"capacity": 8}}) as node:
            paths = [node.cgroup(f"app{i}") for i in range(12)]
            wait_for("status to say that the map is full", lambda: "the map is full" in node.ctl("status").stdout)
            self.assertEqual(node.ctl("status").returncode, 4)
            self.assertEqual(len(node.bus()), 8)
            self.assertGreaterEqual(node.metric("prism_bus_write_failures_total", reason="full"), 1)
            kept = node.bus()
            missing = [p for p in paths if e2e.cgroup_id(p) not in kept]
            for p in [p for p in paths if e2e.cgroup_id(p) in kept][:4]:
                os.rmdir(p)
            wait_for("those that waited to be written", lambda: all(node.entry(p) for p in missing))
            wait_for("status to be well again", lambda: node.ctl("status").returncode == 0)

    def test_usage_errors(self):
        for arguments in (["--no-such"], ["stray"]):
            done = subprocess.run([e2e.PRISMD, *arguments], capture_output=True, text=True, timeout=10)
            self.assertEqual(done.returncode, 2)
        done = subprocess.run([e2e.PRISMCTL, "no-such-command"], capture_output=True, text=True, timeout=10)
        self.assertEqual(done.returncode, 2)


if __name__ == "__main__":
    e2e.main()
