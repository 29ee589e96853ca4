# SPDX-License-Identifier: Apache-2.0
"""prismd in the sandbox of its systemd unit, made without systemd: system calls, file systems that cannot be written to,
no memory that is both written and run, capabilities. systemd itself says what is in a group of system calls."""
import json
import os
import sys

import prism_e2e as e2e
import prism_unit as unit
from prism_e2e import Node, wait_for
from test_capabilities import CLASSIC, legs_work


class Sandbox(e2e.TestCase):
    def sandboxed(self, node, *options):
        os.mkdir(node.state_dir, 0o755)
        node.wrapper = [sys.executable, "-B", unit.__file__, *options, "--", *unit.setpriv(unit.capabilities())]

    def test_everything_works_in_it(self):
        with Node(modules=CLASSIC, start=False) as node:
            self.sandboxed(node, "--system-calls", "--write-only-to", e2e.BPFFS, "--write-only-to", node.tmp)
            for name in ("web", "web-again"): # the second start finds its predecessor's entries and pins
                node.start()
                with open(f"/proc/{node.process.pid}/status") as f:
                    self.assertIn("Seccomp:\t2", f.read())
                web, _ = legs_work(self, node, name)
                node.ctl("reload", check=0)
                node.ctl("module", "reload", "net", check=0)
                node.ctl("identity", "explain", web, check=0)
                self.assertEqual(node.stop(), 0)

    def test_the_api_server_is_asked(self):
        """Names are resolved in a thread, by way of netlink: what the filter forbids of that would say so instead."""
        user = {"name": "u", "user": {"token": "t"}}
        cluster = {"name": "c", "cluster": {"server": "https://localhost:1", "insecure-skip-tls-verify": True}}
        context = {"name": "x", "context": {"cluster": "c", "user": "u"}}
        config = {"apiVersion": "v1", "kind": "Config", "current-context": "x", "users": [user], "clusters": [cluster],
                  "contexts": [context]}
        with Node(modules=[], start=False) as node:
            with open(f"{node.tmp}/kubeconfig", "w") as f:
                json.dump(config, f)
            node.extra = {"sources": {"kubernetes": {"kubeconfig": f.name, "sync_timeout": "0s"}}}
            node.write_config()
            self.sandboxed(node, "--system-calls", "--write-only-to", e2e.BPFFS, "--write-only-to", node.tmp)
            node.start()
            wait_for("the connection to be refused",
                     lambda: "Failed to connect to localhost port 1" in node.ctl("status").stdout)
            self.assertEqual(node.stop(), 0)

    def test_it_is_one(self):
        with Node(modules=[], start=False) as node:
            self.sandboxed(node, "--write-only-to", node.tmp)
            self.assertEqual(node.spawn().wait(e2e.TIMEOUT), 1)
            self.assertIn("Read-only file system", node.log())


if __name__ == "__main__":
    e2e.main()
