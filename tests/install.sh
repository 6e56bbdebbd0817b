#!/bin/sh
# Installs a build and uses it as somebody else's program would: through
# pkg-config and through CMake.
#   install.sh BUILD CC
set -eu
src=$(cd "$(dirname "$0")/.." && pwd)
build=$1 cc=$2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
want='drop: no SA has this SPI, protocol and destination (RFC 4301 5.2)'

cmake --install "$build" --prefix "$tmp/root" >/dev/null
"$tmp/root/bin/ipsecsim" --version
export PKG_CONFIG_PATH=$(dirname "$(find "$tmp/root" -name ipsecmodel.pc)")
# The .pc names the prefix of the configuration; this one is another.
# shellcheck disable=SC2046
"$cc" -std=c17 -o "$tmp/embed" "$src/examples/embed/main.c" \
	$(pkg-config --define-variable=prefix="$tmp/root" --static \
		--cflags --libs ipsecmodel)
[ "$("$tmp/embed")" = "$want" ]
echo "pkg-config: $want"

cmake -S "$src/examples/embed" -B "$tmp/b" -DCMAKE_C_COMPILER="$cc" \
	-DCMAKE_PREFIX_PATH="$tmp/root" >/dev/null
cmake --build "$tmp/b" >/dev/null
[ "$("$tmp/b/embed")" = "$want" ]
echo "find_package: $want"
