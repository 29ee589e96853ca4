# SPDX-License-Identifier: Apache-2.0
"""Ways to prove who prismd is, each against the real API server: a node's own certificate, what is inline, contexts; and what
prismd will not do."""
import base64
import os

import prism_kube
from prism_kube import canonical, pod, wait_for


class Access(prism_kube.TestCase):
    def assert_in_step(self, node):
        it = node.create(pod("web", labels={"app": "web"}))
        node.wait_known(1)
        self.assertEqual(node.canonical(node.who(node.start_pod(it))), canonical(it))

    def inline(self, name):
        with open(self.cluster.path(name), "rb") as f:
            return base64.b64encode(f.read()).decode()

    def test_a_nodes_own_certificate(self):
        """The Node authorizer lets it list pods; since 1.32 those of its node, with that selector alone."""
        self.cluster.authority.issue("node-own", "/O=system:nodes/CN=system:node:node-own", ["extendedKeyUsage=clientAuth"])
        user = {"client-certificate-data": self.inline("node-own.crt"), "client-key-data": self.inline("node-own.key")}
        kubeconfig = self.cluster.kubeconfig("node-own", user)
        with self.node(kubeconfig=kubeconfig, node_name="node-own") as node:
            self.assert_in_step(node)

    def test_a_token_inline_and_a_context_by_name(self):
        path = self.cluster.kubeconfig("inline", {"token": self.cluster.token("prism", "prismd")})
        with open(path) as f:
            text = f.read()
        with open(path, "w") as f: # another is the current one
            f.write(text.replace('"current-context": "inline"', '"current-context": "nowhere"'))
        with self.node(kubeconfig=path, settings={"context": "inline"}) as node:
            self.assert_in_step(node)

    def test_a_file_that_is_rotated_is_the_next_one_used(self):
        path = self.cluster.kubeconfig("rotated", {"token": "none"})
        with self.node(kubeconfig=path, settings={"sync_timeout": "1s"}) as node:
            wait_for("it to be said", lambda: "HTTP 401" in node.ctl("status").stdout)
            whole = self.cluster.kubeconfig("whole", {"token": self.cluster.token("prism", "prismd")})
            os.rename(whole, path)
            self.assert_in_step(node)

    def test_a_certificate_of_another_authority(self):
        with self.node(kubeconfig=self.strangers(), settings={"sync_timeout": "1s"}) as node:
            said = wait_for("it to be said", lambda: [line for line in node.ctl("status").stdout.splitlines()
                                                      if "certificate" in line])
            self.assertIn("check the address, certificate-authority", said[0])

    def strangers(self):
        """A kubeconfig whose certificate-authority is none of this cluster's."""
        path = self.cluster.kubeconfig("strangers", {"token": self.cluster.token("prism", "prismd")})
        self.cluster.authority.key("stranger")
        self.cluster.authority.openssl("req", "-x509", "-new", "-key", self.cluster.path("stranger.key"), "-subj", "/CN=stranger",
                                        "-out", self.cluster.path("stranger.crt"))
        with open(path) as f:
            text = f.read()
        with open(path, "w") as f:
            f.write(text.replace(self.cluster.path("ca.crt"), self.cluster.path("stranger.crt")))
        return path

    def test_programs_are_not_run(self):
        mark = self.cluster.path("was-run")
        path = self.cluster.kubeconfig("exec", {"exec": {"command": "touch", "args": [mark], "apiVersion":
                                                         "client.authentication.k8s.io/v1"}})
        with self.node(kubeconfig=path, settings={"sync_timeout": "1s"}) as node:
            wait_for("it to be said", lambda: "runs a program to get credentials" in node.ctl("status").stdout)
            self.assertRegex(node.log(), r"exec\.kubeconfig:\d+:\d+: exec runs a program")
        self.assertFalse(os.path.exists(mark))


if __name__ == "__main__":
    prism_kube.main()
