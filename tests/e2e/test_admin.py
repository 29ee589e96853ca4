# SPDX-License-Identifier: Apache-2.0
"""The socket and the port: who may what, what machines read, and clients that are clumsy, slow or hostile."""
import contextlib
import grp
import json
import os
import random
import re
import socket
import urllib.error
import urllib.request

import openmetrics
import prism_e2e as e2e
import prism_load as load
from prism_e2e import Node, wait_for

NOBODY = 65534
PUBLISHED = ["prism_pods_processed", "prism_identities_allocated", "prism_alloc_failures", "prism_live_identities",
             "prism_propagation_seconds", "prism_net_packets", "prism_net_bytes"]


def as_user(fn, uid, gids):
    """What fn returns (or the OSError it raises) in a child that is nobody but that user."""
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            os.setgroups(gids)
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(uid, uid, uid)
            try:
                result = fn()
            except OSError as e:
                result = type(e).__name__
            os.write(w, json.dumps(result).encode())
        os._exit(0)
    os.close(w)
    with os.fdopen(r) as f:
        text = f.read()
    os.waitpid(pid, 0)
    return json.loads(text)


class Admin(e2e.TestCase):
    def raw(self, node, data, read=True):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(e2e.TIMEOUT)
            s.connect(node.socket)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                s.sendall(data)
            out = b""
            with contextlib.suppress(ConnectionResetError):
                while read and (chunk := s.recv(65536)):
                    out += chunk
            return out

    def test_who_may_what(self):
        group = grp.getgrgid(next(g.gr_gid for g in grp.getgrall() if g.gr_gid not in (0, NOBODY)))
        with Node(modules=["net"], extra={"admin": {"group": group.gr_name}}) as node:
            os.chmod(node.tmp, 0o755)
            st = os.stat(node.socket)
            self.assertEqual((st.st_mode & 0o777, st.st_uid, st.st_gid), (0o660, 0, group.gr_gid))
            paths = ("/v1/status", "/v1/identities", "/metrics", "/v1/config")
            changes = ("/v1/reload", "/v1/modules/net/disable", "/v1/bus/check")
            for path in paths:
                self.assertEqual(as_user(lambda p=path: node.get(p)[0], NOBODY, []), "PermissionError")
                self.assertEqual(as_user(lambda p=path: node.get(p)[0], NOBODY, [group.gr_gid]), 200)
                self.assertEqual(node.get(path)[0], 200)
            for path in changes:
                code, body = as_user(lambda p=path: node.get(p, "POST"), NOBODY, [group.gr_gid])
                self.assertEqual((code, json.loads(body)["error"]["code"]), (403, "EACCES"))
            self.assertEqual(load.modules(node)["net"]["state"], "running")
            os.chmod(node.socket, 0o666) # the file is not all that keeps strangers out
            for path in paths:
                self.assertEqual(as_user(lambda p=path: node.get(p)[0], NOBODY, []), 403)
            for path in changes:
                self.assertEqual(as_user(lambda p=path: node.get(p, "POST")[0], NOBODY, []), 403)
            self.assertEqual(node.get("/v1/reload", "POST")[0], 200)

    def test_openmetrics(self):
        with Node(modules=["net", "trace"]) as node:
            for name in ("net", "trace"):
                node.wait_module(name, "running")
            # What a label value may hold that a parser can stumble over.
            for name in ("web", 'quo"te', "back\\slash", "ü", "%0a"):
                cgroup = node.cgroup(name)
                number = node.identity_of(cgroup)
                node.run_in(cgroup, ["/bin/true"])
            traffic = load.Traffic(node, cgroup)
            traffic.flow()
            traffic.stop()
            with contextlib.closing(socket.socket(socket.AF_UNIX)) as s:
                s.settimeout(e2e.TIMEOUT)
                s.connect(node.socket)
                s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                          b"Accept: application/openmetrics-text; version=1.0.0\r\n\r\n")
                data = b""
                while chunk := s.recv(65536):
                    data += chunk
            head, _, body = data.partition(b"\r\n\r\n")
            self.assertRegex(head.lower(), rb"content-type: application/openmetrics-text; ?version=1\.0\.0; ?charset=utf-8")
            if b"chunked" in head.lower():
                body = b"".join(re.split(rb"\r\n(?:[0-9a-fA-F]+\r\n)?", re.sub(rb"^[0-9a-fA-F]+\r\n", b"", body)))
                body = body.removesuffix(b"0")
            families = openmetrics.parse(body.decode())
            for name in PUBLISHED:
                self.assertIn(name, families)
            self.assertEqual(families["prism_net_packets"]["type"], "counter")
            sample = [v for (_, labels), v in families["prism_net_packets"]["samples"].items()
                      if ("identity", str(number)) in labels and ("direction", "egress") in labels]
            self.assertGreaterEqual(sum(sample), 30)
            buckets = [float(dict(labels)["le"]) for (name, labels), _ in
                       families["prism_propagation_seconds"]["samples"].items() if name.endswith("_bucket")]
            self.assertAlmostEqual(buckets[0], 1e-7)
            self.assertTrue(all(abs(b / a - 4) < 1e-6 for a, b in zip(buckets[:-2], buckets[1:-1])))
            self.assertNotIn("# EOF", node.get("/metrics")[1], "the older format when nobody asks for the newer")

    def test_paths_and_methods(self):
        with Node(modules=[]) as node:
            self.assertEqual(node.get("/healthz"), (200, "ok\n"))
            self.assertEqual(node.get("/readyz")[0], 200)
            for path, method, code in [("/v1/nothing", "GET", 404), ("/", "GET", 404), ("/v1/status/", "GET", 404),
                                       ("/v1/modules/none", "GET", 404), ("/v1/identities/1", "GET", 404),
                                       ("/v1/identities/x", "GET", 404), ("/v1/explain", "GET", 400),
                                       ("/v1/explain?pid=99999999999999999999", "GET", 400),
                                       ("/v1/events?from=-1", "GET", 400), ("/v1/status", "POST", 405),
                                       ("/v1/reload", "GET", 405), ("/metrics", "DELETE", 405),
                                       ("/v1/modules/none/enable", "POST", 404), ("/../etc/passwd", "GET", 404)]:
                with self.subTest(path=path, method=method):
                    got, body = node.json(path, method)
                    self.assertEqual((got, body["schema_version"]), (code, 1))
                    self.assertTrue(body["error"]["code"] and body["error"]["text"])
            self.assertIn(b"Allow: GET, HEAD\r\n", self.raw(node, b"PUT /v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                                                                  b"Content-Length: 0\r\n\r\n"))
            head = self.raw(node, b"HEAD /v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            self.assertTrue(head.startswith(b"HTTP/1.1 200") and head.endswith(b"\r\n\r\n"), head)

    def test_oversized_requests_and_garbage(self):
        with Node(modules=[]) as node:
            fd_count = lambda: len(os.listdir(f"/proc/{node.process.pid}/fd"))
            before, dice = fd_count(), random.Random(3)
            big = b"a" * (1 << 20)
            for data in (b"GET /" + big + b" HTTP/1.1\r\nHost: x\r\n\r\n",
                         b"GET /v1/status HTTP/1.1\r\nHost: x\r\nX-Big: " + big + b"\r\n\r\n",
                         b"GET /v1/status HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(20000)) + b"\r\n",
                         b"POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n" + big,
                         b"POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
                         b"POST /v1/reload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n"):
                answer = self.raw(node, data)
                self.assertNotIn(b"HTTP/1.1 200", answer)
            for _ in range(100):
                noise = dice.randbytes(dice.randrange(1, 4096))
                self.assertNotIn(b"HTTP/1.1 200", self.raw(node, b"\xff" + noise + b"\r\n\r\n"))
            for _ in range(20):
                self.raw(node, b"GET /healthz HTT", read=False) # gone before the request was whole
            self.raw(node, b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n" * 50, read=False) # gone before the answers
            self.assertEqual(node.get("/healthz")[0], 200)
            wait_for("prismd to let go of them", lambda: fd_count() <= before, timeout=40)

    def test_idle_connections(self):
        with Node(modules=[], extra={"admin": {"metrics": "127.0.0.1:0"}}) as node:
            port = node.json("/v1/status")[1]["admin"]["metrics"]
            idle = []
            with contextlib.ExitStack() as stack:
                for _ in range(70):
                    s = stack.enter_context(socket.socket(socket.AF_UNIX))
                    s.connect(node.socket)
                    idle.append(s)
                with urllib.request.urlopen(f"http://{port}/healthz", timeout=e2e.TIMEOUT) as answer:
                    self.assertEqual(answer.status, 200, "the other listener has its own limit")
                web = node.cgroup("web")
                node.identity_of(web)
            self.assertEqual(node.get("/healthz")[0], 200)

    def test_slow_reader_is_told_what_it_missed(self):
        with Node(modules=[], extra={"admin": {"event_buffer": 64}}) as node, socket.socket(socket.AF_UNIX) as s:
            s.settimeout(e2e.TIMEOUT)
            s.connect(node.socket)
            s.sendall(b"GET /v1/events?follow=1 HTTP/1.1\r\nHost: x\r\n\r\n")
            paths = [node.cgroup(f"app{i}") for i in range(2500)]
            wait_for("all to be on the bus", lambda: len(node.bus()) == len(paths))
            last = node.json("/v1/status")[1]["events"]["last_seq"]
            self.assertGreaterEqual(last, len(paths))
            data = b""
            while f'"seq":{last},'.encode() not in data:
                data += s.recv(1 << 20)
            lines = [json.loads(x) for x in re.findall(rb'\{"schema_version".*\}', data)]
            missed = sum(x["missed"] for x in lines if x["type"] == "prism.missed")
            self.assertGreater(missed, 0)
            seqs = [x["seq"] for x in lines if "seq" in x]
            self.assertEqual(seqs, sorted(set(seqs)))
            whole = [x for x in lines if "seq" in x]
            self.assertLessEqual(abs(len(whole) + missed - last), 2, "what came and what was missed is all there was")

    def test_tcp_answers_three_paths(self):
        with Node(modules=[], extra={"admin": {"metrics": "127.0.0.1:0"}}) as node:
            port = node.json("/v1/status")[1]["admin"]["metrics"]
            for path, want in [("/metrics", 200), ("/healthz", 200), ("/readyz", 200), ("/v1/status", 404),
                               ("/v1/identities", 404), ("/v1/config", 404), ("/", 404)]:
                try:
                    with urllib.request.urlopen(f"http://{port}{path}", timeout=e2e.TIMEOUT) as answer:
                        code = answer.status
                except urllib.error.HTTPError as e:
                    code = e.code
                self.assertEqual(code, want, path)
            for path in ("/v1/reload", "/metrics"):
                with self.assertRaises(urllib.error.HTTPError) as refused:
                    urllib.request.urlopen(f"http://{port}{path}", data=b"", timeout=e2e.TIMEOUT)
                self.assertIn(refused.exception.code, (404, 405))

    def test_service_manager_is_told(self):
        with Node(modules=[], start=False) as node, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            path = f"{node.tmp}/notify"
            manager.bind(path)
            manager.settimeout(e2e.TIMEOUT)
            node.wrapper = ["env", "-u", "WATCHDOG_PID", f"NOTIFY_SOCKET={path}", "WATCHDOG_USEC=200000"]
            said = []

            def hear(pattern):
                while not re.search(pattern, "\n".join(said), re.M):
                    said.append(manager.recv(4096).decode())
                said.clear()

            node.start()
            hear(r"^READY=1")
            hear(r"^WATCHDOG=1")
            node.get("/v1/reload", "POST")
            node.process.send_signal(1) # SIGHUP
            hear(r"^RELOADING=1\nMONOTONIC_USEC=\d+")
            hear(r"^READY=1")
            hear(r"^WATCHDOG=1")
            node.process.terminate()
            hear(r"^STOPPING=1")
            self.assertEqual(node.process.wait(e2e.TIMEOUT), 0)


if __name__ == "__main__":
    e2e.main()
