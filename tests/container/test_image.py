# SPDX-License-Identifier: Apache-2.0
"""The image: what is in it, and a prismd in a container of it that does for this host what one from a package does."""
import os
import stat
import subprocess

import prism_e2e as e2e
from prism_e2e import Node
from prism_image import Image, bind
from test_capabilities import CLASSIC, legs_work

ARCHIVE = os.environ["PRISM_IMAGE"]
MAX_BYTES = 40 << 20


class ContainerNode(Node):
    """As Node; prismd is the image's."""

    def __init__(self, image, **arguments):
        self.image, self.n = image, 0
        super().__init__(extra={"module_dirs": ["/usr/lib/prism/modules"]}, **arguments)

    def spawn(self, *arguments):
        self.n += 1
        command = self.image.run(f"{self.name}-{self.n}", ["--config", self.config_path, *arguments], [bind(self.tmp)])
        with open(self.log_path, "a") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.processes.append(self.process)
        return self.process

    def exec(self, *command):
        return subprocess.run([*self.image.crun(), "exec", f"{self.name}-{self.n}", *command], capture_output=True,
                              text=True, timeout=60)


class Contents(e2e.TestCase):
    def test_what_is_in_it(self):
        with Image(ARCHIVE) as image:
            files = image.files()
            for module in ("net", "trace", "sched", "lsm"):
                self.assertIn(f"/usr/lib/prism/modules/{module}.so", files)
            regular = {path: st for path, st in files.items() if stat.S_ISREG(st.st_mode)}
            programs = {path for path, st in regular.items() if st.st_mode & 0o111 and ".so" not in path}
            self.assertEqual(programs, {"/usr/sbin/prismd", "/usr/bin/prismctl"}, "no shell, no package manager")
            self.assertLess(sum(st.st_size for st in regular.values()), MAX_BYTES)
            for path, st in regular.items():
                self.assertEqual((st.st_uid, st.st_mode & 0o6022), (0, 0), path)
            libraries = [path for path in regular if ".so." in path]
            self.assertGreater(len(libraries), 5)
            for package in os.listdir(f"{image.root}/var/lib/dpkg/status.d"):
                self.assertIn(f"/usr/share/doc/{package}/copyright", files)
            self.assertEqual(image.config["Entrypoint"], ["/usr/sbin/prismd"])


class Runs(e2e.TestCase):
    def test_version(self):
        with Image(ARCHIVE) as image:
            done = subprocess.run(image.run("prism-version", ["--version"]), capture_output=True, text=True, timeout=60)
            self.assertRegex(done.stdout, r"^prismd \d+\.\d+\.\d+\n$", done.stderr)

    def test_legs_and_a_second_container(self):
        with Image(ARCHIVE) as image, ContainerNode(image, modules=CLASSIC) as node:
            _, number = legs_work(self, node)
            status = node.exec("/usr/bin/prismctl", "--socket", node.socket, "status")
            self.assertEqual((status.returncode, status.stderr), (0, ""), status.stdout)
            self.assertEqual(node.stop(), 0)
            earlier = node.bus()
            node.start()
            self.assertEqual(node.bus().keys(), earlier.keys())
            self.assertNotEqual(legs_work(self, node, "api")[1], number)
            self.assertEqual(node.stop(), 0)


if __name__ == "__main__":
    e2e.main()
