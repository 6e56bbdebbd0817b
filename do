#!/usr/bin/env bash
# Everything a person does with this tree.  ./do help lists the verbs.
set -euo pipefail
cd "$(dirname "$0")"

PACKAGES=(build-essential cmake ninja-build clang clang-format clang-tidy
	libclang-rt-14-dev llvm pkg-config libssl-dev zlib1g-dev libjansson-dev
	libpcap-dev libgcrypt20-dev libcriterion-dev flex bison python3
	python3-scapy)
# For bench and nightly alone: what the model is compared with, other machines.
MORE_PACKAGES=(tshark tcpdump gcc-s390x-linux-gnu libc6-dev-s390x-cross
	gcc-i686-linux-gnu libc6-dev-i386-cross qemu-user)
JOBS=${JOBS:-$(nproc)}

say() {
	printf '== %s\n' "$*"
}

# deps [all]: installs what is missing; asks the package manager only then.
deps() {
	local missing=() wanted=("${PACKAGES[@]}") p sudo=
	[ "${1:-}" = all ] && wanted+=("${MORE_PACKAGES[@]}")
	for p in "${wanted[@]}"; do
		dpkg-query -W -f='${Status}' "$p" 2>/dev/null |
			grep -q 'install ok installed' || missing+=("$p")
	done
	[ ${#missing[@]} -eq 0 ] && return 0
	[ "$(id -u)" -eq 0 ] || sudo=sudo
	say "installing ${missing[*]}"
	$sudo apt-get update -qq
	DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq \
		--no-install-recommends "${missing[@]}" >/dev/null
}

# configure DIR CC TYPE [OPTION...]
configure() {
	local dir=$1 cc=$2 type=$3
	shift 3
	cmake -G Ninja -S . -B "$dir" -DCMAKE_C_COMPILER="$cc" \
		-DCMAKE_BUILD_TYPE="$type" "$@" >"$dir.log" 2>&1 ||
		{ cat "$dir.log"; return 1; }
	rm -f "$dir.log"
}

compile() {
	ninja -C "$1" -j "$JOBS" ${2:+"$2"} >"$1/ninja.log" ||
		{ cat "$1/ninja.log"; return 1; }
}

build() {
	deps
	configure build gcc Release -DIPM_TESTS=OFF
	compile build
	say "build/ipsecsim"
}

demo() {
	build
	local c=vectors/captures/esp-tn44-gcm128_16 r
	for r in pcap neg.pcap; do
		say "ipsecsim replay -c $c.setkey -r $c.$r"
		# Exit status 1 says that frames were dropped: part of the show.
		build/ipsecsim replay -c "$c.setkey" -r "$c.$r" || [ $? -eq 1 ]
	done
}

# suite DIR: every test of a build
suite() {
	ctest --test-dir "$1" --output-on-failure -j "$JOBS" --no-tests=error
}

test() {
	deps
	say "GCC, release"
	configure build-gcc gcc Release -DIPM_WERROR=ON
	compile build-gcc
	suite build-gcc
	say "clang, ASan and UBSan"
	configure build-asan clang Debug -DIPM_WERROR=ON -DIPM_SANITIZE=ON
	compile build-asan
	suite build-asan
	say "CONFORMANCE.md and the formatting"
	python3 tools/conformance.py --check
	format --check
	say "all tests passed"
}

bench() {
	deps all
	configure build gcc Release -DIPM_TESTS=OFF
	compile build
	build/ipsecsim-bench "$@"
}

sources() {
	git ls-files -co --exclude-standard '*.c' '*.h'
}

# format [--check]
format() {
	if [ "${1:-}" = --check ]; then
		sources | xargs clang-format-14 --dry-run -Werror
	else
		sources | xargs clang-format-14 -i
	fi
}

lint() {
	deps
	format --check
	configure build-lint clang Debug
	compile build-lint
	git ls-files 'model/*.c' 'harness/*.c' |
		xargs -P "$JOBS" -n 4 clang-tidy-14 -p build-lint --quiet
}

# fuzz [SECONDS]: each target so long, from a copy of its corpus
fuzz() {
	local seconds=${1:-60} target name scratch
	deps
	configure build-fuzz clang RelWithDebInfo -DIPM_FUZZ=ON \
		-DIPM_SANITIZE=ON
	compile build-fuzz
	scratch=$(mktemp -d)
	for target in build-fuzz/tests/fuzz_*; do
		[ -x "$target" ] && [ -f "$target" ] || continue
		case $target in *_corpus) continue ;; esac
		name=${target##*/fuzz_}
		say "fuzz_$name, $seconds s"
		mkdir -p "$scratch/$name"
		"$target" -max_total_time="$seconds" -timeout=10 \
			-rss_limit_mb=2048 -print_final_stats=1 -verbosity=0 \
			-artifact_prefix="$scratch/$name-" \
			"$scratch/$name" "tests/fuzz/corpus/$name" \
			2>"$scratch/$name.log" ||
			{ tail -n 40 "$scratch/$name.log"; return 1; }
		grep -E 'number_of_executed_units|new_units_added' \
			"$scratch/$name.log" || true
	done
	say "no finding"
}

# coverage: lines of the decoders that the committed corpora reach
coverage() {
	deps
	configure build-cov clang Debug -DIPM_COVERAGE=ON
	compile build-cov
	rm -f build-cov/*.profraw
	LLVM_PROFILE_FILE="$PWD/build-cov/%p.profraw" \
		ctest --test-dir build-cov -R '_corpus$' --no-tests=error \
		-j "$JOBS" >/dev/null
	llvm-profdata-14 merge -o build-cov/all.profdata build-cov/*.profraw
	local objects=() t
	for t in build-cov/tests/fuzz_*_corpus; do
		[ -x "$t" ] && [ -f "$t" ] && objects+=(-object "$t")
	done
	llvm-cov-14 report "${objects[@]:1}" \
		-instr-profile=build-cov/all.profdata \
		model/wire/*.c model/transform/*.c model/db/ipm_reass.c \
		model/ipm_observe.c harness/hx_setkey.c harness/hx_salist.c \
		harness/hx_sidecar.c harness/hx_config.c harness/hx_pcap.c \
		pfkey/*.c harness/hx_pfkey.c |
		awk '/\.c / || /^TOTAL/ { printf "%-28s %5d lines %5d missed %s\n", $1, $8, $9, $10 }'
}

nightly() {
	deps all
	local cc type
	for cc in gcc clang; do
		for type in Debug Release; do
			say "$cc $type"
			configure "build-$cc-$type" "$cc" "$type" -DIPM_WERROR=ON
			compile "build-$cc-$type"
			suite "build-$cc-$type"
		done
	done
	tests/portable.sh build-gcc-Release
	lint
	fuzz 600
	coverage
	bench
}

help() {
	cat <<'EOF'
./do VERB

  deps      install what is missing (Debian packages; all: nightly's too)
  build     build/ipsecsim
  demo      build, then replay a real capture and show the verdicts
  test      every test: GCC release, clang with ASan and UBSan
  bench     speed, with ratios against libcrypto and other programs
  format    clang-format in place (--check: only look)
  lint      formatting and clang-tidy
  fuzz [S]  every fuzz target for S seconds (60)
  coverage  what the committed corpora reach
  nightly   compilers x build types, other machines, long fuzzing, bench
EOF
}

verb=${1:-help}
[ $# -gt 0 ] && shift
case $verb in
deps | build | demo | test | bench | format | lint | fuzz | coverage | nightly | help)
	"$verb" "$@"
	;;
*)
	echo "./do: unknown verb $verb" >&2
	help >&2
	exit 2
	;;
esac
