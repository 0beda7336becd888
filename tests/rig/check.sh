#!/bin/bash
# tests/rig/check.sh - runs the system tests inside emulated hosts.
#
# usage: check.sh [NAME...]      (default: every tests/system/*.sh but lib.sh)
# Tests with equal needs (their `# rig:` line, see tests/system/lib.sh) share one boot of the
# host. Prints the failing tests' output, what was skipped and why, and as its last line
# `rig: N passed, N failed, N skipped`. SOAK=1 takes the full counts of tests/counts.mk.

. "$(dirname "$0")/lib.sh"
. "$RIG/needs.sh"

"$TREE/tests/deps.sh" rig
[ -x "${NIDUS:-$TREE/nidus}" ] || die "no ./nidus; run make first"
export NIDUS=${NIDUS:-$TREE/nidus}

tests=("$@") left_out=0
if [ $# = 0 ]; then
	for f in "$TREE"/tests/system/*.sh; do
		f=$(basename "$f" .sh)
		[ "$f" != lib ] && [ "$f" != '*' ] || continue
		if [ -z "${SOAK:-}" ] && grep -q '^# rig: .*soak=only' "$TREE/tests/system/$f.sh"; then
			echo "# skipped: $f: only in make soak, or by check.sh $f (its head says why)"
			left_out=$((left_out + 1))
		else
			tests+=("$f")
		fi
	done
fi
passed=0 failed=0 skipped=$left_out
lanes=$(($(nproc) < 4 ? $(nproc) : 4))

value() { needs_value "$TREE/tests/system/$1.sh" "$2" "$3"; }
host() { needs_host "$TREE/tests/system/$1.sh"; }

# NAME := reduced full
counts=()
while read -r name _ reduced full; do
	counts+=(--env "$name=$([ -n "${SOAK:-}" ] && echo "$full" || echo "$reduced")")
done < <(grep -E '^[A-Z_]+ *:?= *[0-9]+ +[0-9]+' "$TREE/tests/counts.mk" 2>/dev/null || true)
counts+=(--env "SOAK=${SOAK:-}")

results() # NAME: counts and shows what a test printed
{
	local tap=$out/$1.tap status=none p f s line
	[ ! -s "$out/$1.status" ] || status=$(cat "$out/$1.status")
	touch "$tap"
	f=$(grep -c '^not ok' "$tap" || true)
	s=$(grep -ciE '^ok.*# SKIP' "$tap" || true)
	p=$(($(grep -c '^ok' "$tap" || true) - s))
	if [ "$status" = none ]; then
		echo "$1: the host ended before the test did"
		f=$((f + 1))
	elif [ "$status" != 0 ] && [ "$f" = 0 ]; then
		echo "$1: ended with status $status"
		f=1
	elif [ "$(sed -n 's/^1\.\.//p' "$tap" | tail -n 1)" != $((p + f + s)) ]; then
		echo "$1: the results printed are not as many as its plan says"
		f=$((f + 1))
	elif [ $((p + f + s)) = 0 ]; then
		echo "$1: ran no test"
		f=1
	fi
	if [ "$f" != 0 ]; then
		sed "s/^/$1: /" "$tap"
	fi
	while read -r line; do
		line=${line#*- }
		echo "# skipped: $1: ${line%% \# SKIP*}: ${line##*\# SKIP }"
	done < <(grep -iE '^ok.*# SKIP' "$tap" || true)
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

# Boots the host and runs the items (SECONDS:NAME) in it. Where the emulated host itself fails (125: its kernel crashed or
# never came up, which says nothing of nidus), the items that had not ended are run again in a new one, twice at the most.
run_group() # NEEDS GUESTS TIMEOUT ITEM...
{
	local needs=$1 guests=$2 total=$3 status try item left
	shift 3
	for try in 1 2 3; do
		status=0
		# shellcheck disable=SC2086
		"$RIG/l1.sh" $needs --guests "$guests" --out "$out" --timeout "$total" "${counts[@]}" \
			-- tests/rig/run-tests.sh "$@" </dev/null || status=$?
		[ $status = 0 ] && return
		echo "rig: the host ended with $status"
		[ $status = 125 ] && [ $try -lt 3 ] || return 0
		left=()
		for item; do
			[ -s "$out/${item#*:}.status" ] || left+=("$item")
		done
		[ ${#left[@]} -gt 0 ] || return 0
		echo "rig: once more in a new host: ${left[*]#*:}"
		set -- "${left[@]}"
	done
}

# run_group with a result folder of its own, since the host finds its command there; what it found goes to $out.
run_lane() # LANE NEEDS GUESTS TIMEOUT ITEM...
{
	local all=$out
	out=$out/lane$1
	shift
	mkdir "$out"
	run_group "$@"
	find "$out" -maxdepth 1 \( -name '*.tap' -o -name '*.status' \) -exec mv {} "$all" \;
}

# Splits the items into as many hosts as the machine has CPUs for (an emulated host keeps one busy), longest first, and runs them at once.
run_lanes() # NEEDS GUESTS TIMEOUT ITEM...
{
	local needs=$1 guests=$2 total=$3 item i best pids=()
	local -a load lane
	shift 3
	for ((i = 0; i < lanes; i++)); do
		load[i]=0 lane[i]=""
	done
	for item in $(printf '%s\n' "$@" | sort -rn); do
		best=0
		for ((i = 1; i < lanes; i++)); do
			[ "${load[i]}" -ge "${load[best]}" ] || best=$i
		done
		load[best]=$((load[best] + ${item%%:*}))
		lane[best]="${lane[best]} $item"
	done
	for ((i = 0; i < lanes; i++)); do
		[ -n "${lane[i]}" ] || continue
		# shellcheck disable=SC2086
		run_lane "$i" "$needs" "$guests" "$total" ${lane[i]} &
		pids+=($!)
	done
	wait "${pids[@]}"
}

failed_one() { [ "$(cat "$out/$1.status" 2>/dev/null)" != 0 ] || grep -q '^not ok' "$out/$1.tap"; }

# What failed is run again, alone in a new host, twice at the most, and the last result counts: what an emulator on a shared machine does to timing is
# not nidus's, and a fault of nidus that shows only now and then is what a soak is for, which runs nothing again. Each failure is told all the same.
run_again() # NEEDS GUESTS TIMEOUT ITEM...
{
	local needs=$1 guests=$2 total=$3 item name again
	shift 3
	[ -z "${SOAK:-}" ] || return 0
	for _ in 1 2; do
		again=()
		for item; do
			name=${item#*:}
			failed_one "$name" || continue
			echo "# $name failed and is run again alone:"
			sed "s/^/#   /" "$out/$name.tap" 2>/dev/null || true
			rm -f "$out/$name.status" "$out/$name.tap"
			again+=("$item")
		done
		[ ${#again[@]} -gt 0 ] || return 0
		run_group "$needs" "$guests" "$total" "${again[@]}"
	done
}

work=$(mktemp -d "${TMPDIR:-/tmp}/nidus-check.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

for t in "${tests[@]+"${tests[@]}"}"; do
	[ -f "$TREE/tests/system/$t.sh" ] || die "no test tests/system/$t.sh"
	host "$t"
	echo
done | sort -u >"$work/hosts"

n=0
while read -r needs <&4; do
	n=$((n + 1))
	out=$work/$n
	mkdir "$out"
	group=() items=() guests="" total=60
	for t in "${tests[@]}"; do
		[ "$(host "$t")" = "$needs" ] || continue
		seconds=$(($(value "$t" timeout 300) * (${SOAK:+9 + }1)))
		group+=("$t")
		items+=("$seconds:$t")
		total=$((total + seconds + 10))
		guests="$guests,$(value "$t" guests "")"
	done
	guests=$(echo "$guests" | tr , '\n' | sed '/^$/d' | sort -u | paste -sd,)
	echo "rig: host with ${needs//--/}: ${group[*]}"
	run_lanes "$needs" "$guests" "$total" "${items[@]}"
	run_again "$needs" "$guests" "$total" "${items[@]}"
	for t in "${group[@]}"; do
		results "$t"
	done
done 4<"$work/hosts"

echo "rig: $passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ] && [ $((passed + skipped)) -gt 0 ]
