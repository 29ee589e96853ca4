#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The SDK as an author has it: installed somewhere, then the example and the template built out of tree against it, with
# their own tests. Also by pkg-config. Usage: sdk.sh BUILD_DIR CMAKE CC [CFLAGS]
set -eu
build=$1 cmake=$2 cc=$3 cflags=${4:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
share=$work/prefix/share/prism/sdk

"$cmake" --install "$build" --component sdk --prefix "$work/prefix" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
for project in example template; do
	cp -r "$share/$project" "$work/$project"
	{
		"$cmake" -S "$work/$project" -B "$work/$project/build" -DCMAKE_PREFIX_PATH="$work/prefix" \
			-DCMAKE_C_COMPILER="$cc" -DCMAKE_C_FLAGS="$cflags" &&
			"$cmake" --build "$work/$project/build" -j 2 &&
			cd "$work/$project/build" && ctest --output-on-failure
	} >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
	grep -q 'tests passed' "$work/log"
done

cd "$work"
PKG_CONFIG_PATH=$(find "$work/prefix" -name pkgconfig -type d)
export PKG_CONFIG_PATH
flags=$(pkg-config --cflags --libs prism-sdk)
printf '#include <prism/leg.h>\nint main(void) { prism_leg_close(NULL, PRISM_STOP_REMOVE); return 0; }\n' >use.c
# shellcheck disable=SC2086
"$cc" $cflags use.c $flags -o use && ./use
