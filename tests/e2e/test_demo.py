# SPDX-License-Identifier: Apache-2.0
"""The README's first command, on the build under test: it shows what it promises and leaves nothing."""
import glob
import os
import re
import signal
import subprocess

import prism_e2e as e2e
from prism_e2e import BUILD, wait_for

SESSION = os.path.join(os.environ.get("PRISM_SOURCE", os.getcwd()), "conf", "demo", "session")


def traces():
    """Whatever a demo could leave: directories, mounts, cgroups, processes."""
    with open("/proc/self/mountinfo") as f:
        mounts = {line.split()[4] for line in f if "/prism-demo." in line}
    processes = set()
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as f:
                if b"/prism-demo." in f.read():
                    processes.add(path)
        except OSError:
            pass
    return set(glob.glob("/tmp/prism-demo.*")) | mounts | set(glob.glob(f"{e2e.cgroup2_root()}/prism-demo-*")) | processes


class Demo(e2e.TestCase):
    def test_shows_identities_packets_and_execs_and_leaves_nothing(self):
        before = traces()
        done = subprocess.run([SESSION, BUILD, "4"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=90)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        number = re.search(r"^ *(\d+) +demo/web ", done.stdout, re.M).group(1)
        rows = re.findall(rf"^ *{number} +demo/web +(\d+) +(\d+) +\d+ +\d+$", done.stdout, re.M)
        self.assertGreater(int(rows[-1][0]), 0, "packets out of the workload")
        self.assertGreater(int(rows[-1][1]), 0, "packets into it")
        self.assertRegex(done.stdout, r"exec [0-9:.]+ +\d+ +demo/jobs +pid \d+ +/\S*/(uname|date)")
        self.assertIn("gone without a trace", done.stdout)
        self.assertEqual(traces() - before, set())

    def test_interrupted_it_leaves_nothing_either(self):
        before = traces()
        p = subprocess.Popen([SESSION, BUILD, "60"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                             start_new_session=True)
        for line in p.stdout:
            if "counts since the start" in line:
                break
        os.killpg(p.pid, signal.SIGINT)
        out = p.stdout.read()
        p.stdout.close()
        self.assertEqual(p.wait(30), 130)
        self.assertIn("gone without a trace", out)
        wait_for("every trace to be gone", lambda: not traces() - before)


if __name__ == "__main__":
    e2e.main()
