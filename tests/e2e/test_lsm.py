# SPDX-License-Identifier: Apache-2.0
"""The lsm leg through prismd: EPERM exactly when there is a rule and the identity that it is for; it outlives prismd."""
import errno
import os
import shutil
import socket
import sys
import threading

import prism_e2e as e2e
import prism_load as load
from prism_e2e import Node, wait_for

LSM = 8 # the facet
WEB = {"match": "{base}/{app}", "namespace": "e2e"}

# Tries one thing in a process of the cgroup, which has completed an exec there, and ends with its errno.
ATTEMPT = """
import os, socket, sys
what, subject = sys.argv[1:3]
try:
    if what == "exec":
        os.waitpid(os.posix_spawn(subject, [subject], {}), 0)
    elif what == "read":
        os.close(os.open(subject, os.O_RDONLY))
    elif what == "write":
        os.close(os.open(subject, os.O_WRONLY))
    elif what == "connect":
        socket.create_connection(("127.0.0.1", int(subject))).close()
    elif what == "bind":
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(("127.0.0.1", int(subject)))
    elif what == "capability":
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()
except OSError as e:
    sys.exit(e.errno)
"""


class Lsm(e2e.TestCase):
    def node(self, **kwargs):
        node = Node(start=False, rules=[WEB], **kwargs)
        self.addCleanup(node.close)
        os.mkdir(f"{node.tmp}/tools")
        shutil.copy(os.path.realpath("/bin/true"), f"{node.tmp}/tools/true")
        os.mkdir(f"{node.tmp}/data")
        with open(f"{node.tmp}/data/secret", "w") as f:
            f.write("x")
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.listener.close)
        self.port = self.listener.getsockname()[1]
        self.free = self.free_port()
        return node

    @staticmethod
    def free_port():
        with socket.create_server(("127.0.0.1", 0)) as s:
            return s.getsockname()[1]

    def rules(self, node, action="block"):
        return {"exec": [{"directory": f"{node.tmp}/tools/", "action": action}],
                "open": [{"path": f"{node.tmp}/data/secret", "access": "write", "action": action}],
                "connect": [{"family": "ipv4", "cidr": "127.0.0.0/8", "ports": self.port, "action": action}],
                "bind": [{"family": "ipv4", "cidr": "127.0.0.1/32", "ports": self.free, "action": action}],
                "capabilities": [{"name": "net_raw", "action": action}]}

    def attempts(self, node):
        """hook -> what is tried."""
        return {"exec": ("exec", f"{node.tmp}/tools/true"), "open": ("write", f"{node.tmp}/data/secret"),
                "connect": ("connect", str(self.port)), "bind": ("bind", str(self.free)),
                "capable": ("capability", "-")}

    def configure(self, node, rules, identity=True, mode="enforce"):
        node.rules = [WEB] if identity else []
        node.modules = [{"name": "lsm", "config": {"mode": mode, "rule_sets": [
            {"name": "web", "select": {"namespace": "e2e"}, **rules}]}}]
        node.write_config()

    def running(self, rules=None, action="block", mode="enforce", own_file=False):
        """The node, the workload's cgroup and its number. own_file: of the module, so that the test may replace it."""
        node = self.node()
        if own_file:
            load.own_modules(node, "lsm")
        self.configure(node, self.rules(node, action) if rules is None else rules, mode=mode)
        node.start()
        node.wait_module("lsm", "running")
        web = node.cgroup("web")
        number = node.identity_of(web)
        wait_for("its rule set", lambda: self.has_set(node, web))
        return node, web, number

    @staticmethod
    def has_set(node, cgroup):
        """The facet comes after the rules."""
        return bool(node.entry(cgroup)[1] & LSM)

    def reload(self, node, *args, **kwargs):
        self.configure(node, *args, **kwargs)
        node.ctl("reload", check=0)

    @staticmethod
    def relabel(node, *rules):
        node.rules = list(rules)
        node.write_config()
        node.ctl("reload", check=0)

    def errnos(self, node, cgroup):
        return {hook: node.run_in(cgroup, [sys.executable, "-c", ATTEMPT, *what]).returncode
                for hook, what in self.attempts(node).items()}

    def verdicts(self, node, **fields):
        return [e for e in node.events("lsm.") if all(e.get(k) == v for k, v in fields.items())]

    def test_eperm_exactly_with_rule_and_identity(self):
        node, web, number = self.running({})
        blocked = {hook: errno.EPERM for hook in self.attempts(node)}
        free = {hook: 0 for hook in self.attempts(node)}
        for rule in (False, True, False, True):
            for identity in (True, False):
                with self.subTest(rule=rule, identity=identity):
                    self.reload(node, self.rules(node) if rule else {}, identity)
                    if identity:
                        wait_for("the entry", lambda: node.entry(web) and node.entry(web)[0] == number)
                        wait_for("its rule set", lambda: self.has_set(node, web))
                    else:
                        wait_for("the entry to go", lambda: node.entry(web) is None)
                    self.assertEqual(self.errnos(node, web), blocked if rule and identity else free)
        # Reading what may not be written, and a program beside the directory, are not touched.
        self.reload(node, self.rules(node))
        wait_for("the entry", lambda: node.entry(web) and self.has_set(node, web))
        self.assertEqual(node.run_in(web, [sys.executable, "-c", ATTEMPT, "read", f"{node.tmp}/data/secret"]).returncode, 0)
        self.assertEqual(node.run_in(web, [sys.executable, "-c", ATTEMPT, "exec", "/bin/true"]).returncode, 0)

    def test_audit_by_rule_and_by_mode_blocks_nothing_and_says_what(self):
        for mode, action in (("enforce", "audit"), ("audit", "block")):
            with self.subTest(mode=mode, action=action):
                node, web, number = self.running(action=action, mode=mode)
                self.assertEqual(set(self.errnos(node, web).values()), {0})
                for hook in self.attempts(node):
                    seen = wait_for(f"the verdict on {hook}",
                                    lambda h=hook: self.verdicts(node, identity=number, hook=h))[0]
                    self.assertEqual(seen["rule_set"], "web")
                    self.assertFalse(seen["enforced"])
                # The switch is live.
                if mode == "audit":
                    self.reload(node, self.rules(node, action), mode="enforce")
                    self.assertEqual(set(self.errnos(node, web).values()), {errno.EPERM})
                node.close()

    def test_follows_the_identity_at_the_next_decision(self):
        """Nested, moved, relabelled, and there before anybody knew whose cgroup it is."""
        node, web, _ = self.running()
        nested, outside = node.cgroup("web/container/inner"), node.base
        secret = f"{node.tmp}/data/secret"

        with self.subTest("nested"), Actor(node, nested) as actor:
            self.assertEqual(actor.write(secret), errno.EPERM)
        with self.subTest("moved"), Actor(node, web) as actor, Actor(node, outside) as runtime:
            self.assertEqual(actor.write(secret), errno.EPERM)
            actor.move(nested)
            self.assertEqual(actor.write(secret), errno.EPERM, "within its workload")
            actor.move(outside)
            self.assertEqual(actor.write(secret), 0, "out of it")
            actor.move(web)
            self.assertEqual(actor.write(secret), errno.EPERM, "back in the cgroup of its exec")
            self.assertEqual(runtime.write(secret), 0)
            runtime.move(web)
            self.assertEqual(runtime.write(secret), 0, "a runtime's process, until its exec")
            runtime.exec()
            self.assertEqual(runtime.write(secret), errno.EPERM, "from its exec on")
            runtime.move(outside)
            actor.move(outside)
        with self.subTest("relabelled"), Actor(node, web) as actor, Actor(node, nested) as below:
            for namespace, wanted in (("other", 0), ("e2e", errno.EPERM), ("other", 0), ("e2e", errno.EPERM)):
                before = node.entry(web)[0]
                self.relabel(node, {**WEB, "namespace": namespace})
                wait_for("another number", lambda n=before: node.entry(web)[0] != n)
                self.assertEqual([actor.write(secret), below.write(secret)], [wanted, wanted], namespace)
        with self.subTest("forked before its cgroup was known"):
            self.relabel(node)
            late = node.cgroup("late")
            with Actor(node, late) as actor:
                self.assertEqual(actor.write(secret), 0)
                self.relabel(node, WEB)
                wait_for("its rule set", lambda: node.entry(late) and self.has_set(node, late))
                self.assertEqual(actor.write(secret), errno.EPERM)

    def test_enforcement_outlives_prismd_and_is_adopted(self):
        """kill -9 under fire: not one attempt of thousands gets through, before, without and after prismd."""
        node, web, number = self.running()
        with Hammer(node, web, f"{node.tmp}/data/secret") as hammer:
            for _ in range(2):
                hammer.turn()
                node.kill()
                hammer.turn()
                node.start()
                node.wait_module("lsm", "running")
                hammer.turn()
            tries, passed = hammer.stop()
        self.assertEqual(passed, 0)
        counted = wait_for("every decision to be counted",
                           lambda: node.metric("prism_lsm_decisions_total", identity=number, action="block"))
        self.assertEqual(counted, tries)

    def test_a_new_file_replaces_the_programs_in_place(self):
        node, web, number = self.running(own_file=True)
        with Hammer(node, web, f"{node.tmp}/data/secret") as hammer:
            for i in range(4):
                hammer.turn()
                load.install(node, "lsm", extra=b"." * (i % 2))
                node.ctl("module", "reload", "lsm", check=0)
                node.wait_module("lsm", "running")
                hammer.turn()
            tries, passed = hammer.stop()
        self.assertEqual(passed, 0)
        self.assertEqual(node.metric("prism_lsm_decisions_total", identity=number, action="block"), tries,
                         "counted once, by the old programs or by the new")
        self.assertEqual(node.metric("prism_lsm_events_total") + node.metric("prism_lsm_lost_total"), tries,
                         "reported once")

    def test_reloads_open_no_window(self):
        node, web, _ = self.running()
        with Hammer(node, web, f"{node.tmp}/data/secret") as hammer:
            for i in range(30):
                more = self.rules(node)
                more["open"].append({"directory": f"/nowhere-{i}/", "access": "any", "action": "audit"})
                self.reload(node, more)
                hammer.turn()
            _, passed = hammer.stop()
        self.assertEqual(passed, 0)

    def test_remove_takes_every_effect_away(self):
        node, web, _ = self.running()
        self.assertEqual(set(self.errnos(node, web).values()), {errno.EPERM})
        self.assertTrue(self.has_set(node, web))
        node.ctl("module", "disable", "lsm", check=0)
        wait_for("the facet to go", lambda: not self.has_set(node, web))
        self.assertEqual(set(self.errnos(node, web).values()), {0})
        self.assertFalse(os.path.exists(f"{node.bus_dir}/modules/lsm/lsm_rules"))

    def test_explain_says_what_it_does_and_why_not(self):
        node, web, _ = self.running()
        self.assertIn("web", node.ctl("identity", "explain", web, check=0).stdout.partition("lsm")[2])
        node.modules[0]["config"]["rule_sets"][0]["select"] = {"namespace": "another"}
        node.write_config()
        node.ctl("reload", check=0)
        wait_for("the facet to go", lambda: not self.has_set(node, web))
        self.assertRegex(node.ctl("identity", "explain", web, check=0).stdout.partition("lsm")[2], "no rule set")


class Actor:
    """A process of the cgroup, which does one thing after another; each ends with its errno."""

    PROGRAM = ("import os,sys\n"
               "def write(path): os.close(os.open(path,os.O_WRONLY))\n"
               "def move(cgroup):\n"
               "    with open(cgroup+'/cgroup.procs','w') as f: f.write('0')\n"
               "def exec(*_): os.execv(sys.executable,[sys.executable,'-c',*sys.argv[1:],*sys.argv[1:]])\n"
               "print(0,flush=True)\n"
               "for line in iter(sys.stdin.readline,''):\n"
               "    what,subject=line.split()\n"
               "    try: r=globals()[what](subject) or 0\n"
               "    except OSError as e: r=e.errno\n"
               "    print(r,flush=True)\n")

    def __init__(self, node, cgroup):
        self.process = node.popen_in(cgroup, [sys.executable, "-c", self.PROGRAM, self.PROGRAM], stdin=-1, stdout=-1, text=True)
        self.process.stdout.readline()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.stdin.close()
        self.process.wait(e2e.TIMEOUT)
        self.process.stdout.close()

    def ask(self, what, subject="-"):
        """It says 0, too, when it begins: after an exec, when that is done."""
        self.process.stdin.write(f"{what} {subject}\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def write(self, path):
        return self.ask("write", path)

    def move(self, cgroup):
        if self.ask("move", cgroup):
            raise OSError(f"it cannot be moved to {cgroup}")

    def exec(self):
        """The same program anew."""
        if self.ask("exec"):
            raise OSError("it cannot exec itself")


class Hammer:
    """A process of the cgroup that tries to open a file for writing, again and again; and how often it could."""

    PROGRAM = ("import os,sys\n"
               "tries=passed=0\n"
               "for line in sys.stdin:\n"
               "    for _ in range(20):\n"
               "        tries+=1\n"
               "        try: os.close(os.open(sys.argv[1],os.O_WRONLY)); passed+=1\n"
               "        except PermissionError: pass\n"
               "    print(tries,passed,flush=True)\n")

    def __init__(self, node, cgroup, path):
        self.process = node.popen_in(cgroup, [sys.executable, "-c", self.PROGRAM, path], stdin=-1, stdout=-1, text=True)
        self.count = (0, 0)
        self.ended = threading.Event()
        self.worker = threading.Thread(target=self.run)

    def __enter__(self):
        self.worker.start()
        return self

    def __exit__(self, *exc):
        self.ended.set()
        self.worker.join()
        self.process.stdin.close()
        self.process.wait(e2e.TIMEOUT)

    def run(self):
        while not self.ended.is_set():
            self.process.stdin.write("go\n")
            self.process.stdin.flush()
            tries, passed = self.process.stdout.readline().split()
            self.count = (int(tries), int(passed))

    def turn(self):
        """Some 100 attempts that begin after this call."""
        here = self.count[0]
        wait_for("attempts", lambda: self.count[0] > here + 100)

    def stop(self):
        self.ended.set()
        self.worker.join()
        return self.count


if __name__ == "__main__":
    e2e.main("BPF LSM")
