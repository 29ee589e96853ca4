# SPDX-License-Identifier: Apache-2.0
"""The Debian packages of this build: what they bring, what they want, and that what they bring works where it lies."""
import os
import re
import subprocess
import tempfile
import unittest

import prism_e2e as e2e

BUILD = os.environ.get("PRISM_BUILD", "build")


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class Packages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tmp = tempfile.TemporaryDirectory(prefix="prism-e2e-package-")
        cls.addClassCleanup(cls.tmp.cleanup)
        run("cpack", "--config", f"{BUILD}/CPackConfig.cmake", "-B", cls.tmp.name)
        cls.packages, cls.roots = {}, {}
        for name in os.listdir(cls.tmp.name):
            if name.endswith(".deb"):
                package = name.split("_")[0]
                cls.packages[package] = f"{cls.tmp.name}/{name}"
                cls.roots[package] = f"{cls.tmp.name}/{package}"
                run("dpkg-deb", "-R", cls.packages[package], cls.roots[package])

    def field(self, package, field):
        return run("dpkg-deb", "-f", self.packages[package], field).strip()

    def files(self, package):
        root = self.roots[package]
        found = {os.path.join(at, f)[len(root):] for at, _, files in os.walk(root) for f in files}
        return {path for path in found if not path.startswith("/DEBIAN/")}

    def test_there_are_two(self):
        self.assertEqual(set(self.packages), {"prism", "prism-dev"})
        self.assertEqual(self.files("prism") & self.files("prism-dev"), set())
        for package in self.packages:
            self.assertTrue(self.field(package, "Description"))
            for line in run("dpkg-deb", "-c", self.packages[package]).splitlines():
                self.assertRegex(line, r"^\S{5}-\S{2}-\S root/root", "nothing that others may write, all of it root's")

    def test_dependencies_are_those_of_the_programs(self):
        wanted = self.field("prism", "Depends")
        for library in ("libbpf1", "libcurl4", "libuv1", "libmicrohttpd12", "libsodium23", "libyaml-0-2"):
            self.assertIn(library, wanted)

    def test_configuration_is_asked_about(self):
        with open(f"{self.roots['prism']}/DEBIAN/conffiles") as f:
            self.assertEqual(set(f.read().split()), {path for path in self.files("prism") if path.startswith("/etc/")})

    def test_the_unit_starts_what_is_installed(self):
        with open(f"{self.roots['prism']}/usr/lib/systemd/system/prismd.service") as f:
            self.assertEqual(re.findall(r"^ExecStart=(.*)$", f.read(), re.M), ["/usr/sbin/prismd"])
        self.assertIn("/usr/sbin/prismd", self.files("prism"))

    def test_what_watches_it_is_there(self):
        there = {path for path in self.files("prism") if path.startswith("/usr/share/prism/monitoring/")}
        self.assertEqual({os.path.basename(path) for path in there}, {"prism.rules.yaml", "grafana-dashboard.json"})

    def test_scripts_are_shell(self):
        for script in ("postinst", "prerm", "postrm"):
            path = f"{self.roots['prism']}/DEBIAN/{script}"
            run("sh", "-n", path)
            self.assertTrue(os.access(path, os.X_OK))

    def test_it_runs(self):
        root = self.roots["prism"]
        os.chmod(self.tmp.name, 0o755) # prismd loads modules from directories that are root's
        with e2e.Node(modules=["net"], start=False, extra={"module_dirs": [f"{root}/usr/lib/prism/modules"]}) as node:
            self.assertRegex(run(f"{root}/usr/sbin/prismd", "--version"), r"^prismd \d")
            done = subprocess.run([f"{root}/usr/bin/prismctl", "--config", node.config_path, "config", "check"],
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    e2e.main()
