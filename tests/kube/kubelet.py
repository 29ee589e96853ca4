# SPDX-License-Identifier: Apache-2.0
"""Kubelet's and a runtime's part of starting a pod: cgroups under the names that they have on real nodes, and processes
that enter them before they exec."""
import os
import uuid


def cgroup_uid(pod):
    """What the pod's cgroup is called by: a static pod's by the hash of its file, which its mirror has in an annotation."""
    return pod["metadata"].get("annotations", {}).get("kubernetes.io/config.hash") or pod["metadata"]["uid"]


def container_id():
    return uuid.uuid4().hex + uuid.uuid4().hex


class Kubelet:
    """driver: systemd or cgroupfs. root: the directory, below the base, that this kubelet was given as its root: ""
    or one such as kubelet.slice (systemd) or kubelet (cgroupfs), as in kind."""

    def __init__(self, base, driver="systemd", root="", runtime="containerd"):
        self.base, self.driver, self.root, self.runtime = base, driver, root, runtime

    def pod_path(self, pod):
        qos, uid = pod["status"]["qosClass"].lower(), cgroup_uid(pod)
        above = [] if qos == "guaranteed" else [qos]
        if self.driver == "cgroupfs":
            return "/".join(filter(None, [self.base, self.root, "kubepods", *above, f"pod{uid}"]))
        # A slice lies below the slices that its name begins with.
        parts = [*self.root.removesuffix(".slice").split("-"), "kubepods", *above, f"pod{uid.replace('-', '_')}"]
        parts = [p for p in parts if p]
        return "/".join([self.base, *("-".join(parts[:n + 1]) + ".slice" for n in range(len(parts)))])

    def container_path(self, pod, container=None):
        container = container or container_id()
        name = container
        if self.driver == "systemd":
            name = {"containerd": "cri-containerd-{}.scope", "crio": "crio-{}.scope", "crun": "crio-{}.scope",
                    "docker": "docker-{}.scope"}[self.runtime].format(container)
        inner = "/container" if self.runtime == "crun" else ""
        return f"{self.pod_path(pod)}/{name}{inner}"

    def make_pod(self, pod):
        path = self.pod_path(pod)
        os.makedirs(path)
        return path

    def make_container(self, pod):
        path = self.container_path(pod)
        os.makedirs(path)
        return path

    @staticmethod
    def run_in(cgroup, program="/bin/true"):
        """A process of the container, from its first exec to its end."""
        pid = os.fork()
        if pid == 0:
            try:
                fd = os.open(f"{cgroup}/cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
                os.write(fd, b"0")
                os.execv(program, [program])
            finally:
                os._exit(127)
        _, status = os.waitpid(pid, 0)
        if status:
            raise AssertionError(f"a process in {cgroup}: status {os.waitstatus_to_exitcode(status)}")

    def start_containers(self, pod):
        """The sandbox and a container, with a process in each. Returns the container's cgroup."""
        self.run_in(self.make_container(pod))
        leaf = self.make_container(pod)
        self.run_in(leaf)
        return leaf

    def remove_pod(self, pod):
        for path, _, _ in os.walk(self.pod_path(pod), topdown=False):
            os.rmdir(path)
