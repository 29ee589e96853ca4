# SPDX-License-Identifier: Apache-2.0
"""A node of a real cluster on this host: its API server, a prismd that watches it, kubelet's part played with real
cgroups and processes, and a consumer in the kernel that says who they are.

    class Pods(prism_kube.TestCase):
        def test(self):
            with self.node() as node:
                pod = node.create(prism_kube.pod("web-0", labels={"app": "web"}))
                leaf = node.start_pod(pod)
                self.assertEqual(node.canonical(node.seen(leaf)), prism_kube.canonical(pod))
"""
import collections
import contextlib
import json
import os
import struct
import subprocess
import uuid

import yaml

import prism_e2e as e2e
from control_plane import ControlPlane
from kubelet import Kubelet
from prism_e2e import cgroup_id, wait_for # noqa: F401, for the tests

SOURCE = os.environ.get("PRISM_SOURCE", os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
MANIFESTS = os.path.join(SOURCE, "conf", "kubernetes")
WITNESS = os.path.join(e2e.BUILD, "tests", "kube", "witness.bpf.o")
KNOWN = 1
# Modules that every node runs, whatever a test is about: in a guest all four, with kubelet's cgroups at the root of cgroup v2,
# where systemd's slices are.
LEGS = tuple(filter(None, os.environ.get("PRISM_KUBE_LEGS", "").split(",")))
LEGS_NEED = {"sched": "sched_ext", "lsm": "BPF LSM"}
# Labels that change from pod to pod of one workload, or are policy: written down here a second time.
NO_IDENTITY = ("pod-template-hash", "controller-revision-hash", "pod-template-generation", "controller-uid",
               "batch.kubernetes.io/controller-uid", "job-name", "batch.kubernetes.io/job-name",
               "batch.kubernetes.io/job-completion-index", "statefulset.kubernetes.io/pod-name",
               "apps.kubernetes.io/pod-index")
NO_IDENTITY_PREFIX = ("topology.kubernetes.io/", "kubectl.kubernetes.io/", "prism.io/")


def pod(name, namespace="shop", labels=None, account="default", annotations=None, qos="BestEffort", **spec):
    resources = {"Guaranteed": {"limits": {"cpu": "1", "memory": "64Mi"}, "requests": {"cpu": "1", "memory": "64Mi"}},
                 "Burstable": {"requests": {"cpu": "10m"}}, "BestEffort": {}}[qos]
    if account:
        spec["serviceAccountName"] = account
    return {"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace, "labels": labels or {}, "annotations": annotations or {}},
            "spec": {"automountServiceAccountToken": False,
                     "containers": [{"name": "main", "image": "none", "resources": resources}], **spec}}


def mirror(name, config_hash, **options):
    """What kubelet writes of a static pod; the API server allows it no service account."""
    marks = {"kubernetes.io/config.hash": config_hash, "kubernetes.io/config.mirror": config_hash,
             "kubernetes.io/config.source": "file"}
    return pod(name, account=None, annotations=marks, **options)


def canonical(of):
    """What the identity of this pod stands for, said by the API object."""
    labels = of["metadata"].get("labels") or {}
    count = sorted((k.encode(), v) for k, v in labels.items()
                   if k not in NO_IDENTITY and not k.startswith(NO_IDENTITY_PREFIX))
    account = of["spec"].get("serviceAccountName", "")
    head = f"io.prism/namespace={of['metadata']['namespace']};io.prism/serviceaccount={account};"
    return head + ";".join(f"{k.decode()}={v}" for k, v in count)


def policy(flags):
    """(class, weight) of an entry's flags, as the frozen layout has them."""
    return flags >> 8 & 0x7, flags >> 11 & 0x7f


def scheduler():
    with open("/sys/kernel/sched_ext/state") as f:
        return f.read().strip()


def main():
    e2e.main(*(LEGS_NEED[leg] for leg in LEGS if leg in LEGS_NEED))


Sight = collections.namedtuple("Sight", "execs first_state first_identity last_state last_identity last_flags")


class Witness(e2e.Attached):
    """A consumer in the kernel: for each cgroup, who its tasks were at the first exec and at the last."""

    def __init__(self, node):
        super().__init__(node, WITNESS, "witness")

    def sights(self):
        done = subprocess.run(["bpftool", "-j", "map", "dump", "pinned", f"{self.dir}/maps/sights"], capture_output=True,
                              text=True, check=True)
        raw = lambda hexes: bytes(int(b, 16) for b in hexes)
        return {struct.unpack("<Q", raw(i["key"]))[0]: Sight(*struct.unpack("<QIIIII4x", raw(i["value"])))
                for i in json.loads(done.stdout)}


class Cluster(ControlPlane):
    """With prismd's own rights from the manifests, and what is asked for of namespaces and service accounts."""

    def __init__(self):
        super().__init__()
        try:
            for name in ("namespace.yaml", "rbac.yaml"):
                self.create_file(os.path.join(MANIFESTS, name))
        except BaseException:
            self.close()
            raise

    def create_file(self, path):
        plural = {"Namespace": "namespaces", "ServiceAccount": "serviceaccounts", "ClusterRole": "clusterroles",
                  "ClusterRoleBinding": "clusterrolebindings"}
        with open(path) as f:
            for body in yaml.safe_load_all(f):
                group = body["apiVersion"]
                base = f"/api/{group}" if "/" not in group else f"/apis/{group}"
                inside = body["metadata"].get("namespace")
                self.api.create(f"{base}/{f'namespaces/{inside}/' if inside else ''}{plural[body['kind']]}", body)

    def namespace(self, name, *accounts):
        """With its default service account, which a controller makes elsewhere, and others."""
        self.api.create("/api/v1/namespaces", {"metadata": {"name": name}})
        for account in ("default", *accounts):
            self.api.create(f"/api/v1/namespaces/{name}/serviceaccounts", {"metadata": {"name": account}})

    def prismd_kubeconfig(self, name, server=None):
        with open(self.path(f"{name}.token"), "w") as f:
            f.write(self.token("prism", "prismd"))
        return self.kubeconfig(name, {"tokenFile": self.path(f"{name}.token")}, server)


class KubeNode(e2e.Node):
    """settings: of sources.kubernetes. server: where prismd finds the API server, a proxy for one. kubeconfig: a file, in place
    of one with a token of prismd's own service account."""

    def __init__(self, cluster, settings=None, server=None, kubeconfig=None, node_name=None, modules=(), rules=(),
                 **options):
        self.cluster = cluster
        self.api = cluster.api
        self.node_name = node_name or f"node-{uuid.uuid4().hex[:8]}"
        self.kubeconfig = kubeconfig or cluster.prismd_kubeconfig(self.node_name, server)
        kubernetes = {"enabled": True, "kubeconfig": self.kubeconfig, "node_name": self.node_name, **(settings or {})}
        extra = options.pop("extra", {})
        extra.setdefault("sources", {})["kubernetes"] = kubernetes
        self._witness = None
        self.namespaces = set()
        self._others = self._at_the_root()
        names = [m["name"] if isinstance(m, dict) else m for m in modules]
        modules = [*modules, *(leg for leg in LEGS if leg not in names)]
        super().__init__(rules=list(rules), modules=modules, extra=extra, **options)
        self.stack.callback(self._delete_pods)
        self.kubelet = Kubelet(self.top)

    @property
    def top(self):
        """Where kubelet's cgroups are."""
        return self.root if LEGS else self.base

    def wait_ready(self):
        super().wait_ready()
        for leg in LEGS:
            self.wait_module(leg, "running")

    def close(self):
        super().close()
        if "sched" in LEGS: # its last pin is gone, and the kernel takes a while to let the scheduler go
            wait_for("the kernel's own scheduler", lambda: scheduler() == "disabled")

    @staticmethod
    def _at_the_root():
        return {entry.path for entry in os.scandir(e2e.cgroup2_root()) if entry.is_dir()}

    def _remove_cgroups(self):
        if LEGS:
            for path in self._at_the_root() - self._others:
                self.remove_cgroup(path)
        super()._remove_cgroups()

    def replace_token(self, token):
        """As kubelet does it: the file gets another content at once."""
        path = self.cluster.path(f"{self.node_name}.token")
        with open(path + ".new", "w") as f:
            f.write(token)
        os.rename(path + ".new", path)

    # ---- the API's side ----

    def create(self, body):
        body["spec"].setdefault("nodeName", self.node_name)
        namespace = body["metadata"]["namespace"]
        self.namespaces.add(namespace)
        return self.api.create(f"/api/v1/namespaces/{namespace}/pods", body)

    def _delete_pods(self):
        """The next test may use their names. A server that a test has left dead goes with its cluster."""
        with contextlib.suppress(OSError):
            for namespace in self.namespaces:
                self.api.delete(f"/api/v1/namespaces/{namespace}/pods?fieldSelector=spec.nodeName={self.node_name}",
                                {"gracePeriodSeconds": 0})

    @staticmethod
    def path_of(pod):
        return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"

    def delete(self, pod):
        """At once: there is no kubelet that would say that it has ended."""
        self.api.delete(self.path_of(pod), {"gracePeriodSeconds": 0})

    def set_status(self, pod, **status):
        return self.api.patch(self.path_of(pod) + "/status", {"status": status})

    def relabel(self, pod, labels):
        """None takes one away."""
        return self.api.patch(self.path_of(pod), {"metadata": {"labels": labels}})

    # ---- kubelet's side ----

    def start_pod(self, pod, kubelet=None):
        """Its cgroup, the sandbox, a container, and a process in each. Returns the container's cgroup."""
        kubelet = kubelet or self.kubelet
        kubelet.make_pod(pod)
        return kubelet.start_containers(pod)

    # ---- the kernel's side ----

    @property
    def witness(self):
        if not self._witness:
            self._witness = Witness(self)
        return self._witness

    def seen(self, cgroup):
        """The number that a consumer in the kernel saw at the last exec in this cgroup; 0: none."""
        sight = self.witness.sights().get(cgroup_id(cgroup))
        if not sight:
            raise AssertionError(f"no exec was seen in {cgroup}")
        return sight.last_identity if sight.last_state == KNOWN else 0

    def who(self, cgroup):
        """Who a process is that execs in this cgroup now."""
        self.witness
        self.kubelet.run_in(cgroup)
        return self.seen(cgroup)

    # ---- prismd's side ----

    def identities(self):
        return {i["number"]: i for i in json.loads(self.ctl("identity", "list", "-o", "json", check=0).stdout)["identities"]}

    def canonical(self, number):
        return self.identities().get(number, {}).get("canonical")

    def _memory(self, line):
        with open(f"/proc/{self.process.pid}/status") as f:
            return next(int(l.split()[1]) << 10 for l in f if l.startswith(line))

    def rss(self):
        return self._memory("VmRSS:")

    def rss_peak(self):
        return self._memory("VmHWM:")

    def wait_bound(self, pod, kubelet=None):
        """The number of a pod's own cgroup as soon as it is on the bus."""
        return self.identity_of((kubelet or self.kubelet).pod_path(pod))

    def wait_known(self, n):
        return wait_for(f"prismd to know {n} pods", lambda: self.metric("prism_pods", state="known") == n)

    def wait_forgotten(self):
        """Cgroups of pods that nobody knows may be another test's."""
        return wait_for("no pod to be remembered",
                        lambda: self.metric("prism_pods", state="known") + self.metric("prism_pods", state="left") == 0)


class TestCase(e2e.TestCase):
    """One cluster for the tests of a class, with namespaces that they may use."""

    NAMESPACES = {"shop": ()}

    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()
        cls.addClassCleanup(cls.cluster.close)
        for name, accounts in cls.NAMESPACES.items():
            cls.cluster.namespace(name, *accounts)

    def node(self, **options):
        return KubeNode(self.cluster, **options)
