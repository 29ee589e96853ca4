# SPDX-License-Identifier: Apache-2.0
"""prismctl as people and scripts use it: every command, every format, the documented exit codes, with and without prismd."""
import json
import os
import re
import subprocess

import yaml

import prism_e2e as e2e
import prism_load as load
from prism_e2e import Node, wait_for


SOURCE = os.environ.get("PRISM_SOURCE", os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
FORMATS = ("table", "wide", "json", "yaml")


class Ctl(e2e.TestCase):
    def read(self, node, command, form, code=0):
        done = node.ctl("-o", form, *command)
        self.assertEqual(done.returncode, code, f"{command} {form}: {done.stdout}{done.stderr}")
        self.assertTrue(done.stdout.strip(), command)
        self.assertNotIn("\x1b", done.stdout, "no colour off a terminal")
        if form == "json":
            doc = json.loads(done.stdout)
        elif form == "yaml":
            doc = yaml.safe_load(done.stdout)
        else:
            return done.stdout
        self.assertEqual(doc["schema_version"], 1)
        return doc

    def every_format(self, node, *command, code=0):
        docs = {form: self.read(node, command, form, code) for form in FORMATS}
        self.assertEqual(docs["json"].keys(), docs["yaml"].keys(), command)
        return docs["json"]

    def test_commands_and_formats(self):
        with Node(modules=["net", "trace"]) as node:
            for name in ("net", "trace"):
                node.wait_module(name, "running")
            web, number = node.cgroup("web"), None
            number = node.identity_of(web)
            worker = node.popen_in(web, ["/bin/sleep", "300"])
            self.assertEqual(self.every_format(node, "status")["health"], "healthy")
            listed = self.every_format(node, "identity", "list")["identities"]
            self.assertEqual([i["number"] for i in listed], [number])
            self.assertEqual(self.every_format(node, "identity", "list", "--held")["identities"], listed)
            for who in (str(number), "e2e/web"):
                self.assertEqual(self.every_format(node, "identity", "get", who)["number"], number)
            self.assertRegex(node.ctl("identity", "get", str(number)).stdout, r"Weight: +unset\n")
            self.assertRegex(node.ctl("identity", "explain", str(worker.pid)).stdout, r"Class, weight: +unset, unset\n")
            # By its last component too; one that no other cgroup of this machine has.
            alone = os.path.basename(node.cgroup(f"web/only-{node.name}"))
            for what in (str(worker.pid), f"/{node.name}/web", web, alone):
                self.assertEqual(self.every_format(node, "identity", "explain", what)["identity"]["number"], number, what)
            self.assertEqual([m["name"] for m in self.every_format(node, "module", "list")["modules"]], ["net", "trace"])
            self.every_format(node, "module", "show", "net")
            declared = json.loads(node.ctl("-o", "json", "module", "show", "net", check=0).stdout)
            option = {o["name"]: o for o in declared["options"]}["max_identities"]
            self.assertEqual((option["kind"], option["required"]), ("int", False))
            self.assertLess(option["min"], option["max"])
            self.assertTrue(option["help"])
            self.assertIn("prism_net_packets_total", [m["name"] for m in declared["metrics"]])
            for form in ("table", "wide"):
                self.assertRegex(node.ctl("-o", form, "module", "show", "net", check=0).stdout,
                                 rf"max_identities +int +{option['default']} +{option['allowed']} ")
            self.every_format(node, "module", "reload", "net")
            self.every_format(node, "module", "disable", "net")
            self.every_format(node, "module", "enable", "net")
            self.every_format(node, "facet", "list")
            self.assertEqual(self.every_format(node, "profile", "list")["profiles"], [])
            self.every_format(node, "reload")
            self.every_format(node, "version")
            self.assertIn("doctor", node.ctl("doctor", "--help", check=0).stdout)
            for form in FORMATS:
                out = node.ctl("-o", form, "events", "-n", "5", check=0).stdout
                if form == "json":
                    self.assertEqual([json.loads(x)["schema_version"] for x in out.splitlines()], [1] * 5)
            for effective in ([], ["--effective"]):
                self.assertIn(node.bus_dir if effective else node.config_path,
                              node.ctl("config", "show", *effective, check=0).stdout)
            self.assertRegex(node.ctl("config", "show", "--effective", check=0).stdout, r"prismd\.yaml:\d+")

    def test_empty_is_a_list(self):
        with Node(modules=[]) as node:
            for command, key in ((("identity", "list"), "identities"), (("module", "list"), "modules")):
                self.assertEqual(json.loads(node.ctl("-o", "json", *command, check=0).stdout)[key], [])

    def test_exit_codes(self):
        with Node(modules=["net"], start=False) as node:
            node.ctl("status", check=3)
            node.ctl("module", "list", check=3)
            node.ctl("reload", check=3)
            node.ctl("events", check=3)
            node.ctl("identity", "watch", check=3)
            node.start()
            node.wait_module("net", "running")
            node.ctl("status", "--wait=20s", check=0)
            for usage in (["identity"], ["identity", "get"], ["module", "show"], ["status", "extra"], ["-o", "xml", "status"],
                          ["status", "--wait=soon"], ["identity", "explain", "--as", "planet", "1"], ["--no-such"], []):
                self.assertEqual(node.ctl(*usage).returncode, 2, usage)
            for missing in (["identity", "get", "16777215"], ["identity", "get", "e2e/none"], ["module", "show", "none"],
                            ["module", "enable", "none"], ["profile", "show", "none"],
                            ["identity", "explain", "/no/such/cgroup"], ["identity", "explain", "--as", "pid", "4194304"]):
                done = node.ctl(*missing)
                self.assertEqual((done.returncode, done.stdout), (5, ""), missing)
                self.assertTrue(done.stderr.startswith("prismctl: "), done.stderr)
            node.modules.append({"name": "none"})
            reloaded = load.reload(node, check=4)
            self.assertRegex(reloaded.stdout, r"in force; 1 module is not well\n(.*\n)*none: +failed: .*none\.so")
            status = node.ctl("status", check=4).stdout
            self.assertEqual(len(re.findall(r"none\.so", status)), 1, status)
            self.assertNotIn("module none", status)
            self.assertRegex(node.log(), r"module none: failed: prismd\.yaml:\d+:\d+: (?!module none)")
            node.modules = [{"name": "net", "config": {"no": 1}}]
            node.write_config()
            for command in (["reload"], ["config", "check"]):
                done = node.ctl(*command, check=1)
                self.assertRegex(done.stdout + done.stderr, r"prismd\.yaml:\d+:\d+: modules\[0\]\.config\.no: unknown key")

    def test_without_prismd(self):
        with Node(modules=["net", "trace"], extra={"bus": {"heartbeat": "1s", "stale_after": "3s"}}) as node:
            node.wait_module("net", "running")
            web = node.cgroup("web")
            number = node.identity_of(web)
            table = f"{node.state_dir}/identities"
            wait_for("the table on disk", lambda: subprocess.run(["grep", "-q", f"^{number}\\b", table]).returncode == 0)
            refused = node.ctl("cleanup", check=1)
            self.assertRegex(refused.stderr, r"prismd is running: stop it first")
            hidden = subprocess.run([e2e.PRISMCTL, "--socket", f"{node.tmp}/none", "--config", node.config_path,
                                     "--bus-dir", node.bus_dir, "cleanup"], capture_output=True, text=True)
            self.assertEqual(hidden.returncode, 1)
            self.assertRegex(hidden.stderr, rf"prismd \(pid {node.process.pid}\) maintains this bus")
            node.kill()
            status = self.every_format(node, "status", code=3)
            self.assertEqual((status["offline"], status["identities"]["live"]), (True, 1))
            listed = self.every_format(node, "identity", "list")
            self.assertEqual([(i["number"], i["name"]) for i in listed["identities"]], [(number, "e2e/web")])
            self.assertTrue(listed["offline"])
            self.assertEqual(self.every_format(node, "identity", "get", "e2e/web")["number"], number)
            why = self.every_format(node, "identity", "explain", f"/{node.name}/web")
            self.assertEqual(why["identity"]["number"], number)
            self.assertRegex(node.ctl("identity", "list").stderr, r"prismctl: .*not running")
            node.ctl("config", "check", check=0)
            node.ctl("version", check=0)
            wait_for("doctor to find the heartbeat stale", lambda: re.search(
                r"bus heartbeat.*stale: pid \d+ beat last \d+ s ago and did not stop cleanly", node.ctl("doctor").stdout))
            self.assertEqual(node.ctl("doctor").returncode, 1)
            before = sorted(os.listdir(node.bus_dir))
            out = node.ctl("cleanup", "--dry-run", check=0).stdout
            self.assertIn(f"would remove {node.bus_dir}/modules/net", out)
            self.assertEqual(sorted(os.listdir(node.bus_dir)), before)
            links = self.own_links(node)
            self.assertTrue(links)
            gone = json.loads(node.ctl("-o", "json", "cleanup", check=0).stdout)["removed"]
            self.assertIn(f"{node.bus_dir}/prism_identity", gone)
            self.assertFalse(os.path.exists(node.bus_dir))
            wait_for("the links to go", lambda: not links & self.links())
            self.assertRegex(node.ctl("cleanup", check=0).stderr, r"nothing is pinned there")
            node.ctl("status", check=3)
            node.start()
            self.assertEqual(node.identity_of(web), number)

    @staticmethod
    def links():
        done = subprocess.run(["bpftool", "-j", "link", "show"], capture_output=True, text=True, check=True)
        return {link["id"] for link in json.loads(done.stdout)}

    @staticmethod
    def own_links(node):
        ids = set()
        for path, _, files in os.walk(f"{node.bus_dir}/modules"):
            for f in files:
                done = subprocess.run(["bpftool", "-j", "link", "show", "pinned", f"{path}/{f}"], capture_output=True, text=True)
                shown = json.loads(done.stdout) # of a link although bpftool's exit code says otherwise; of a map an error
                ids |= {shown["id"]} if "id" in shown else set()
        return ids

    def follow(self, node, *command):
        path = f"{node.tmp}/{command[0]}.out"
        with open(path, "w") as out:
            p = subprocess.Popen([e2e.PRISMCTL, "--socket", node.socket, "--config", node.config_path, "-o", "json", *command],
                                 stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        node.processes.append(p)

        def said():
            with open(path) as f:
                return f.read()
        return p, said

    def test_watch_and_follow_survive_a_restart(self):
        with Node(modules=["trace"]) as node:
            node.wait_module("trace", "running")
            watch, watched = self.follow(node, "identity", "watch")
            events, followed = self.follow(node, "events", "-f", "--type", "prism.")
            for turn, end in enumerate((node.stop, node.kill, None)):
                node.cgroup(f"web{turn}")
                for what in (watched, followed):
                    wait_for(f"e2e/web{turn}", lambda w=what, t=turn: f"e2e/web{t}" in w())
                os.rmdir(f"{node.base}/web{turn}")
                wait_for("its departure", lambda t=turn: len(re.findall(rf'removed.*e2e/web{t}|e2e/web{t}.*removed', followed())))
                if end:
                    end()
                    wait_for("a word on it", lambda t=turn: watched().count("prismd has gone away") > t)
                    node.start()
                    for what in (watched, followed):
                        wait_for("its return", lambda w=what, t=turn: w().count("started anew") > t)
            for p in (watch, events):
                p.terminate()
                self.assertEqual(p.wait(e2e.TIMEOUT), 0)

    def test_completion_scripts_parse(self):
        for shell, check in (("bash", ["bash", "-n"]), ("zsh", ["zsh", "-n"]), ("fish", ["fish", "-n"])):
            script = subprocess.run([e2e.PRISMCTL, "completion", shell], capture_output=True, text=True, check=True).stdout
            self.assertIn("explain", script)
            if shell == "bash" or subprocess.run(["which", shell], capture_output=True).returncode == 0:
                done = subprocess.run(check, input=script, capture_output=True, text=True)
                self.assertEqual((done.returncode, done.stderr), (0, ""), shell)
        words = subprocess.run(["bash", "-c", 'source <("$0" completion bash); COMP_WORDS=(prismctl identity e); COMP_CWORD=2; '
                                '_prismctl; echo "${COMPREPLY[@]}"', e2e.PRISMCTL], capture_output=True, text=True, check=True)
        self.assertEqual(words.stdout.strip(), "explain")

    def test_shipped_configuration_and_profiles(self):
        with Node(modules=[], start=False) as node:
            shipped = f"{SOURCE}/conf/prismd.yaml"
            with open(shipped) as f:
                text = f.read().replace("/usr/lib/prism/modules", e2e.MODULES)
            profiles = sorted(os.listdir(f"{SOURCE}/conf/profiles"))
            self.assertGreaterEqual(len(profiles), 4)
            os.symlink(f"{SOURCE}/conf/profiles", f"{node.tmp}/profiles")
            for active in [None, *(p.removesuffix(".yaml") for p in profiles)]:
                with self.subTest(profile=active):
                    with open(node.config_path, "w") as f:
                        f.write(text.replace(f"{{name: {active}, hosts: []", f"{{name: {active}, hosts: ['*']"))
                    done = node.ctl("config", "check")
                    self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                    listed = json.loads(node.ctl("-o", "json", "profile", "list", check=0).stdout)["profiles"]
                    self.assertEqual([p["name"] for p in listed if p["active"]], [active] if active else [])
                    if active:
                        node.ctl("profile", "show", active, check=0)

    def test_doctor_finds_what_is_wrong(self):
        with Node(modules=["net"], extra={"node": {"nice": 0}}) as node:
            node.wait_module("net", "running")
            web = node.cgroup("web")
            node.identity_of(web)
            self.assertRegex(node.ctl("doctor").stdout, r"bus content.*what prismd wrote, and nothing else")
            key = ["0x99", *["0"] * 7]
            subprocess.run(["bpftool", "map", "update", "pinned", f"{node.bus_dir}/prism_identity", "key", *key, "value", "1",
                            "1", *["0"] * 22], check=True)
            doctor = node.ctl("doctor", check=1).stdout
            self.assertRegex(doctor, r"bus content.*1 entries that prismd did not write")
            node.get("/v1/bus/check", "POST")
            self.assertRegex(node.ctl("doctor").stdout, r"bus content.*what prismd wrote, and nothing else")
            pin = f"{e2e.BPFFS}/{node.name}-second"
            subprocess.run(["bpftool", "map", "create", pin, "type", "hash", "key", "8", "value", "24", "entries", "8",
                            "name", "prism_identity"], check=True)
            try:
                shown = json.loads(subprocess.run(["bpftool", "-j", "map", "show", "pinned", pin], capture_output=True,
                                                  text=True, check=True).stdout)
                self.assertRegex(node.ctl("doctor").stdout,
                                 rf"second bus.*maps named prism_identity that are not the pinned bus: id .*\b{shown['id']}\b")
            finally:
                os.unlink(pin)
            with self.subTest("a module that is no longer configured"):
                node.kill()
                node.modules = []
                node.write_config()
                self.assertRegex(node.ctl("doctor").stdout, r"pins.*modules/net: \d+ pins of a module that is not configured")
                self.assertEqual(node.spawn().poll(), None)
                node.wait_ready()
                self.assertIsNone(load.pins(node, "net"))


if __name__ == "__main__":
    e2e.main()
