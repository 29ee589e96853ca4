#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""clang-tidy finds nothing in the project's own sources.   usage: tidy.py BUILD-DIR

A file that was found clean is not looked at again while neither it, nor any header of the project, nor its command line,
nor .clang-tidy has changed: digests of clean ones are kept in BUILD-DIR/tidy-cache."""
import concurrent.futures
import hashlib
import json
import pathlib
import shlex
import subprocess
import sys

from project import ROOT, files, report

TIDY = "clang-tidy-19"
JOBS = 2


def digest_of_headers():
    digest = hashlib.sha256((ROOT / ".clang-tidy").read_bytes())
    for name in files(".h"):
        digest.update(name.encode() + b"\0" + (ROOT / name).read_bytes())
    return digest


def digest(common, entry):
    d = common.copy()
    d.update(entry["command"].encode() + b"\0" + pathlib.Path(entry["file"]).read_bytes())
    return d.hexdigest()


def look(build, entry, mark):
    if mark.exists():
        return []
    # The command line is the build's compiler's: clang need not know every warning of gcc's.
    out = subprocess.run([TIDY, "--quiet", "--extra-arg=-Wno-unknown-warning-option", "-p", str(build), entry["file"]],
                         capture_output=True, text=True)
    own = [line.replace(f"{ROOT}/", "") for line in out.stdout.splitlines()
           if (": error:" in line or ": warning:" in line) and not line.startswith(str(build))]
    # A header of the build's own (a skeleton) is not ours to judge; anything else that failed is.
    broken = out.returncode and not own and ": error:" not in out.stdout
    if broken:
        own = [f"{entry['file']}: {shlex.quote(TIDY)} failed: {out.stderr.strip()[-500:]}"]
    if not own:
        mark.touch()
    return own


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    entries = {e["file"]: e for e in json.loads((build / "compile_commands.json").read_text())}
    own = [e for f, e in sorted(entries.items())
           if pathlib.Path(f).is_relative_to(ROOT) and not pathlib.Path(f).is_relative_to(build)]
    cache = build / "tidy-cache"
    cache.mkdir(exist_ok=True)
    common = digest_of_headers()
    marks = [cache / digest(common, e) for e in own]
    for old in set(cache.iterdir()) - set(marks):
        old.unlink()
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        found = pool.map(lambda pair: look(build, *pair), zip(own, marks))
        findings = sorted({line for lines in found for line in lines})
    report(findings, len(own), "clang-tidy")


if __name__ == "__main__":
    main()
