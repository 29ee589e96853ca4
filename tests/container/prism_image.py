# SPDX-License-Identifier: Apache-2.0
"""An image out of its archive, and containers of it, as a kubelet would have crun start prismd. No registry, no daemon.

    with Image(archive) as image:
        image.files()
        subprocess.run(image.run("name", ["--version"]))
"""
import contextlib
import json
import os
import shutil
import subprocess
import tempfile

import prism_e2e as e2e
import prism_unit as unit

ROOT_CAPABILITIES = [f"CAP_{name.upper()}" for name in unit.capabilities()]


def bind(path, read_only=False):
    return {"destination": path, "source": path, "type": "bind", "options": ["rbind", "rro" if read_only else "rw"]}


# What a runtime gives every container, and the DaemonSet's volumes.
MOUNTS = [{"destination": "/proc", "type": "proc", "source": "proc"},
          {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=64k"]},
          {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
          bind("/sys/fs/cgroup", read_only=True), bind("/sys/fs/bpf")]


class Image:
    def __init__(self, archive):
        self.stack = contextlib.ExitStack()
        self.tmp = tempfile.mkdtemp(prefix="prism-image-")
        self.stack.callback(shutil.rmtree, self.tmp, ignore_errors=True)
        # The storage mounts itself, and says nothing of it.
        self.stack.callback(subprocess.run, ["umount", f"{self.tmp}/storage/overlay"], stderr=subprocess.DEVNULL)
        try:
            name = self.buildah("from", f"oci-archive:{archive}").split()[-1]
            self.stack.callback(self.buildah, "rm", name)
            self.config = json.loads(self.buildah("inspect", name))["OCIv1"]["config"]
            self.root = self.buildah("mount", name).strip()
            self.stack.callback(self.buildah, "umount", name)
        except BaseException:
            self.stack.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.stack.close()

    def buildah(self, *arguments):
        storage = ["--root", f"{self.tmp}/storage", "--runroot", f"{self.tmp}/run"]
        return subprocess.run(["buildah", *storage, *arguments], check=True, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True).stdout

    def files(self):
        """path -> lstat, from the image's root."""
        return {os.path.join(at, f)[len(self.root):]: os.lstat(os.path.join(at, f))
                for at, directories, files in os.walk(self.root) for f in directories + files}

    def run(self, name, arguments, mounts=()):
        """The command that runs a container: read-only root, the unit's capabilities, the host's network."""
        bundle = tempfile.mkdtemp(prefix="bundle-", dir=self.tmp)
        kinds = ("bounding", "effective", "permitted")
        spec = {"ociVersion": "1.0.0", "root": {"path": self.root, "readonly": True}, "mounts": [*MOUNTS, *mounts],
                "process": {"args": [*self.config["Entrypoint"], *arguments], "env": self.config["Env"], "cwd": "/",
                            "user": {"uid": 0, "gid": 0}, "noNewPrivileges": True,
                            "capabilities": {kind: ROOT_CAPABILITIES for kind in kinds}},
                "linux": {"namespaces": [{"type": t} for t in ("mount", "pid", "ipc", "uts")]}}
        with open(f"{bundle}/config.json", "w") as f:
            json.dump(spec, f)
        return [*self.crun(), "run", "--bundle", bundle, name]

    def crun(self):
        """crun wants cgroup v2 alone, where nodes have it; a hybrid host looks like one in a mount namespace."""
        alone = 'mount --bind "$0" /sys/fs/cgroup && exec "$@"'
        return ["unshare", "--mount", "sh", "-c", alone, e2e.cgroup2_root(),
                "crun", "--root", f"{self.tmp}/crun", "--cgroup-manager", "disabled"]
