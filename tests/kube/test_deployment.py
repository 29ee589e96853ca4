# SPDX-License-Identifier: Apache-2.0
"""conf/kubernetes: the API server takes all of it, and prismd runs with what it grants and no more: these capabilities,
this configuration, this service account, a root that cannot be written, and a cgroup namespace of its own."""
import http.client
import json
import os
from unittest import mock

import yaml

import prism_kube
from control_plane import free_ports
from prism_e2e import MODULES
from prism_kube import MANIFESTS, SOURCE, canonical, pod

# As a runtime does it, in namespaces that go with the process: ROOT TMP CREDENTIALS CAPABILITIES COMMAND...
AS_IN_A_POD = """
set -eu
root=$1 tmp=$2 credentials=$3 capabilities=$4
shift 4
mount --bind "$tmp" "$tmp"
mount --bind "$root" /sys/fs/cgroup
mount -t tmpfs tmpfs /run
mkdir -p /run/secrets/kubernetes.io
cp -r "$credentials" /run/secrets/kubernetes.io/serviceaccount
mount -o remount,bind,ro /run
mount -o remount,bind,ro /
exec setpriv --bounding-set "-all,$capabilities" --no-new-privs "$@"
"""


def manifest(name, kind):
    with open(os.path.join(MANIFESTS, name)) as f:
        return next(body for body in yaml.safe_load_all(f) if body["kind"] == kind)


def container():
    return manifest("daemonset.yaml", "DaemonSet")["spec"]["template"]["spec"]["containers"][0]


def configuration():
    """The ConfigMap's, with the image's files where they are here."""
    with open(os.path.join(MANIFESTS, "prismd.yaml")) as f:
        return yaml.safe_load(f.read().replace("/usr/share/prism/", f"{SOURCE}/conf/"))


class Deployment(prism_kube.TestCase):
    def test_the_api_server_takes_it(self):
        done = self.cluster.kubectl("apply", "-k", MANIFESTS, "--dry-run=server")
        for kind in ("namespace/prism", "serviceaccount/prismd", "configmap/prismd-", "daemonset.apps/prismd",
                     "clusterrole.rbac.authorization.k8s.io/prismd", "clusterrolebinding.rbac.authorization.k8s.io/prismd"):
            self.assertIn(kind, done.stdout)
        self.cluster.kubectl("apply", "-k", MANIFESTS)
        made = json.loads(self.cluster.kubectl("get", "daemonset", "-n", "prism", "prismd", "-o", "json").stdout)
        spec = made["spec"]["template"]["spec"]
        # What the manifest says and a server does not know is dropped in silence.
        self.assertEqual(spec["containers"][0]["securityContext"], container()["securityContext"])
        named = next(v["configMap"]["name"] for v in spec["volumes"] if v["name"] == "config")
        self.cluster.kubectl("get", "configmap", "-n", "prism", named)
        self.cluster.kubectl("delete", "-n", "prism", "daemonset/prismd", f"configmap/{named}")

    def test_its_configuration_is_right_on_every_kind_of_node(self):
        with self.node(start=False, config=json.dumps({**configuration(), "module_dirs": [MODULES]})) as node:
            done = node.ctl("config", "check")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            needed = json.loads(node.ctl("caps", "-o", "json", check=0).stdout)["capabilities"]
            granted = container()["securityContext"]["capabilities"]["add"]
            self.assertEqual({capability["name"] for capability in needed}, {f"CAP_{name}" for name in granted})
        for profile in configuration()["profiles"]:
            self.assertTrue(os.path.exists(profile["file"]), profile["name"])

    def test_it_runs_with_what_the_manifest_grants(self):
        security = container()["securityContext"]
        capabilities = ",".join(f"+{c.lower()}" for c in security["capabilities"]["add"])
        self.assertEqual(security["capabilities"]["drop"], ["ALL"])
        credentials = self.cluster.path("mounted")
        os.mkdir(credentials)
        with open(f"{credentials}/token", "w") as f:
            f.write(self.cluster.token("prism", "prismd"))
        with open(f"{credentials}/ca.crt", "w") as out, open(self.cluster.path("ca.crt")) as ca:
            out.write(ca.read())
        shipped = configuration()
        port, = free_ports(1)
        node = self.node(start=False, settings={"kubeconfig": "", "node_name": "", **shipped["sources"]["kubernetes"]},
                         modules=shipped["modules"], extra={"profiles": shipped["profiles"]})
        with node:
            node.extra["sources"]["cgroup"] = {**node.tree()["sources"]["cgroup"], **shipped["sources"]["cgroup"]}
            node.write_config()
            own = node.cgroup("own") # a container's cgroup namespace begins at its own
            self.limit_memory(node.base, own)
            node.wrapper = ["sh", "-c", 'echo 0 >"$0/cgroup.procs" && exec unshare --mount --cgroup "$@"', own,
                            "sh", "-c", AS_IN_A_POD, "pod", node.root, node.tmp, credentials, capabilities]
            arguments = [a.replace("$(HOST_IP):9464", f"127.0.0.1:{port}") for a in container()["args"]
                         if not a.startswith("--config")]
            environment = {"NODE_NAME": node.node_name, "KUBERNETES_SERVICE_HOST": "127.0.0.1",
                           "KUBERNETES_SERVICE_PORT": str(self.cluster.port)}
            with mock.patch.dict(os.environ, environment):
                node.start(*arguments)
            self.check_confined(node, security["capabilities"]["add"])
            for module in node.modules:
                node.wait_module(module["name"], "running")
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
                connection.request("GET", container()[probe]["httpGet"]["path"])
                self.assertEqual(connection.getresponse().status, 200, probe)
                connection.close()
            it = node.create(pod("web", labels={"app": "web"}))
            node.wait_known(1)
            self.assertEqual(node.canonical(node.who(node.start_pod(it))), canonical(it))
            self.assertEqual(node.ctl("status").returncode, 0, node.ctl("status").stdout)
            self.assertNotRegex(node.log(), r"(?m)^\S+ (warning|error)")
            # The next one adopts what this one leaves, with the same rights.
            node.stop()
            with mock.patch.dict(os.environ, environment):
                node.start(*arguments)
            it = node.create(pod("next", labels={"app": "next"}))
            leaf = node.start_pod(it)
            node.wait_bound(it)
            self.assertEqual(node.canonical(node.who(leaf)), canonical(it))
            self.assertNotRegex(node.log(), r"(?m)^\S+ (warning|error)")
            if os.path.exists(f"{own}/memory.max"):
                self.check_memory(own)

    @staticmethod
    def limit_memory(base, own):
        """As the manifest does, where the hierarchy has the memory controller: in a guest."""
        with open(f"{base}/cgroup.controllers") as f:
            if "memory" not in f.read().split():
                return
        with open(f"{base}/cgroup.subtree_control", "w") as f:
            f.write("+memory")
        with open(f"{own}/memory.max", "w") as f:
            f.write(str(int(container()["resources"]["limits"]["memory"].removesuffix("Mi")) << 20))

    def check_memory(self, own):
        """All that it makes the kernel allocate, its maps included, over two starts."""
        with open(f"{own}/memory.peak") as f:
            print(f"\n{int(f.read()) / (1 << 20):.1f} MiB of memory at the most", flush=True)
        with open(f"{own}/memory.events") as f:
            events = dict(line.split() for line in f)
        self.assertEqual((events["max"], events["oom"]), ("0", "0"), "the limit was not met")

    def check_confined(self, node, capabilities):
        with open(f"/proc/{node.process.pid}/status") as f:
            status = dict(line.split(":\t", 1) for line in f.read().splitlines() if ":\t" in line)
        self.assertEqual(bin(int(status["CapEff"], 16)).count("1"), len(capabilities))
        self.assertEqual(status["NoNewPrivs"], "1")
        self.assertNotEqual(os.readlink(f"/proc/{node.process.pid}/ns/cgroup"), os.readlink("/proc/self/ns/cgroup"))


if __name__ == "__main__":
    prism_kube.main()
