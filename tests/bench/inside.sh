#!/bin/bash
# tests/bench/inside.sh - runs rows/NAME.sh one after the other, where they are to run: called by bench.sh with their names. What they print goes to
# $RIG_OUT/NAME.out, the exit status to $RIG_OUT/NAME.status.

cd "$(dirname "$0")" || exit 1
for name; do
	[ ! -s "$RIG_OUT/$name.status" ] || continue
	seconds=$(($(sed -n 's/^# rig:.*timeout=\([0-9]*\).*/\1/p' "rows/$name.sh") * ${RIG_SLOW:-1}))
	timeout -k 5 "$seconds" "rows/$name.sh" >"$RIG_OUT/$name.out" 2>&1 </dev/null
	echo $? >"$RIG_OUT/$name.status"
done
