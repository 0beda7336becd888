#!/bin/bash
# tests/bench/bench.sh - `make bench`: figures of nidus beside those of a peer, measured in the same run. A table, no pass or fail.
#
# usage: bench.sh [NAME...]      (default: every tests/bench/rows/*.sh)
# Emulated CPUs make every absolute figure large: only the ratios mean something, and those more than 10 % from run to run.
#
# To add figures: a script rows/NAME.sh that says in its header what it needs, and prints its results by the functions of lib.sh:
#
#     #!/bin/bash
#     # rig: level=nest mem=3G guests=rig timeout=300     (keys: tests/system/lib.sh; level=none: this machine itself, no emulated host)
#     # bench: Title of its part of the table
#     . "$(dirname "$0")/../lib.sh"
#     row "what" us "$nidus_values" "$peer_values" "what is wanted"
#     remark "where the peer differs"
#
# Each VALUES is a list of measurements, of which the median counts; nidus and the peer are to be measured in turn (lib.sh: `times`). "-" stands for none.
# Rows with equal needs share one boot of the emulated host. A row that fails says so in the table's place, and the status is then 1.

. "$(dirname "$0")/../rig/lib.sh"
. "$RIG/apt.sh"
. "$RIG/qemu.sh"
. "$RIG/nest.sh"
. "$RIG/needs.sh"

BENCH=$TREE/tests/bench
"$TREE/tests/deps.sh" build rig
[ -x "${NIDUS:-$TREE/nidus}" ] || die "no ./nidus; run make first"
export NIDUS=${NIDUS:-$TREE/nidus}
build=$TREE/build/bench
mkdir -p "$build"
"${CC:-gcc}" -static -O2 -Wall -Wextra -o "$build/meter" "$BENCH/meter.c"
export METER=$build/meter BENCH_RUNS=${BENCH_RUNS:-3}

rows=("$@")
if [ $# = 0 ]; then
	for f in "$BENCH"/rows/*.sh; do
		f=${f##*/}
		rows+=("${f%.sh}")
	done
fi
for r in "${rows[@]}"; do
	[ -f "$BENCH/rows/$r.sh" ] || die "no figures $r; there are: $(cd "$BENCH/rows" && echo *.sh | sed 's/\.sh//g')"
done

work=$(mktemp -d "${TMPDIR:-/tmp}/nidus-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

show() # NAME: the table of one script; its other output as it is if it failed
{
	local out=$work/$1.out
	echo
	sed -n 's/^# bench: *//p' "$BENCH/rows/$1.sh"
	if [ "$(cat "$work/$1.status" 2>/dev/null)" != 0 ]; then
		echo "  $1 did not come to its end:"
		grep -v '^#' "$out" 2>/dev/null | tail -n 20 | sed 's/^/  | /'
		failed=1
	fi
	awk -F '\t' '
		$1 == "row" {
			n++
			for (i = 2; i <= NF; i++)
				cell[n, i] = $i
			for (i = 2; i <= 7; i++)
				if (length($i) > width[i])
					width[i] = length($i)
		}
		$1 == "remark" { remark[++m] = $2 }
		END {
			split("- figure unit nidus peer ratio wanted", head, " ")
			for (i = 2; i <= 7; i++)
				if (length(head[i]) > width[i])
					width[i] = length(head[i])
			for (r = 0; r <= n && n; r++) {
				line = " "
				for (i = 2; i <= 7; i++) {
					v = r ? cell[r, i] : head[i]
					line = line sprintf(i >= 4 && i <= 6 ? " %" width[i] "s " : " %-" width[i] "s ", v)
				}
				sub(/ +$/, "", line)
				print line
			}
			for (r = 1; r <= m; r++)
				print "  - " remark[r]
		}' "$out" 2>/dev/null || true
}

# KiB of ./nidus without symbols, and of the static one.
sizes()
{
	make -s -C "$TREE" STATIC=1 BIN=build/bench/nidus-static >&2
	strip -o "$build/nidus-dynamic" "$NIDUS"
	strip "$build/nidus-static"
	echo "SIZES=$(($(stat -c %s "$build/nidus-dynamic") / 1024)) $(($(stat -c %s "$build/nidus-static") / 1024))"
}

# Runs the scripts in one emulated host.
in_host() # NEEDS NAME...
{
	local needs=$1 guests="" total=60 r try status
	shift
	for r; do
		total=$((total + $(needs_value "$BENCH/rows/$r.sh" timeout 300)))
		guests="$guests,$(needs_value "$BENCH/rows/$r.sh" guests "")"
	done
	guests=$(echo "$guests" | tr , '\n' | sed '/^$/d' | sort -u | paste -sd,)
	for try in 1 2; do
		status=0
		# shellcheck disable=SC2086
		"$RIG/l1.sh" $needs --guests "$guests" --out "$work" --timeout $((total * 2)) --env "METER=$METER" --env "BENCH_RUNS=$BENCH_RUNS" \
			--env "PEER=$(qemu_dist)" --env "PEER_NEST=$(nest_qemu)" --env "$(sizes)" -- tests/bench/inside.sh "$@" </dev/null || status=$?
		# 125: the emulated host itself broke, which says nothing of nidus
		[ $status = 125 ] || break
		echo "bench: the emulated host broke (try $try of 2)"
	done
}

failed=0
for r in "${rows[@]}"; do
	[ "$(needs_value "$BENCH/rows/$r.sh" level stock)" = none ] || continue
	RIG_OUT=$work "$BENCH/inside.sh" "$r"
	show "$r"
done
for r in "${rows[@]}"; do
	[ "$(needs_value "$BENCH/rows/$r.sh" level stock)" != none ] || continue
	needs_host "$BENCH/rows/$r.sh"
	echo
done | sort -u >"$work/hosts"
while read -r needs <&4; do
	group=()
	for r in "${rows[@]}"; do
		if [ "$(needs_value "$BENCH/rows/$r.sh" level stock)" != none ] && [ "$(needs_host "$BENCH/rows/$r.sh")" = "$needs" ]; then
			group+=("$r")
		fi
	done
	in_host "$needs" "${group[@]}"
	for r in "${group[@]}"; do
		show "$r"
	done
done 4<"$work/hosts"
exit $failed
