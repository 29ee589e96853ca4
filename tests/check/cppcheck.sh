#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cppcheck finds nothing in what runs in user space.   usage: cppcheck.sh CACHE-DIR
set -eu
cd "$(dirname "$0")/../.."

cache=$1
mkdir -p "$cache"
list=$(PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=tests/check python3 -c 'import project
print(*(f for f in project.files(".c") if not f.endswith(".bpf.c") and not f.startswith("tests/")), sep="\n")')
[ -n "$list" ] || { echo "cppcheck: found no C file; the check itself is broken"; exit 1; }
# Some kinds of finding do not reach the exit status: what counts is what it says.
found=$(echo "$list" | cppcheck --file-list=- -j2 --cppcheck-build-dir="$cache" --enable=warning,portability,performance \
    --std=c11 --platform=unix64 --inline-suppr --quiet --error-exitcode=1 --library=tests/check/cppcheck.cfg \
    --suppressions-list=tests/check/cppcheck.suppressions --suppress=missingIncludeSystem \
    -Icore -Isdk/include -Isdk/src -D_GNU_SOURCE -D__x86_64__ \
    --template='{file}:{line}: {severity}: {message} [{id}]' 2>&1) || [ -n "$found" ] || found="cppcheck failed"
if [ -n "$found" ]; then
    echo "$found"
    exit 1
fi
echo "cppcheck: $(echo "$list" | wc -l) files, nothing found"
