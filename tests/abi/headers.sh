#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Each public header compiles alone and twice over, as C17 and C++17, with gcc and clang, without a warning; those for
# BPF with clang's BPF target. Usage: headers.sh INCLUDE_DIR [ARCH_INCLUDE_DIR]
set -u
include=$1
arch=${2:-}
strict="-Wall -Wextra -Wpedantic -Werror -fsyntax-only -I$include"
checks=0 failed=0

compile() { # header command...
	header=$1
	shift
	checks=$((checks + 1))
	if ! printf '#include <prism/%s>\n#include <prism/%s>\n' "$header" "$header" | "$@" -; then
		echo "FAILED: prism/$header with $*" >&2
		failed=$((failed + 1))
	fi
}

find_tool() { # names...
	for tool in "$@"; do
		command -v "$tool" && return
	done
	echo "headers.sh: none of: $*" >&2
	exit 1
}

gcc=$(find_tool gcc) || exit 1
gxx=$(find_tool g++) || exit 1
clang=$(find_tool clang-19 clang-20 clang-18 clang-17 clang-16 clang) || exit 1

for path in "$include"/prism/*.h; do
	header=${path##*/}
	case $header in
	*.bpf.h)
		compile "$header" "$clang" -target bpf -mcpu=v3 -O2 -g -std=gnu17 -Wall -Wextra -Werror -fsyntax-only -I"$include" \
			${arch:+-idirafter "$arch"} -x c
		compile "$header" "$clang" -target bpf -mcpu=v3 -O2 -g -std=gnu17 -DPRISM_BUS_CACHE -DPRISM_BUS_PIN_BY_NAME -Wall \
			-Wextra -Werror -fsyntax-only -I"$include" ${arch:+-idirafter "$arch"} -x c
		;;
	*)
		compile "$header" "$gcc" -std=c17 $strict -x c
		compile "$header" "$gxx" -std=c++17 $strict -x c++
		compile "$header" "$clang" -std=c17 $strict -x c
		compile "$header" "$clang" -std=c++17 $strict -x c++
		;;
	esac
done
echo "$checks compilations, $failed failed"
[ "$checks" -ge 20 ] && [ "$failed" -eq 0 ]
