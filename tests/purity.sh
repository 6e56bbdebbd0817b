#!/bin/sh
# The model's library keeps no state of its own and calls nothing of the
# outside: every .data and .bss is empty, and what is not defined inside is on
# a short list.
#   purity.sh LIBRARY [LIBRARY-BELOW...]
#   purity.sh --can-fail LIBRARY    the library of impure.c must be refused
#   purity.sh --memory LIBRARY      a provider: no allocator but the caller's
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
if [ "$1" = --can-fail ]; then
	sh "$0" "$2" >"$tmp/out" && { echo "not refused"; exit 1; }
	cat "$tmp/out"
	grep -q '^impure\.c\.o: \.data has 4 octets$' "$tmp/out"
	grep -q '^impure\.c\.o: \.bss has 4 octets$' "$tmp/out"
	grep -q '^printf$' "$tmp/out"
	exit
fi
if [ "$1" = --memory ]; then
	nm -u "$2" >"$tmp/wanted"
	grep -q 'EVP_CIPHER_fetch$' "$tmp/wanted" # it is the provider's
	if grep -E ' U (malloc|calloc|realloc|free|strdup)$' "$tmp/wanted"; then
		exit 1
	fi
	echo "memory from the caller: $2"
	exit
fi
lib=$1
bad=0

# Step by step through files: a pipe would hide that size or nm failed.
size -A "$lib" >"$tmp/sizes"
nm "$@" >"$tmp/all"
nm -u "$lib" >"$tmp/wanted"

# Member by member: "ipm_alg.c.o (ex lib...): ... .data 0 ...".
awk '/:$/ { member = $1; n++ }
	$1 ~ /^\.(data|bss|tdata|tbss)(\..*)?$/ && $1 !~ /^\.data\.rel\.ro/ &&
	    $2 != 0 { print member ": " $1 " has " $2 " octets"; bad = 1 }
	END { if (n == 0) print "no members"; exit bad || n == 0 }' \
	"$tmp/sizes" || bad=1

# bcmp is what clang makes of a memcmp whose order nobody asks for.
allowed='^(mem(cpy|move|set|cmp|chr)|str(len|cmp|ncmp|chr|cspn)|bcmp|__assert_fail|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_)$'
awk 'NF == 3 && $2 ~ /[A-TV-Z]/ { print $3 }' "$tmp/all" | sort -u \
	>"$tmp/defined"
awk '$1 == "U" { print $2 }' "$tmp/wanted" | sort -u |
	comm -23 - "$tmp/defined" | grep -Ev "$allowed" >"$tmp/outside" || true
if [ -s "$tmp/outside" ]; then
	echo "calls of the outside:"
	cat "$tmp/outside"
	bad=1
fi
[ "$bad" -eq 0 ] && echo "pure: $lib"
exit "$bad"
