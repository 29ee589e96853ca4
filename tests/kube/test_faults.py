# SPDX-License-Identifier: Apache-2.0
"""What a real API server cannot be made to do, and proxies, load balancers and broken networks do: a fault proxy stands
before the real one. Whatever it was, nothing on the bus is lost or wrong, it is said, and it is over by itself."""
import contextlib
import os
import subprocess
import time

import prism_kube
from fault_proxy import CUT, GARBAGE, RESET, FaultProxy
from prism_kube import canonical, pod, wait_for

HUGE = 100 << 20
QUICK = {"retry_max": "1s", "idle_limit": "2s"}


class Faults(prism_kube.TestCase):
    def start(self, settings=QUICK):
        proxy = self.enterContext(FaultProxy(self.cluster))
        node = self.enterContext(self.node(server=proxy.url, settings=settings))
        known = node.create(pod("known", labels={"app": "known"}))
        node.wait_known(1)
        return proxy, node, (known, node.start_pod(known))

    def assert_recovers(self, node, running, name="after"):
        new = node.create(pod(name, labels={"app": name}))
        leaf = node.start_pod(new)
        node.wait_bound(new)
        for it, cgroup in (running, (new, leaf)):
            self.assertEqual(node.canonical(node.who(cgroup)), canonical(it))
        wait_for("prismd to be healthy", lambda: node.ctl("status").returncode == 0)

    def wait_condition(self, node, text):
        return wait_for(f"status to say {text}", lambda: text in node.ctl("status").stdout)

    def test_overload_is_waited_out_as_long_as_it_asks(self):
        proxy, node, running = self.start()
        proxy.refuse(429, {"Retry-After": "2", "Content-Type": "text/plain"}, b"Too many requests, please try again later.\n")
        began = time.monotonic()
        proxy.requests.clear()
        proxy.end_watches(CUT)
        self.wait_condition(node, "the API server is overloaded (HTTP 429 Too many requests")
        wait_for("three attempts", lambda: len(proxy.requests) >= 3, timeout=30)
        self.assertGreaterEqual(time.monotonic() - began, 4, "two waits of two seconds")
        wait_for("them to be counted", lambda: node.metric("prism_kube_requests_total", code="429") == len(proxy.requests))
        proxy.pass_on()
        self.assert_recovers(node, running)

    def test_errors_of_whatever_stands_between(self):
        proxy, node, running = self.start()
        for status, body in ((500, b'{"kind":"Status","message":"etcdserver: request timed out","code":500}'),
                             (502, b"<html>Bad Gateway</html>"), (503, b"no endpoints\n"), (404, b"404 page not found\n")):
            with self.subTest(status):
                proxy.refuse(status, body=body)
                proxy.end_watches(RESET)
                self.wait_condition(node, f"HTTP {status}")
                proxy.pass_on()
                self.assert_recovers(node, running, f"after-{status}")

    def test_another_page_at_this_address(self):
        proxy, node, running = self.start()
        proxy.refuse(200, {"Content-Type": "text/html"}, b"<!doctype html><title>Log in</title>\n" * 100)
        proxy.end_watches(CUT)
        self.wait_condition(node, "kubernetes:")
        self.assertEqual(node.ctl("status").returncode, 4)
        proxy.refuse(200, {"Content-Type": "application/json"}, b'{"kind":"NodeList","metadata":{},"surprise":[]}')
        wait_for("two more attempts", lambda: proxy.requests.clear() or proxy.wait_requests("pods", 2))
        self.assertEqual(node.metric("prism_pods", state="known"), 1, "nothing is taken for gone")
        proxy.pass_on()
        self.assert_recovers(node, running)

    def test_an_empty_list_is_believed_only_when_it_is_whole(self):
        proxy, node, running = self.start()
        proxy.refuse(200, {"Content-Type": "application/json"}, b'{"kind":"PodList","metadata":{"resourceVersion":"9"},"items":[')
        proxy.end_watches(GARBAGE)
        wait_for("two lists that are cut", lambda: proxy.requests.clear() or proxy.wait_requests("limit=", 2))
        self.assertEqual(node.metric("prism_pods", state="known"), 1)
        proxy.pass_on()
        self.assert_recovers(node, running)

    def test_streams_that_end_in_every_way(self):
        proxy, node, running = self.start()
        for n, how in enumerate((CUT, GARBAGE, RESET) * 2):
            with self.subTest(how):
                wait_for("a watch", lambda: proxy.watches)
                proxy.end_watches(how)
                self.assert_recovers(node, running, f"after-{n}")

    def test_a_connection_on_which_nothing_comes(self):
        """Half-open: it is accepted, and silent."""
        proxy, node, running = self.start()
        proxy.freeze()
        new = node.create(pod("unheard", labels={"app": "unheard"}))
        leaf = node.start_pod(new)
        wait_for("prismd to give the watch up", lambda: node.metric("prism_kube_watch_restarts_total", reason="idle"))
        self.assertEqual(node.canonical(node.who(running[1])), canonical(running[0]))
        proxy.thaw()
        node.wait_bound(new)
        self.assertEqual(node.canonical(node.who(leaf)), canonical(new))
        self.assert_recovers(node, running)

    def test_a_network_that_swallows_everything(self):
        """No byte comes and no connection ends: only TCP can tell, and half a minute is all that it has."""
        with contextlib.ExitStack() as network:
            # A network of its own for prismd, which goes with this process.
            holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
            network.callback(holder.wait)
            network.callback(holder.kill)
            inside = ["nsenter", f"--net=/proc/{holder.pid}/ns/net"]
            own = os.readlink("/proc/self/ns/net")
            wait_for("the network to be there", lambda: os.readlink(f"/proc/{holder.pid}/ns/net") != own)
            ip = lambda *words, within=(), check=True: subprocess.run([*within, "ip", *words], check=check)
            link = f"prism{os.getpid()}"
            if ip("link", "add", link, "type", "veth", "peer", "name", "up0", "netns", str(holder.pid), check=False).returncode:
                self.skipTest("veth is not in this kernel's image")
            ip("address", "add", "198.51.100.1/30", "dev", link)
            ip("link", "set", link, "up")
            ip("address", "add", "198.51.100.2/30", "dev", "up0", within=inside)
            ip("link", "set", "up0", "up", within=inside)
            proxy = network.enter_context(FaultProxy(self.cluster, "198.51.100.1"))
            node = network.enter_context(self.node(server=proxy.url, start=False, wrapper=inside))
            node.start()
            known = node.create(pod("known", labels={"app": "known"}))
            node.wait_known(1)
            running = (known, node.start_pod(known))
            ip("link", "set", link, "down")
            began = time.monotonic()
            wait_for("prismd to notice", lambda: node.metric("prism_kube_connected", resource="pods") == 0, timeout=60)
            print(f"\na dead connection was noticed after {time.monotonic() - began:.0f} s", flush=True)
            self.assertEqual(node.canonical(node.who(running[1])), canonical(running[0]))
            ip("link", "set", link, "up")
            self.assert_recovers(node, running)

    def test_an_object_of_a_hundred_megabytes(self):
        proxy, node, running = self.start({**QUICK, "idle_limit": "90s"})
        before = node.rss_peak()
        filler = b"x" * HUGE

        def inflate(line):
            head, mark, rest = line.partition(b'"metadata":{')
            return [head + mark + b'"filler":"' + filler + b'",' + rest] if b'"huge"' in line and mark else [line]
        proxy.rewrite = inflate
        node.create(pod("huge"))
        wait_for("prismd to pass it over", lambda: node.metric("prism_kube_objects_refused_total"), timeout=120)
        proxy.rewrite = None
        self.assertLess(node.rss_peak() - before, 8 << 20, "bytes of memory for an object of 100 MiB")
        self.assertIn("larger than sources.kubernetes.max_object", node.ctl("status").stdout)
        new = node.create(pod("after", labels={"app": "after"}))
        leaf = node.start_pod(new)
        node.wait_bound(new)
        for it, cgroup in (running, (new, leaf)):
            self.assertEqual(node.canonical(node.who(cgroup)), canonical(it))

    def test_events_that_come_twice_and_out_of_order(self):
        proxy, node, running = self.start({**QUICK, "idle_limit": "90s"})
        held = []

        def shuffle(line):
            """Each event comes after its successor, and twice."""
            held.append(line)
            if len(held) < 3:
                return []
            out = [held[1], held[0], held[1], held[2], held[0]]
            held.clear()
            return out
        proxy.rewrite = shuffle
        wait_for("a watch", lambda: proxy.watches)
        pods = [node.create(pod(f"p-{i}", labels={"app": "first"})) for i in range(30)]
        pods = [node.relabel(it, {"app": f"second-{i % 5}"}) for i, it in enumerate(pods)]
        for it in pods[20:]:
            node.delete(it)
        leaves = [node.start_pod(it) for it in pods[:20]]
        # What is in the proxy's hands comes out with more behind it; then the order is as it should be.
        wait_for("the last of them", lambda: node.metric("prism_pods", state="known") >= 20)
        while held:
            node.relabel(running[0], {"pod-template-hash": str(time.monotonic_ns())})
        proxy.rewrite = None
        node.wait_known(21)
        for it, leaf in zip(pods, leaves):
            wait_for("the last word to count", lambda: node.canonical(node.who(leaf)) == canonical(it))
        self.assert_recovers(node, running)


if __name__ == "__main__":
    prism_kube.main()
