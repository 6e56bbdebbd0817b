#!/usr/bin/env bash
# Everything a person does with this tree.  ./do help lists the verbs.
set -euo pipefail
cd "$(dirname "$0")"

PACKAGES=(build-essential cmake ninja-build clang clang-format clang-tidy
	libclang-rt-14-dev llvm pkg-config libssl-dev zlib1g-dev libjansson-dev
	libpcap-dev libgcrypt20-dev libcriterion-dev flex bison python3)
# For bench, lint and nightly: what the model is compared with, other machines.
MORE_PACKAGES=(tshark tcpdump python3-scapy shellcheck gcc-s390x-linux-gnu libc6-dev-s390x-cross
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

# quietly LOG COMMAND...: its output only when it fails
quietly() {
	local log=$1
	shift
	"$@" >"$log" 2>&1 || { cat "$log"; return 1; }
	rm -f "$log"
}

# configure DIR CC TYPE [OPTION...]
configure() {
	local dir=$1 cc=$2 type=$3
	shift 3
	quietly "$dir.log" cmake -G Ninja -S . -B "$dir" \
		-DCMAKE_C_COMPILER="$cc" -DCMAKE_BUILD_TYPE="$type" "$@"
}

# compile DIR
compile() {
	quietly "$1/ninja.log" ninja -C "$1" -j "$JOBS"
}

# suite PRESET: builds it and runs every test of it
suite() {
	quietly "build-$1.log" cmake --preset "$1"
	compile "build-$1"
	ctest --preset "$1" -j "$JOBS" --no-tests=error
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

test() {
	deps
	say "GCC, release"
	suite gcc-release
	say "clang, ASan and UBSan"
	suite clang-asan
	say "CONFORMANCE.md and the formatting"
	python3 tools/conformance.py --check
	format --check
	say "all tests passed"
}

# bench [OPTION...]: the benchmark's own
# shellcheck disable=SC2120
bench() {
	deps all
	configure build gcc Release -DIPM_TESTS=OFF
	compile build
	build/ipsecsim-bench "$@"
}

# sources FOLDER...: the C files that people write
sources() {
	find "$@" -name '*.[ch]' ! -path '*/build*' | sort
}

# format [--check]
format() {
	local how=(-i)
	[ "${1:-}" = --check ] && how=(--dry-run -Werror)
	sources model pfkey harness tests examples |
		xargs clang-format-14 "${how[@]}"
}

lint() {
	deps all
	format --check
	shellcheck ./do .ci/run tests/*.sh
	configure build-lint clang Debug
	compile build-lint
	# One file a run: with several, clang-tidy 14 finds fault with va_lists.
	sources model pfkey harness | grep '\.c$' |
		xargs -P "$JOBS" -n 1 clang-tidy-14 -p build-lint --quiet \
			2>build-lint/tidy.log || { cat build-lint/tidy.log; return 1; }
	say "no finding"
}

# fuzz [SECONDS]: each target so long; what it finds new goes to a scratch
# folder, and the corpus stays as it is.  fuzz --coverage: see coverage.
fuzz() {
	if [ "${1:-}" = --coverage ]; then
		coverage
		return
	fi
	local seconds=${1:-60} target name scratch
	deps
	configure build-fuzz clang RelWithDebInfo -DIPM_FUZZ=ON \
		-DIPM_SANITIZE=ON
	compile build-fuzz
	scratch=$(mktemp -d)
	for target in build-fuzz/tests/fuzz_*; do
		case $target in *_corpus | *.*) continue ;; esac
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
	rm -rf "$scratch"
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
		model/ipm_observe.c harness/hx_setkey.c \
		harness/hx_setkey_tool.c harness/hx_setkey_msg.c \
		harness/hx_hosts.c harness/hx_salist.c \
		harness/hx_sidecar.c harness/hx_config.c harness/hx_pcap.c \
		pfkey/*.c harness/hx_pfkey.c |
		awk '/\.c / || /^TOTAL/ { printf "%-28s %5d lines %5d missed %s\n", $1, $8, $9, $10 }'
}

nightly() {
	deps all
	local cc kind
	for cc in gcc clang; do
		for kind in debug release asan; do
			say "$cc, $kind"
			suite "$cc-$kind"
		done
	done
	say "a million packets"
	IPM_PACKETS=1000000 build-gcc-release/tests/test_input \
		--filter 'input/thousands*' --timeout 3600
	say "a million events"
	IPM_EVENTS=1000000 build-gcc-release/tests/test_step_random
	say "other machines"
	tests/portable.sh build-gcc-release
	say "lint"
	lint
	say "fuzz"
	fuzz 600
	coverage
	say "bench"
	# shellcheck disable=SC2119
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
  lint      formatting, shellcheck, clang-tidy
  fuzz [S]  every fuzz target for S seconds (60)
  coverage  what the committed corpora reach (also fuzz --coverage)
  nightly   compilers x debug, release, asan; other machines; lint; fuzzing
            for ten minutes each; coverage; bench
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
