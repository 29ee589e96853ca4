# SPDX-License-Identifier: Apache-2.0
"""A real control plane on this host: etcd and kube-apiserver with certificates, RBAC and a service-account issuer.

    with ControlPlane() as cluster:
        cluster.api.create("/api/v1/namespaces", {"metadata": {"name": "shop"}})
        cluster.kill_apiserver()
        cluster.start_apiserver()

All of it lives in one directory that goes with it. Ports are the kernel's choice.
"""
import base64
import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time

from prism_e2e import TIMEOUT, wait_for

HERE = os.path.dirname(os.path.abspath(__file__))
ISSUER = "https://kubernetes.default.svc"
START_LIMIT = max(120, 8 * TIMEOUT) # seconds; a loaded machine takes many times what an idle one does


def programs():
    """The directory with kube-apiserver, kubectl, etcd and etcdctl; built before the tests, never by them."""
    if os.environ.get("PRISM_KUBE_PROGRAMS"):
        return os.environ["PRISM_KUBE_PROGRAMS"]
    done = subprocess.run([os.path.join(HERE, "apiserver"), "--cached"], capture_output=True, text=True)
    if done.returncode:
        raise AssertionError(done.stderr.strip() or f"tests/kube/apiserver: status {done.returncode}")
    return done.stdout.strip()


def free_ports(n):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]


class ApiError(Exception):
    def __init__(self, status, body):
        super().__init__(f"HTTP {status}: {body[:500]}")
        self.status = status


class Api:
    """One kept connection; made anew when the server was."""

    def __init__(self, port, context):
        self.port, self.context, self.connection = port, context, None

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def request(self, method, path, body=None, kind="application/json"):
        data = None if body is None else json.dumps(body)
        if not self.connection:
            self.connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.context, timeout=max(60, TIMEOUT))
        try:
            self.connection.request(method, path, data, {"Content-Type": kind} if data else {})
            answer = self.connection.getresponse()
            text = answer.read().decode()
        except BaseException:
            self.close()
            raise
        if answer.status >= 300:
            raise ApiError(answer.status, text)
        return json.loads(text) if text.startswith("{") else text

    def get(self, path):
        return self.request("GET", path)

    def create(self, path, body):
        return self.request("POST", path, body)

    def patch(self, path, body):
        return self.request("PATCH", path, body, "application/merge-patch+json")

    def delete(self, path, body=None):
        return self.request("DELETE", path, body)


class Authority:
    """Keys and certificates by openssl."""

    def __init__(self, directory):
        self.directory = directory
        self.key("ca")
        self.openssl("req", "-x509", "-new", "-key", self.path("ca.key"), "-subj", "/CN=prism-test-ca", "-days", "2",
                      "-out", self.path("ca.crt"))

    def path(self, name):
        return os.path.join(self.directory, name)

    @staticmethod
    def openssl(*arguments, data=None):
        return subprocess.run(["openssl", *arguments], input=data, capture_output=True, check=True).stdout

    def key(self, name):
        self.openssl("genrsa", "-out", self.path(f"{name}.key"), "2048")

    def issue(self, name, subject, extensions):
        self.key(name)
        with open(self.path(f"{name}.ext"), "w") as f:
            f.write("\n".join(extensions) + "\n")
        request = self.openssl("req", "-new", "-key", self.path(f"{name}.key"), "-subj", subject)
        self.openssl("x509", "-req", "-CA", self.path("ca.crt"), "-CAkey", self.path("ca.key"), "-CAcreateserial",
                      "-days", "2", "-extfile", self.path(f"{name}.ext"), "-out", self.path(f"{name}.crt"), data=request)

    def sign(self, name, data):
        return self.openssl("dgst", "-sha256", "-sign", self.path(f"{name}.key"), data=data)


class ControlPlane:
    def __init__(self):
        self.programs = programs()
        self.stack = contextlib.ExitStack()
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self):
        # etcd writes through to its disk at each change: in memory that costs nothing.
        shm = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.dir = tempfile.mkdtemp(prefix="prism-kube-", suffix=f"-{os.getpid()}", dir=shm)
        self.stack.callback(shutil.rmtree, self.dir, ignore_errors=True)
        self.authority = Authority(self.dir)
        self.authority.issue("server", "/CN=kube-apiserver", ["subjectAltName=DNS:localhost,DNS:kubernetes,IP:127.0.0.1"])
        self.authority.issue("admin", "/O=system:masters/CN=admin", ["extendedKeyUsage=clientAuth"])
        self.authority.key("service-account")
        self.port, self.etcd_port, peer = free_ports(3)
        context = ssl.create_default_context(cafile=self.path("ca.crt"))
        context.load_cert_chain(self.path("admin.crt"), self.path("admin.key"))
        self.api = Api(self.port, context)
        self.stack.callback(self.api.close)
        self.etcd = self._spawn("etcd", "--data-dir", self.path("etcd"), "--listen-client-urls", self.etcd_url,
                                "--advertise-client-urls", self.etcd_url, "--listen-peer-urls", f"http://127.0.0.1:{peer}",
                                "--log-level", "warn")
        self.apiserver = None
        self.start_apiserver()

    @property
    def etcd_url(self):
        return f"http://127.0.0.1:{self.etcd_port}"

    @property
    def url(self):
        return f"https://127.0.0.1:{self.port}"

    def path(self, name):
        return os.path.join(self.dir, name)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        self.stack.close()

    # ---- processes ----

    def _spawn(self, name, *arguments):
        with open(self.path(f"{name}.log"), "a") as log:
            process = subprocess.Popen([os.path.join(self.programs, name), *arguments], stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=log, cwd=self.dir)
        self.stack.callback(self._end, process)
        return process

    @staticmethod
    def _end(process):
        """At once: with a watch open a server takes a minute to go by itself."""
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()

    def start_apiserver(self):
        key = self.path("service-account.key")
        self.apiserver = self._spawn(
            "kube-apiserver", "--etcd-servers", self.etcd_url, "--bind-address", "127.0.0.1", "--secure-port", str(self.port),
            "--advertise-address", "198.51.100.9", # else it wants a machine with a route to somewhere
            "--tls-cert-file", self.path("server.crt"), "--tls-private-key-file", self.path("server.key"),
            "--client-ca-file", self.path("ca.crt"), "--authorization-mode", "Node,RBAC",
            "--enable-admission-plugins", "NodeRestriction", "--service-account-issuer", ISSUER,
            "--service-account-key-file", key, "--service-account-signing-key-file", key,
            "--service-cluster-ip-range", "10.0.0.0/24", "--cert-dir", self.dir, "--allow-privileged", "--v", "0")
        wait_for("the API server to be ready", self._ready, timeout=START_LIMIT, interval=0.1)

    def _ready(self):
        for process in (self.etcd, self.apiserver):
            if process.poll() is not None:
                raise AssertionError(f"{process.args[0]} ended with {process.returncode}:\n{self.log_of(process)}")
        try:
            return self.api.get("/readyz") == "ok"
        except (OSError, http.client.HTTPException, ApiError):
            return False

    def log_of(self, process):
        with open(self.path(os.path.basename(process.args[0]) + ".log"), errors="replace") as f:
            return f.read()[-4000:]

    def kill_apiserver(self):
        self._end(self.apiserver)
        self.api.close()

    def compact(self):
        """Forgets all history: who asks for an older version, after a restart of the API server, is told 410."""
        etcdctl = [os.path.join(self.programs, "etcdctl"), "--endpoints", self.etcd_url]
        environment = {**os.environ, "ETCDCTL_API": "3"}
        status = json.loads(subprocess.run([*etcdctl, "endpoint", "status", "-w", "json"], env=environment, check=True,
                                           capture_output=True).stdout)
        subprocess.run([*etcdctl, "compact", str(status[0]["Status"]["header"]["revision"])], env=environment, check=True,
                       capture_output=True)

    # ---- access ----

    def kubeconfig(self, name, user, server=None):
        """A file: user as in a kubeconfig. server: another address, as that of a proxy."""
        path = self.path(f"{name}.kubeconfig")
        body = {
            "apiVersion": "v1", "kind": "Config", "current-context": name,
            "clusters": [{"name": "test", "cluster": {
                "server": server or self.url, "certificate-authority": self.path("ca.crt"), "tls-server-name": "localhost"}}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": name, "context": {"cluster": "test", "user": name}}],
        }
        with open(path, "w") as f:
            json.dump(body, f, indent=2)
        return path

    def admin_kubeconfig(self):
        return self.kubeconfig("admin", {"client-certificate": self.path("admin.crt"), "client-key": self.path("admin.key")})

    def kubectl(self, *arguments, data=None, check=True):
        done = subprocess.run([os.path.join(self.programs, "kubectl"), "--kubeconfig", self.admin_kubeconfig(),
                               "--cache-dir", self.path("kubectl"), *arguments], input=data, capture_output=True, text=True)
        if check and done.returncode:
            raise AssertionError(f"kubectl {' '.join(arguments)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def token(self, namespace, account, seconds=3600):
        """By TokenRequest, as kubelet gets it."""
        answer = self.api.create(f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token",
                                 {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
                                  "spec": {"expirationSeconds": seconds}})
        return answer["status"]["token"]

    def short_token(self, namespace, account, seconds):
        """Signed here, with the server's own key: servers issue none for less than ten minutes, and take one for a minute
        after its end, which has passed when this one is made."""
        uid = self.api.get(f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}")["metadata"]["uid"]
        now = int(time.time())
        encode = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=")
        head = {"alg": "RS256", "typ": "JWT"}
        claims = {"iss": ISSUER, "aud": [ISSUER], "iat": now - 90, "nbf": now - 90, "exp": now - 60 + seconds,
                  "sub": f"system:serviceaccount:{namespace}:{account}",
                  "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": account, "uid": uid}}}
        signed = b".".join(encode(json.dumps(part).encode()) for part in (head, claims))
        return (signed + b"." + encode(self.authority.sign("service-account", signed))).decode()
