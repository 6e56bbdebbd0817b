#!/bin/sh
# Installs a build, moves it, and uses it as somebody else's program would:
# every header on its own, then examples/embed through pkg-config and through
# CMake.
#   install.sh BUILD CC
set -eu
src=$(cd "$(dirname "$0")/.." && pwd)
build=$1 cc=$2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
want='drop: no SA has this SPI, protocol and destination (RFC 4301 5.2)'

cmake --install "$build" --prefix "$tmp/first" >/dev/null
mv "$tmp/first" "$tmp/moved"
"$tmp/moved/bin/ipsecsim" --version

pc=$(find "$tmp/moved" -name ipsecmodel.pc)
PKG_CONFIG_PATH=$(dirname "$pc")
export PKG_CONFIG_PATH
flags=$(pkg-config --cflags ipsecmodel)
n=0
for header in $(cd "$tmp/moved/include" && find . -name '*.h'); do
	echo "#include \"$header\"" >"$tmp/header.c"
	# shellcheck disable=SC2086
	"$cc" -std=c17 -Wall -Wextra -Werror -fsyntax-only \
		-I"$tmp/moved/include" $flags "$tmp/header.c"
	n=$((n + 1))
done
[ "$n" -gt 20 ]
echo "headers: $n stand on their own"

# shellcheck disable=SC2046
"$cc" -std=c17 -o "$tmp/embed" "$src/examples/embed/main.c" \
	$(pkg-config --cflags --libs ipsecmodel)
[ "$("$tmp/embed")" = "$want" ]
echo "pkg-config: $want"

cmake -S "$src/examples/embed" -B "$tmp/b" -DCMAKE_C_COMPILER="$cc" \
	-DCMAKE_PREFIX_PATH="$tmp/moved" >/dev/null
cmake --build "$tmp/b" >/dev/null
[ "$("$tmp/b/embed")" = "$want" ]
echo "find_package: $want"
