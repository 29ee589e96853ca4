# SPDX-License-Identifier: Apache-2.0
"""What became of a guest's tests, as a file and as lines for a person."""
import json
import os
import resource

STATES = ("passed", "failed", "unsupported")


def count(verdicts):
    return ", ".join(f"{sum(v['state'] == state for v in verdicts)} {state}" for state in STATES)


class Result:
    def __init__(self, kernel, groups, collector, troubles):
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.tree = {
            "kernel": kernel, "release": collector.release, "groups": groups, "troubles": troubles,
            "seconds": round(sum(v.seconds for v in collector.verdicts)), "cpu_seconds": round(used.ru_utime + used.ru_stime),
            "tests": [{"name": v.name, "state": v.state, "why": v.why, "seconds": round(v.seconds, 1), "unsupported": v.parts}
                      for v in collector.verdicts],
        }

    def good(self):
        tree = self.tree
        return bool(tree["tests"]) and not tree["troubles"] and all(t["state"] != "failed" for t in tree["tests"])

    def line(self):
        return line(self.tree)


def open_log(path):
    """Where all that a guest says goes while it says it; beside the result, nowhere where none is wanted."""
    if not path:
        return open(os.devnull, "wb")
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    return open(f"{path}.log", "wb", buffering=0)


def line(tree):
    where = f"{tree['kernel']:9} {' '.join(tree['groups']):8}"
    if "not_run" in tree:
        return f"{where} not run: {tree['not_run']}"
    trouble = f", {len(tree['troubles'])} reports of trouble in the machine" if tree["troubles"] else ""
    return f"{where} {count(tree['tests'])}{trouble}  (Linux {tree['release']}; {tree['seconds']} s, {tree['cpu_seconds']} s of CPU)"


def save(path, tree):
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with open(path, "w") as f:
        json.dump(tree, f, indent=1)
        f.write("\n")


def write_not_run(path, kernel, groups, reason):
    save(path, {"kernel": kernel, "groups": groups, "not_run": reason.removeprefix("vm: ")})
