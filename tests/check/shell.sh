#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every shell script of the project is clean by shellcheck.
set -eu
cd "$(dirname "$0")/../.."

list=$(PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=tests/check python3 -c 'import project; print(*project.scripts(), sep="\n")')
[ -n "$list" ] || { echo "shell: found no script; the check itself is broken"; exit 1; }
echo "$list" | xargs -d '\n' shellcheck --severity=warning
