#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every C file is as clang-format-19 writes it.   usage: format.sh [--fix]
set -eu
cd "$(dirname "$0")/../.."

mode=check
[ "${1:-}" = --fix ] && mode=-i
list=$(PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=tests/check python3 -c 'import project; print(*project.files(".c", ".h"), sep="\n")')
[ -n "$list" ] || { echo "format: found no C file; the check itself is broken"; exit 1; }
if [ "$mode" = -i ]; then
    echo "$list" | xargs -d '\n' clang-format-19 -i
elif ! found=$(echo "$list" | xargs -d '\n' clang-format-19 --dry-run --Werror 2>&1); then
    echo "$found" | sed -n 's/^\([^ ]*\): error:.*/\1/p'
    echo "format: these places are not as clang-format-19 writes them; tests/check/format.sh --fix rewrites the files"
    exit 1
fi
