#!/bin/sh
# The model's library keeps no state of its own and calls nothing of the
# outside: every .data and .bss is empty, and what is not defined inside is on
# a short list.
#   purity.sh LIBRARY [LIBRARY-BELOW...]
set -eu
lib=$1
bad=0

# Member by member: "ipm_alg.c.o : ... .data 0 ...".
size -A "$lib" | awk '
	/:$/ || / :/ { member = $1 }
	$1 ~ /^\.(data|bss|tdata|tbss)(\..*)?$/ && $1 !~ /^\.data\.rel\.ro/ &&
	    $2 != 0 { print member ": " $1 " has " $2 " octets"; bad = 1 }
	END { exit bad }' || bad=1

allowed='^(mem(cpy|move|set|cmp|chr)|str(len|cmp|ncmp|chr|cspn)|__assert_fail|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_)$'
nm "$@" | awk 'NF == 3 && $2 ~ /[A-TV-Z]/ { print $3 }' | sort -u \
	>"${TMPDIR:-/tmp}/defined.$$"
nm -u "$lib" | awk '$1 == "U" { print $2 }' | sort -u |
	comm -23 - "${TMPDIR:-/tmp}/defined.$$" | grep -Ev "$allowed" \
	>"${TMPDIR:-/tmp}/undefined.$$" || true
if [ -s "${TMPDIR:-/tmp}/undefined.$$" ]; then
	echo "calls of the outside:"
	cat "${TMPDIR:-/tmp}/undefined.$$"
	bad=1
fi
rm -f "${TMPDIR:-/tmp}/defined.$$" "${TMPDIR:-/tmp}/undefined.$$"
[ "$bad" -eq 0 ] && echo "pure: $lib"
exit "$bad"
