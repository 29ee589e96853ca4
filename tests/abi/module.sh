#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A module of one file, in C17 and C++17, with gcc and clang: exports its descriptor alone and carries the note.
# Usage: module.sh INCLUDE_DIR SOURCE_DIR
set -eu
include=$1 source=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
strict="-Wall -Wextra -Wpedantic -Werror -shared -fPIC -fvisibility=hidden -I$include"

check() { # command...
	"$@" $strict -o "$work/module.so"
	readelf -W -n "$work/module.so" | grep -q 'Prism *0x00000044' || { echo "$*: no note" >&2; exit 1; }
	[ "$(nm -D --defined-only "$work/module.so" | awk '{ print $3 }')" = prism_module ] ||
		{ echo "$*: exports something else" >&2; exit 1; }
}

clang=$(command -v clang-19 || command -v clang)
check gcc -std=c17 "$source/module_c.c"
check "$clang" -std=c17 "$source/module_c.c"
check g++ -std=c++17 "$source/module_cxx.cc"
check "$clang" -std=c++17 "$source/module_cxx.cc"
