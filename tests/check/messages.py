#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every error message of the core stands in docs/messages.md, with what to do about it, and nothing else does.

usage: messages.py [--update]     --update rewrites the tables: remedies are kept, new messages get an empty one to fill in"""
import re
import sys

from project import ROOT, files, report, text

PAGE = "docs/messages.md"
# Function: which argument is the text.
SPEAKERS = {"error_set": 3, "problems_add": 3, "node_problem": 2, "note": 2, "log_error": 1, "log_warning": 1}
ROOMS = ["base", "config", "identity", "bus", "cgroup", "source", "kube", "pods", "host", "agent", "admin", "ctl"]
CALL = re.compile(r"(?<![\w.>])(%s)\s*\(" % "|".join(SPEAKERS))
TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"|([A-Za-z_]\w*)|(\?)|(\S)')
SPECIFIER = re.compile(r"%[-+ #0]*(?:\d+|\*)?(?:\.(?:\d+|\*))?(?:hh|h|ll|l|j|z|t)?[diouxXscpgfeG]")
ROW = re.compile(r"^\| (`+ ?)(.*?)( ?`+) \| (.*?) ?\|$")


def arguments(source, start):
    """Of the call whose parenthesis opens at start."""
    depth, current, i, out = 0, [], start, []
    while i < len(source):
        literal = re.compile(r'"(?:[^"\\]|\\.)*"').match(source, i) if source[i] == '"' else None
        if literal:
            current.append(literal[0])
            i = literal.end()
            continue
        c = source[i]
        depth += (c in "([{") - (c in ")]}")
        if depth == 0:
            return out + ["".join(current)]
        if c == "," and depth == 1:
            out.append("".join(current))
            current = []
        elif not (i == start):
            current.append(c)
        i += 1
    return []


def texts(argument):
    """Each text that an argument can be: literals that stand side by side are one, those of a ?: are several."""
    parts, current, choice = [], [], "?" in re.sub(r'"(?:[^"\\]|\\.)*"', "", argument)
    for match in TOKEN.finditer(argument):
        if match[1] is not None:
            current.append(match[1])
        elif match[2] and current and not choice:
            current.append("\0")
        elif current and choice:
            parts.append("".join(current))
            current = []
    if current:
        parts.append("".join(current).rstrip("\0") if choice else "".join(current))
    return parts


def readable(literal):
    out = re.sub("%?\0", "…", SPECIFIER.sub("…", literal)).replace('\\"', '"').replace("\\n", " ").replace("%%", "%")
    return re.sub(r"\s+", " ", out).strip()


def says_something(message):
    return len(re.sub(r"[^A-Za-z]", "", message)) > 3


def spoken():
    """room -> messages, in the order of the source."""
    out = {room: [] for room in ROOMS}
    for name in files(".c"):
        parts = name.split("/")
        if parts[0] != "core" or name.endswith(".bpf.c"):
            continue
        source = re.sub(r"/\*.*?\*/", " ", text(name), flags=re.S)
        for call in CALL.finditer(source):
            args = arguments(source, call.end() - 1)
            if len(args) <= SPEAKERS[call[1]]:
                continue
            room = parts[1] if len(parts) == 3 else "agent"
            for message in map(readable, texts(args[SPEAKERS[call[1]]])):
                if says_something(message) and message not in out.setdefault(room, []):
                    out[room].append(message)
    return out


def code(message):
    quote = "``" if "`" in message else "`"
    space = " " if "`" in message else ""
    return quote + space + message.replace("|", "\\|") + space + quote


def documented():
    """message -> remedy"""
    out = {}
    for line in text(PAGE).splitlines() if (ROOT / PAGE).exists() else []:
        row = ROW.match(line)
        if row:
            out[row[2].replace("\\|", "|")] = row[4].strip()
    return out


def update(said, known):
    head = text(PAGE).split("\n## ")[0].rstrip()
    out = [head]
    for room, messages in said.items():
        out.append(f"\n## {room}\n\n| message | what to do |\n|---|---|")
        out += [f"| {code(m)} | {known.get(m, '')} |" for m in messages]
    (ROOT / PAGE).write_text("\n".join(out) + "\n", encoding="utf-8")


def main():
    said, known = spoken(), documented()
    if "--update" in sys.argv[1:]:
        update(said, known)
        known = documented()
    every = {m for messages in said.values() for m in messages}
    findings = [f"{PAGE}: not there: {m}" for m in sorted(every - known.keys())]
    findings += [f"{PAGE}: nobody says this any more: {m}" for m in sorted(known.keys() - every)]
    findings += [f"{PAGE}: nothing is said of what to do about: {m}" for m in sorted(every & known.keys()) if not known[m]]
    if findings:
        findings.append("tests/check/messages.py --update brings the tables up to date; remedies are for you to write")
    report(findings, len(every), "messages")


if __name__ == "__main__":
    main()
