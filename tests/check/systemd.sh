#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The unit as systemd itself reads it: nothing unknown or contradictory, and no more exposed than it was.
set -eu
cd "$(dirname "$0")/../.."

exposed=34 # tenths, of systemd-analyze security; see what it says before raising this

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP
unit=$work/prismd.service
sed -e 's|@PRISM_PRISMD@|/bin/true|' -e 's|@PRISM_CONFIG_ARGUMENT@| -c /etc/prism/prismd.yaml|' conf/systemd/prismd.service.in >"$unit"
! grep '@' "$unit" | grep -v '^#\|^SystemCallFilter='

# What it does not understand is a warning, and no error.
found=$(SYSTEMD_LOG_LEVEL=warning systemd-analyze verify --man=no "$unit" 2>&1) || found="$found (failed)"
[ -z "$found" ] || { echo "$found"; exit 1; }
systemd-analyze security --offline=true --threshold="$exposed" --no-pager "$unit" >"$work/security" || { cat "$work/security"; exit 1; }
echo "systemd: $(tail -n 1 "$work/security")"
