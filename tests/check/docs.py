#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Relative links and anchors of every *.md lead somewhere; README's first two fenced sh blocks are one command each."""
import re
import unicodedata

from project import ROOT, files, report, text

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)|!\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^(```+|~~~+)\s*(\w*)\s*$")


def outside_fences(content):
    fence = None
    for number, line in enumerate(content.splitlines(), 1):
        match = FENCE.match(line.strip())
        if match and (fence is None or line.strip().startswith(fence)):
            fence = match[1] if fence is None else None
        elif fence is None:
            yield number, re.sub(r"`[^`]*`", "", line)


def anchors(content):
    """As GitHub makes them from headings."""
    seen = {}
    for _, line in outside_fences(re.sub(r"`", "", content) if "```" not in content else content):
        if not line.startswith("#"):
            continue
        title = unicodedata.normalize("NFC", line.lstrip("#").strip().lower())
        slug = re.sub(r"[^\w\- ]", "", title).replace(" ", "-")
        n = seen[slug] = seen.get(slug, -1) + 1
        yield f"{slug}-{n}" if n else slug


def heading_anchors(name):
    plain = [line if not line.startswith("#") else line.replace("`", "") for line in text(name).splitlines()]
    return set(anchors("\n".join(plain)))


def check_links(name):
    for number, line in outside_fences(text(name)):
        for match in LINK.finditer(line):
            target = match[1] or match[2]
            if re.match(r"[a-z][a-z0-9+.-]*:", target):
                continue
            path, _, anchor = target.partition("#")
            file = (ROOT / name).parent / path if path else ROOT / name
            if not file.exists():
                yield f"{name}:{number}: {target} is not there"
            elif anchor and file.suffix == ".md":
                if anchor not in heading_anchors(file.resolve().relative_to(ROOT).as_posix()):
                    yield f"{name}:{number}: {target}: no such heading"


def sh_blocks(content):
    return re.findall(r"^```sh\n(.*?)^```$", content, re.M | re.S)


def check_readme():
    blocks = sh_blocks(text("README.md"))
    if len(blocks) < 2:
        yield "README.md:1: its first two fenced sh blocks are the demo and the tests"
        return
    for what, block in zip(("the demo", "the tests"), blocks):
        lines = block.splitlines()
        if len(lines) != 1:
            yield f"README.md:1: the block of {what} has {len(lines)} lines, not one"
        elif not (ROOT / lines[0].split()[0]).exists():
            yield f"README.md:1: {what}: {lines[0].split()[0]} is not there"


def main():
    names = list(files(".md"))
    findings = [finding for name in names for finding in check_links(name)]
    findings += check_readme()
    report(findings, len(names), "documentation")


if __name__ == "__main__":
    main()
