# SPDX-License-Identifier: Apache-2.0
"""Tests of a build in a guest: which they are, the job that runs them there, and what becomes of each.

ctest's own list is the list, so a new test takes part by its label alone. What a test needs beside its program stands in its
REQUIRED_FILES. A test that no kernel of a build machine can run is registered with CONFIGURATIONS vm: plain ctest does not
know it, a guest runs it.
"""
import fnmatch
import json
import os
import re
import shlex
import subprocess
import time

from initramfs import Missing

# A group is the tests that have all of these labels.
GROUPS = {"objects": {"objects"}, "bpf": {"bpf"}, "legs": {"legs"}, "e2e": {"e2e", "kernel"}, "kube": {"kube", "kernel"},
          "timing": {"timing"}}
# Tests with this label mean something only where time is the count of instructions.
TIMED = "timing"
# Those with this one have a whole control plane in the guest.
ROOMY, ROOM = "kube", 4096 # MiB
SKIP = 77
# timeout's own status, and what a program that it ended has.
LATE = (124, 128 + 15, 128 + 9)
# Emulated, everything takes longer; the limits are for giving up, and what repeats (docs/testing.md) does so less often.
SLOWER = 10
ENVIRONMENT = [f"PRISM_E2E_TIMEOUT={20 * SLOWER}", "PRISM_E2E_BURST=600", "PRISM_E2E_KILLS=5", "PRISM_E2E_START_KILLS=3",
               "PRISM_KUBE_LEGS=net,sched,trace,lsm", "PRISM_KUBE_PODS=120", "PRISM_KUBE_CHURN=300", "PRISM_KUBE_STARTS=150"]
# How a test says that this kernel cannot do something: the suite's own line, unittest's, cmocka's (which has no reason).
UNSUPPORTED = re.compile(r"(?:^|(?<=\s))UNSUPPORTED: (.+)$|\.\.\. skipped ['\"](.+)['\"]$", re.M)
CMOCKA_SKIP = re.compile(r"^\[  SKIPPED \] (\S+)$", re.M)


class Test:
    def __init__(self, entry):
        properties = {p["name"]: p["value"] for p in entry.get("properties", ())}
        self.name = entry["name"]
        self.command = entry.get("command", [])
        self.labels = set(properties.get("LABELS", ()))
        self.environment = properties.get("ENVIRONMENT", [])
        self.directory = properties.get("WORKING_DIRECTORY", "/")
        self.limit = SLOWER * properties.get("TIMEOUT", 60)
        self.files = [p for p in [*self.command, *properties.get("REQUIRED_FILES", ())] if os.path.isabs(p)]

    def job(self):
        """A line of the guest's job."""
        words = [self.directory, "env", *self.environment, *ENVIRONMENT, "timeout", "-k", "10", f"{self.limit:.0f}",
                 *self.command]
        return f"run_test {shlex.quote(self.name)} {shlex.join(words)}\n"


# Each test starts in a guest that has nothing of the one before: what one leaves is its failure.
RUNNER = r"""
left() {
    # The kernel is done with a scheduler a moment after its link has gone.
    for _ in $(seq 50); do
        [ -e /sys/kernel/sched_ext/state ] && ! grep -qx disabled /sys/kernel/sched_ext/state || break
        sleep 0.1
    done
    ls -d /sys/fs/bpf/* /sys/fs/cgroup/*/ 2>/dev/null
    [ ! -e /sys/kernel/sched_ext/state ] || grep -qx disabled /sys/kernel/sched_ext/state || cat /sys/kernel/sched_ext/root/ops
}
run_test() {
    printf '\036begin %s\n' "$1"
    (mkdir -p "$2" && cd "$2" && shift 2 && exec "$@")
    status=$?
    remains=$(left)
    [ -z "$remains" ] || printf '\036left %s\n' "$(echo $remains)"
    printf '\036end %d\n' $status
}
"""


def chosen(build, names):
    """The tests of a build that are in one of the groups or match one of the patterns."""
    done = subprocess.run(["ctest", "--test-dir", build, "-C", "vm", "--show-only=json-v1"], capture_output=True, text=True)
    if done.returncode:
        raise Missing(f"ctest does not list the tests of {build}: {done.stderr.strip()}")
    tests = [Test(entry) for entry in json.loads(done.stdout)["tests"] if entry.get("command")]
    out = {}
    for name in names:
        found = [t for t in tests if GROUPS[name] <= t.labels] if name in GROUPS else \
            [t for t in tests if fnmatch.fnmatch(t.name, name)]
        if not found:
            raise Missing(f"no test of {build} is in a group, or matches the pattern, \"{name}\"; "
                          f"groups: {', '.join(GROUPS)}; -C vm -N of ctest lists the tests")
        out.update({t.name: t for t in found})
    return list(out.values())


def job(tests):
    return RUNNER + "".join(t.job() for t in tests)


class Verdict:
    """What became of one test: "passed", "failed" or "unsupported"; parts are the reasons why not all of it ran."""

    def __init__(self, name, status, output, seconds, left):
        self.name, self.output, self.seconds = name, output, seconds
        self.parts = ["".join(m.groups(default="")) for m in UNSUPPORTED.finditer(output)]
        self.parts = list(dict.fromkeys(self.parts))
        if not self.parts:
            self.parts = [f"{test}: skipped without a reason" for test in CMOCKA_SKIP.findall(output)]
        self.why = ""
        if left:
            self.state, self.why = "failed", f"left behind: {left}"
        elif status in LATE:
            self.state, self.why = "failed", "not done within its time limit"
        elif status == SKIP:
            self.state = "unsupported"
            self.parts = self.parts or ["skipped without a reason"]
        else:
            self.state = "failed" if status else "passed"

    def judge(self, expected):
        """A reason that is not among those this kernel may give is a failure."""
        odd = [part for part in self.parts if not any(re.search(e, part) for e in expected)]
        if odd and self.state != "failed":
            self.state, self.why = "failed", "this kernel must be able to do that: " + "; ".join(odd)


class Collector:
    """Listens to a guest that runs a job of tests."""

    def __init__(self, expected, progress, live):
        """progress(Verdict) at the end of each test; live(bytes) for all that the guest says."""
        self.expected, self.progress, self.live = expected, progress, live
        self.verdicts = []
        self.log = bytearray()
        self.release = "?"
        self._name = None

    def output(self, data):
        self.log += data
        self.live(data)

    def word(self, verb, rest):
        if verb == "up":
            self.release = rest
        elif verb == "begin":
            self.output(f"==== {rest}\n".encode())
            self._name, self._from, self._began, self._left = rest, len(self.log), time.monotonic(), ""
        elif verb == "left":
            self._left = rest
        elif verb == "end" and self._name:
            self._end(int(rest))

    def cut(self, tests):
        """The guest is gone. A test that was under way has failed, one that was not reached too."""
        if self._name:
            self._end(-1)
        for name in {t.name for t in tests} - {v.name for v in self.verdicts}:
            self._add(Verdict(name, -1, "not reached\n", 0, ""))

    def _end(self, status):
        output = self.log[self._from:].decode(errors="replace").replace("\r", "")
        self._add(Verdict(self._name, status, output, time.monotonic() - self._began, self._left))
        self._name = None

    def _add(self, verdict):
        verdict.judge(self.expected)
        self.verdicts.append(verdict)
        self.progress(verdict)
