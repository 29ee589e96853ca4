# SPDX-License-Identifier: Apache-2.0
"""The net and trace legs act on the identity: flip the rule and only the identity changes; they outlive prismd."""
import json
import os
import socket
import sys
import threading

import prism_e2e as e2e
from prism_e2e import Node, UNMANAGED, wait_for

UDP = ("import socket,sys\nf=socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET\ns=socket.socket(f,socket.SOCK_DGRAM)\n"
       "for _ in range(int(sys.argv[3])): s.sendto(b'x'*100,(sys.argv[1],int(sys.argv[2])))")


def packets(node, identity, **labels):
    return node.metric("prism_net_packets_total", identity=identity, **labels) or 0


def transfer(node, cgroup, n, address="127.0.0.1"):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sink:
        sink.bind((address, 0))
        p = node.run_in(cgroup, [sys.executable, "-c", UDP, address, str(sink.getsockname()[1]), str(n)])
        assert p.returncode == 0


class Net(e2e.TestCase):
    def test_exact_counts_v4_v6(self):
        with Node(modules=["net"]) as node:
            node.wait_module("net", "running")
            web = node.cgroup("web")
            number = node.identity_of(web)
            transfer(node, web, 123)
            self.assertEqual(packets(node, number, direction="egress"), 123)
            self.assertEqual(node.metric("prism_net_bytes_total", identity=number, direction="egress"), 123 * 128)
            if os.path.exists("/proc/net/if_inet6"):
                transfer(node, web, 45, "::1")
                self.assertEqual(packets(node, number, direction="egress"), 168)
                self.assertEqual(node.metric("prism_net_bytes_total", identity=number, direction="egress"),
                                 123 * 128 + 45 * 148)

    def test_flip(self):
        with Node(modules=["net"]) as node:
            node.wait_module("net", "running")
            web = node.cgroup("web")
            number = node.identity_of(web)
            transfer(node, web, 100)
            self.assertEqual(packets(node, number, direction="egress"), 100)
            node.rules = []
            node.write_config()
            node.ctl("reload", check=0)
            wait_for("the entry to go", lambda: node.entry(web) is None)
            unmanaged = packets(node, UNMANAGED, direction="egress")
            transfer(node, web, 100)
            self.assertEqual(packets(node, number, direction="egress"), 100, "nothing more under the old identity")
            self.assertGreaterEqual(packets(node, UNMANAGED, direction="egress"), unmanaged + 100)

    def test_facet_on_the_bus(self):
        with Node(modules=["net", "trace"]) as node:
            node.wait_module("net", "running")
            node.wait_module("trace", "running")
            web = node.cgroup("web")
            node.identity_of(web)
            self.assertEqual(node.entry(web)[1] & 0b1111, 0b0101)
            node.ctl("module", "disable", "net", check=0)
            wait_for("the facet bit to go", lambda: node.entry(web)[1] & 0b1111 == 0b0100)
            node.ctl("module", "enable", "net", check=0)
            wait_for("the facet bit to come back", lambda: node.entry(web)[1] & 0b1111 == 0b0101)


class Trace(e2e.TestCase):
    def execs(self, node, identity=None):
        return [e for e in node.events("trace.exec") if identity is None or e["identity"] == identity]

    def test_exec_and_exit_with_identity(self):
        with Node(modules=["trace"]) as node:
            node.wait_module("trace", "running")
            web = node.cgroup("web")
            number = node.identity_of(web)
            p = node.run_in(web, ["/bin/sh", "-c", "exit 7", "argument with space"])
            self.assertEqual(p.returncode, 7)
            event = wait_for("the exec", lambda: [e for e in self.execs(node, number) if e["pid"] == p.pid])[0]
            self.assertEqual(event["args"][:4], ["/bin/sh", "-c", "exit 7", "argument with space"])
            self.assertEqual(event["ppid"], os.getpid())
            self.assertEqual(event["workload"], "e2e/web")
            self.assertIn("trace", event["facets"])
            gone = wait_for("the exit", lambda: [e for e in node.events("trace.exit") if e["pid"] == p.pid])[0]
            self.assertEqual(gone["exit_code"], 7)
            self.assertEqual(gone["identity"], number)

    def test_flip(self):
        with Node(modules=["trace"]) as node:
            node.wait_module("trace", "running")
            web = node.cgroup("web")
            number = node.identity_of(web)
            first = node.run_in(web, ["/bin/true"])
            event = wait_for("the exec", lambda: [e for e in self.execs(node) if e["pid"] == first.pid])[0]
            self.assertEqual(event["identity"], number)
            node.rules = []
            node.write_config()
            node.ctl("reload", check=0)
            wait_for("the entry to go", lambda: node.entry(web) is None)
            second = node.run_in(web, ["/bin/true"])
            event = wait_for("the exec", lambda: [e for e in self.execs(node) if e["pid"] == second.pid])[0]
            self.assertEqual(event["identity"], UNMANAGED)

    def test_prismctl_events_prints_them(self):
        with Node(modules=["trace"]) as node:
            node.wait_module("trace", "running")
            web = node.cgroup("web")
            number = node.identity_of(web)
            p = node.run_in(web, ["/bin/true"])
            wait_for("the exec", lambda: [e for e in self.execs(node, number) if e["pid"] == p.pid])
            out = node.ctl("-o", "json", "events", "--type", "trace.exec", "--identity", str(number), check=0).stdout
            self.assertTrue(any(json.loads(line)["pid"] == p.pid for line in out.splitlines() if line.startswith("{")))


class Crash(e2e.TestCase):
    def test_kill_9_twice_in_traffic_and_execs(self):
        """Same numbers, counters go on, every event accounted for."""
        with Node(modules=["net", "trace"], extra={"admin": {"event_buffer": 65536}}) as node:
            node.wait_module("net", "running")
            node.wait_module("trace", "running")
            web = node.cgroup("web")
            number = node.identity_of(web)
            sent, execs, ended = [0], [0], threading.Event()

            def load():
                while not ended.is_set():
                    transfer(node, web, 10)
                    sent[0] += 10
                    execs[0] += 1 # the sender itself

            worker = threading.Thread(target=load)
            worker.start()
            try:
                for _ in range(2):
                    here = sent[0]
                    wait_for("traffic", lambda: sent[0] > here + 50)
                    node.kill()
                    here = sent[0]
                    wait_for("traffic without prismd", lambda: sent[0] > here + 50)
                    self.assertEqual(node.entry(web)[0], number, "the entry outlives prismd")
                    node.start()
                    node.wait_module("net", "running")
                    node.wait_module("trace", "running")
                    self.assertEqual(node.entry(web)[0], number)
            finally:
                ended.set()
                worker.join()
            self.assertEqual(packets(node, number, direction="egress"), sent[0], "no packet uncounted or counted twice")
            wait_for("every event to be accounted for", lambda: self.accounted(node))

    def accounted(self, node):
        """happened == delivered + lost, once nothing is waiting in the ring. One scrape: its numbers belong together."""
        sums = {}
        for line in node.get("/metrics")[1].splitlines():
            name, _, value = line.partition(" ")
            if name.startswith("prism_trace_"):
                name = name.partition("{")[0]
                sums[name] = sums.get(name, 0) + float(line.rsplit(" ", 1)[1])
        return sums["prism_trace_pending_bytes"] == 0 and sums["prism_trace_events_total"] > 0 and \
            sums["prism_trace_events_total"] == sums["prism_trace_delivered_total"] + sums["prism_trace_lost_total"]

    def test_a_clean_stop_leaves_the_legs_and_remove_takes_them(self):
        with Node(modules=["net", "trace"]) as node:
            node.wait_module("net", "running")
            web = node.cgroup("web")
            number = node.identity_of(web)
            transfer(node, web, 10)
            self.assertEqual(node.stop(), 0)
            self.assertTrue(os.listdir(f"{node.bus_dir}/modules/net"))
            transfer(node, web, 10)
            node.start()
            node.wait_module("net", "running")
            self.assertEqual(packets(node, number, direction="egress"), 20)
            node.extra["node"] = {"on_exit": "remove"}
            node.write_config()
            node.ctl("reload", check=0)
            self.assertEqual(node.stop(), 0)
            self.assertFalse(os.path.exists(node.bus_dir))


if __name__ == "__main__":
    e2e.main()
