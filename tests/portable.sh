#!/bin/sh
# The same effects on a big-endian and on a 32-bit machine: builds
# tests/portable for each target whose compiler is here, runs it (qemu-user)
# and compares what it prints with the native build's, bit for bit.
#   portable.sh [BUILD]    BUILD: a build of the tree, for its generated files
set -eu
cd "$(dirname "$0")/.."
build=${1:-build-gcc-release}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

compile() {
	"$1" -std=c17 -O1 -static -D_DEFAULT_SOURCE -Itests -Imodel -Ipfkey \
		-Iharness -I"$build" -o "$2" tests/portable/main.c \
		tests/support/step_*.c model/*.c \
		model/wire/*.c model/db/*.c model/transform/*.c pfkey/*.c \
		harness/hx_setkey.c harness/hx_setkey_tool.c \
		harness/hx_setkey_msg.c harness/hx_setkey_dump.c \
		harness/hx_hosts.c harness/hx_services.c harness/hx_words.c \
		harness/hx_protocols.c harness/hx_hex.c harness/hx_salist.c \
		harness/hx_err.c \
		"$build"/hx_setkey_parse.c "$build"/hx_setkey_lex.c
}

args="tests/fuzz/packet.setkey $(ls tests/fuzz/corpus/packet/* tests/fuzz/corpus/engine/* tests/fuzz/corpus/step/*)"
compile gcc "$tmp/native"
# shellcheck disable=SC2086
"$tmp/native" $args >"$tmp/native.txt"
[ "$(wc -l <"$tmp/native.txt")" -gt 500 ] || { echo "too little was run"; exit 1; }

ran=0
while read -r name cc emulator; do
	if ! command -v "$cc" >/dev/null || ! command -v "$emulator" >/dev/null
	then
		echo "$name: no $cc or no $emulator here"
		continue
	fi
	compile "$cc" "$tmp/$name"
	# shellcheck disable=SC2086
	"$emulator" "$tmp/$name" $args >"$tmp/$name.txt"
	if ! cmp -s "$tmp/native.txt" "$tmp/$name.txt"; then
		echo "$name differs:"
		diff "$tmp/native.txt" "$tmp/$name.txt" | head
		exit 1
	fi
	echo "$name: $(wc -l <"$tmp/native.txt") digests agree with the native ones"
	ran=$((ran + 1))
done <<'EOF'
big-endian-64 s390x-linux-gnu-gcc qemu-s390x
little-endian-32 i686-linux-gnu-gcc qemu-i386
EOF
[ "$ran" -gt 0 ] || { echo "no other machine could be tried"; exit 1; }
