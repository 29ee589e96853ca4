#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a formatter does not see: files of at most 700 lines, nothing left undone, no trailing blanks, no path or host of
whoever wrote it."""
import re

from project import files, report, text

MAX_LINES = 700
CODE = (".c", ".h", ".py", ".sh", ".cmake", "CMakeLists.txt")
# Written so that this file does not find itself.
UNDONE = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
MACHINE = re.compile(r"(?<![\w/])(/ho" r"me/\w|/wo" r"rk/|/ro" r"ot/\w|/User" r"s/\w)")
# A host that packages come from; documentation links to projects are fine.
MIRROR = re.compile(r"\b(?:https?|ftp)://[^\s/\"'<>]*(?:debian\.org|ubuntu\.com|mirror|snapshot|archive)[^\s\"'<>]*", re.I)


def look(name, content):
    lines = content.splitlines()
    if name.endswith(CODE) and len(lines) > MAX_LINES:
        yield f"{name}:{MAX_LINES}: {len(lines)} lines, the limit is {MAX_LINES}: one concept a file"
    if content and not content.endswith("\n"):
        yield f"{name}:{len(lines)}: no newline at the end"
    for number, line in enumerate(lines, 1):
        if UNDONE.search(line):
            yield f"{name}:{number}: something was left undone: {line.strip()}"
        if MACHINE.search(line):
            yield f"{name}:{number}: a path of one machine: {line.strip()}"
        if MIRROR.search(line):
            yield f"{name}:{number}: the host of a package mirror: {line.strip()}"
        if line != line.rstrip() and not name.endswith((".md", ".patch")):
            yield f"{name}:{number}: blanks at the end of the line"
        if "\t" in line and name.endswith((".py", ".yaml", ".yml", ".json")):
            yield f"{name}:{number}: a tab"


def main():
    findings, n = [], 0
    for name in files():
        if name == "LICENSE" or "/corpus/" in name or "/fixtures/" in name or "/vectors/" in name:
            continue
        try:
            content = text(name)
        except UnicodeDecodeError:
            findings.append(f"{name}:1: not UTF-8")
            continue
        n += 1
        findings += look(name, content)
    report(findings, n, "style")


if __name__ == "__main__":
    main()
