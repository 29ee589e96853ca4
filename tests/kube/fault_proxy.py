# SPDX-License-Identifier: Apache-2.0
"""Stands before a real API server and does to its answers what a real one cannot be made to do.

    with FaultProxy(cluster) as proxy:
        node = ...server=proxy.url...
        proxy.refuse(429, {"Retry-After": "1"})     # each request is answered so
        proxy.pass_on()                             # and no longer
        proxy.end_watches(CUT)                      # what is under way ends: in the middle of a line
        proxy.rewrite = lambda line: [line, line]   # lines of a watch, on their way

TLS ends here, HTTP/1.1 on both sides. A request is one thread.
"""
import http.client
import http.server
import socket
import ssl
import struct
import threading

CUT, GARBAGE, RESET = "cut", "garbage", "reset"


class FaultProxy:
    def __init__(self, cluster, address="127.0.0.1"):
        self.cluster, self.address = cluster, address
        self.upstream = ssl.create_default_context(cafile=cluster.path("ca.crt"))
        self.refusal = None      # (status, headers, body)
        self.rewrite = None      # line -> list of lines
        self.requests = []       # paths, as they came
        self.changed = threading.Condition()
        self.watches = set()
        self.frozen = False      # accepts, and nothing moves any more: a half-open connection
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                proxy.serve(self)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, request, client_address):
                """Who has gone, or was cut off, is what this is for."""

        self.handler, self.server_class = Handler, Server
        self.server, self.port = None, 0
        self.come_back()

    @property
    def url(self):
        return f"https://{self.address}:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.thaw()
        self.go_away()

    # ---- faults ----

    def go_away(self):
        """Nobody listens any more, and what was under way ends."""
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.thread.join()
        self.server = None
        self.end_watches(RESET)

    def come_back(self):
        """At the same address."""
        self.server = self.server_class((self.address, self.port), self.handler)
        self.port = self.server.server_address[1]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cluster.path("server.crt"), self.cluster.path("server.key"))
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def refuse(self, status, headers=None, body=b"refused\n"):
        self.refusal = (status, headers or {}, body)

    def pass_on(self):
        self.refusal = None

    def freeze(self):
        self.frozen = True

    def thaw(self):
        with self.changed:
            self.frozen = False
            self.changed.notify_all()

    def end_watches(self, how):
        for watch in list(self.watches):
            watch.end(how)

    def wait_requests(self, what, n, timeout=30):
        """The n-th request from here on whose path has this in it; `requests` is emptied before by who counts."""
        with self.changed:
            return self.changed.wait_for(lambda: sum(what in r for r in self.requests) >= n, timeout)

    # ---- a request ----

    def serve(self, handler):
        with self.changed:
            self.requests.append(handler.path)
            self.changed.notify_all()
        self.hold()
        if self.refusal:
            self.answer(handler, *self.refusal)
            return
        upstream = http.client.HTTPSConnection("127.0.0.1", self.cluster.port, context=self.upstream, timeout=None)
        try:
            headers = {k: v for k, v in handler.headers.items() if k.lower() in ("authorization", "accept", "user-agent")}
            upstream.request("GET", handler.path, headers=headers)
            answer = upstream.getresponse()
            if answer.status == 200 and "watch=1" in handler.path:
                Watch(self, handler, upstream).run(answer)
            else:
                self.answer(handler, answer.status, {"Content-Type": answer.getheader("Content-Type", "")}, answer.read())
        except (OSError, http.client.HTTPException, ValueError):
            handler.close_connection = True
        finally:
            upstream.close()

    def hold(self):
        with self.changed:
            self.changed.wait_for(lambda: not self.frozen)

    @staticmethod
    def answer(handler, status, headers, body):
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)


class Watch:
    """One stream on its way; end() comes from another thread."""

    def __init__(self, proxy, handler, upstream):
        self.proxy, self.handler, self.upstream = proxy, handler, upstream
        self.lock = threading.Lock()

    def run(self, answer):
        self.handler.send_response(200)
        self.handler.send_header("Content-Type", "application/json")
        self.handler.send_header("Transfer-Encoding", "chunked")
        self.handler.end_headers()
        self.proxy.watches.add(self)
        try:
            while line := answer.readline():
                self.proxy.hold()
                for out in self.proxy.rewrite(line) if self.proxy.rewrite else [line]:
                    self.send(out)
            self.handler.wfile.write(b"0\r\n\r\n")
        finally:
            self.proxy.watches.discard(self)

    def send(self, data):
        with self.lock:
            self.handler.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            self.handler.wfile.flush()

    def end(self, how):
        """As a server that was killed: what was begun is not ended."""
        try:
            if how == CUT:
                self.send(b'{"type":"MODIFIED","object":{"metadata":{"name":"cut')
            elif how == GARBAGE:
                self.send(b"<html><body>504 Gateway Time-out\x00\xff</body></html>\n")
            elif how == RESET:
                self.handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.handler.close_connection = True
            self.handler.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass # it is gone already
        if self.upstream.sock:
            self.upstream.sock.close()

