# SPDX-License-Identifier: Apache-2.0
"""What a real API server and its administrators do to a client: it is away, it forgets history, it takes rights away.
Nothing on the bus changes meanwhile, it is said, and it is over by itself.

PRISM_KUBE_OUTAGE: seconds that the API server is away (default: 5)."""
import os
import time

import prism_kube
from fault_proxy import FaultProxy
from prism_kube import canonical, pod, wait_for

AWAY = float(os.environ.get("PRISM_KUBE_OUTAGE", "5"))


class Outage(prism_kube.TestCase):
    def started(self, node, n=3):
        """n running pods: [(pod, a container's cgroup)]."""
        pods = [node.create(pod(f"old-{i}", labels={"app": f"old-{i}"})) for i in range(n)]
        node.wait_known(n)
        return [(it, node.start_pod(it)) for it in pods]

    def assert_right(self, node, running):
        for it, leaf in running:
            self.assertEqual(node.canonical(node.who(leaf)), canonical(it))

    def assert_nothing_moves(self, node, running, seconds):
        """For so long, and looked at often: the same entries, right ones for what processes run."""
        bus, end = node.bus(), time.monotonic() + seconds

        def looked():
            self.assertEqual(node.bus(), bus)
            self.assert_right(node, running)
            return time.monotonic() > end
        wait_for("the end of the outage", looked, timeout=seconds + 60, interval=seconds / 20)

    def assert_lives_on(self, node, running):
        """After it is over: a new pod has its identity, the others still have theirs."""
        new = node.create(pod("new", labels={"app": "new"}))
        leaf = node.start_pod(new)
        node.wait_bound(new)
        self.assert_right(node, running + [(new, leaf)])
        self.assertIn("Health:       healthy", node.ctl("status", check=0).stdout)

    def wait_condition(self, node, pattern):
        return wait_for(f"status to say {pattern}", lambda: pattern in node.ctl("status").stdout)

    def test_away(self):
        with FaultProxy(self.cluster) as proxy, self.node(server=proxy.url) as node:
            running = self.started(node)
            proxy.go_away()
            self.wait_condition(node, "What is on the bus stays; new pods wait")
            self.assertEqual(node.ctl("status").returncode, 4, "degraded")
            self.assertEqual(node.metric("prism_kube_connected", resource="pods"), 0)
            # The API goes on without prismd: one pod more, one less, one with another label.
            new = node.create(pod("new", labels={"app": "new"}))
            node.delete(running[2][0])
            relabelled = node.relabel(running[1][0], {"app": "other"})
            leaf = node.start_pod(new)
            self.assert_nothing_moves(node, running, AWAY)
            self.assertEqual(node.who(leaf), 0)
            for it, _ in running:
                child = node.kubelet.make_container(it)
                self.assertEqual(node.canonical(node.who(child)), canonical(it), "running pods gain containers")
                wait_for("an entry of its own", lambda: node.entry(child))
            back = time.monotonic()
            proxy.come_back()
            node.wait_bound(new)
            took = time.monotonic() - back
            print(f"\n{AWAY:g} s away: a new pod had its identity {took:.2f} s after the return", flush=True)
            self.assertLess(took, 1 + self.slack())
            wait_for("the relabelled pod", lambda: node.canonical(node.who(running[1][1])) == canonical(relabelled))
            self.assert_right(node, [(new, leaf), running[0], (relabelled, running[1][1]), running[2]])

    @staticmethod
    def slack():
        """Of a second on an idle machine; this one may have much else to do."""
        return os.getloadavg()[0] / os.cpu_count()

    def test_killed_and_started_again(self):
        with self.node() as node:
            running = self.started(node)
            for _ in range(2):
                self.cluster.kill_apiserver()
                self.wait_condition(node, "new pods wait")
                self.assert_nothing_moves(node, running, 0.5)
                self.cluster.start_apiserver()
                wait_for("prismd to be in step", lambda: node.metric("prism_kube_connected", resource="pods") == 1)
            self.assert_lives_on(node, running)
            self.assertRegex(node.log(), r"info +kubernetes: pods: in step with the API server again after")

    def test_history_is_compacted(self):
        with FaultProxy(self.cluster) as proxy, self.node(server=proxy.url) as node:
            running = self.started(node)
            proxy.go_away()
            self.wait_condition(node, "new pods wait")
            node.delete(running[2][0])
            relabelled = node.relabel(running[1][0], {"app": "compacted"})
            self.cluster.compact()
            self.cluster.kill_apiserver() # its cache knows the history still
            self.cluster.start_apiserver()
            self.assert_right(node, running)
            proxy.come_back()
            wait_for("the relabelled pod", lambda: node.canonical(node.who(running[1][1])) == canonical(relabelled))
            self.assertGreaterEqual(node.metric("prism_kube_watch_restarts_total", reason="expired") or 0, 1)
            node.wait_known(2)
            self.assert_lives_on(node, [running[0], (relabelled, running[1][1]), running[2]])

    def test_a_token_that_was_revoked(self):
        accounts = "/api/v1/namespaces/prism/serviceaccounts"
        with FaultProxy(self.cluster) as proxy, self.node(server=proxy.url) as node:
            running = self.started(node)
            self.cluster.api.delete(f"{accounts}/prismd")
            self.cluster.api.create(accounts, {"metadata": {"name": "prismd"}})

            def refused():
                proxy.end_watches("cut")
                return "HTTP 401" in node.ctl("status").stdout
            wait_for("the API server to forget the token", refused, timeout=60, interval=0.5)
            self.assert_nothing_moves(node, running, 0.5)
            self.assertGreaterEqual(node.metric("prism_kube_requests_total", code="401"), 1)
            node.replace_token(self.cluster.token("prism", "prismd"))
            self.assert_lives_on(node, running)

    def test_a_token_that_expires(self):
        with FaultProxy(self.cluster) as proxy, self.node(server=proxy.url) as node:
            running = self.started(node)
            node.replace_token(self.cluster.short_token("prism", "prismd", 3))

            def refused():
                proxy.end_watches("cut")
                return "HTTP 401" in node.ctl("status").stdout
            wait_for("the token to expire", refused, timeout=60, interval=0.5)
            self.assert_nothing_moves(node, running, 0.5)
            node.replace_token(self.cluster.token("prism", "prismd"))
            self.assert_lives_on(node, running)

    def test_rights_are_taken_away(self):
        binding = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
        with FaultProxy(self.cluster) as proxy, self.node(server=proxy.url) as node:
            running = self.started(node)
            was = self.cluster.api.get(f"{binding}/prismd")
            self.cluster.api.delete(f"{binding}/prismd")
            try:
                def refused():
                    proxy.end_watches("cut")
                    return "HTTP 403" in node.ctl("status").stdout
                wait_for("the API server to refuse", refused, interval=0.5)
                self.wait_condition(node, 'User "system:serviceaccount:prism:prismd" cannot')
                self.assert_nothing_moves(node, running, 0.5)
            finally:
                self.cluster.api.create(binding, {k: was[k] for k in ("roleRef", "subjects")} | {"metadata": {"name": "prismd"}})
            self.assert_lives_on(node, running)

    def test_nothing_more_is_asked_for_than_the_manifest_grants(self):
        """With node labels too; and the same rights do not read anything else."""
        overlay = {"profiles": [{"name": "canary", "node_labels": ["canary"], "overlay": {"log": {"level": "info"}}}]}
        with self.node(extra=overlay) as node:
            node.api.create("/api/v1/nodes", {"metadata": {"name": node.node_name, "labels": {"canary": ""}}})
            self.started(node)
            wait_for("the profile", lambda: "canary" in node.get("/v1/profiles")[1] and
                     any(p["active"] for p in node.json("/v1/profiles")[1]["profiles"]))
            self.assertIsNone(node.metric("prism_kube_requests_total", code="403"))
            for asked in ("list secrets", "create pods", "patch pods", "delete pods", "get configmaps", "update nodes"):
                verb, resource = asked.split()
                done = self.cluster.kubectl("auth", "can-i", verb, resource, "--as", "system:serviceaccount:prism:prismd",
                                            check=False)
                self.assertEqual(done.stdout.strip(), "no", asked)


if __name__ == "__main__":
    prism_kube.main()
