# SPDX-License-Identifier: Apache-2.0
"""What the checks share: the project's own files, and how findings are said."""
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
NOT_OURS = ("build", ".git", ".cache", ".pytest_cache", "__pycache__")


def _from_git():
    out = subprocess.run(["git", "-C", ROOT, "ls-files", "-coz", "--exclude-standard"], capture_output=True)
    return out.stdout.decode().split("\0")[:-1] if out.returncode == 0 else None


def _from_tree():
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        if path.is_file() and not any(p in NOT_OURS for p in parts) and not parts[0].startswith("build"):
            yield "/".join(parts)


def files(*suffixes):
    """Paths below ROOT, as strings; those that end in one of the suffixes."""
    names = _from_git() if (ROOT / ".git").exists() else None
    for name in sorted(set(names if names is not None else _from_tree())):
        path = ROOT / name
        if path.is_file() and not path.is_symlink() and (not suffixes or name.endswith(suffixes)):
            yield name


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def scripts():
    """Shell scripts, by their first line."""
    for name in files():
        with open(ROOT / name, "rb") as f:
            first = f.readline()
        if first.startswith(b"#!") and first.rstrip().endswith((b"sh", b"bash", b"env bash")):
            yield name


def report(findings, looked_at, law):
    """Ends the check: findings are lines `file:line: what is wrong`."""
    if not looked_at:
        sys.exit(f"{law}: found nothing to look at; the check itself is broken")
    for finding in findings:
        print(finding)
    if findings:
        sys.exit(f"{law}: {len(findings)} finding(s) in {looked_at} files")
    print(f"{law}: {looked_at} files, nothing found")
