#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The rules of conf/monitoring and the dashboard's expressions as Prometheus itself reads them, and what the rules do with
# series (prism.rules.test.yaml).
#
# promtool is the one in PATH, or that of Debian's package prometheus, which is unpacked into a cache and not installed: that
# would start a server. Where neither can be had it ends with 77.
set -eu
cd "$(dirname "$0")/../.."

cache=${XDG_CACHE_HOME:-$HOME/.cache}/prism/promtool
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

fetch() {
    (cd "$work" && apt-get download prometheus) >"$work/log" 2>&1 || return 1
    dpkg-deb --fsys-tarfile "$work"/prometheus_*.deb | tar -C "$work" -x ./usr/bin/promtool
    mkdir -p "$cache"
    mv "$work/usr/bin/promtool" "$cache/"
}

promtool=$(command -v promtool || true)
[ -n "$promtool" ] || { [ -x "$cache/promtool" ] || fetch && promtool=$cache/promtool; }
if [ -z "$promtool" ]; then
    echo "UNSUPPORTED: no promtool, and Debian's package prometheus cannot be had:"
    cat "$work/log"
    exit 77
fi
cp conf/monitoring/prism.rules.yaml tests/check/prism.rules.test.yaml "$work/"
python3 -c 'import json, sys
found = [t["expr"] for p in json.load(sys.stdin)["panels"] for t in p.get("targets", [])]
rules = [{"record": f"panel:{i}", "expr": e.replace("$__rate_interval", "5m")} for i, e in enumerate(found)]
print(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))' <conf/monitoring/grafana-dashboard.json >"$work/dashboard.yaml"
cd "$work"
"$promtool" check rules prism.rules.yaml dashboard.yaml
"$promtool" test rules prism.rules.test.yaml
