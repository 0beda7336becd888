#!/bin/bash
# tests/rig/run-tests.sh - runs system tests one after the other inside the emulated host.
# Called there by check.sh: run-tests.sh SECONDS:NAME...; results go to $RIG_OUT/NAME.tap and
# the exit status to $RIG_OUT/NAME.status.

cd "$(dirname "$0")/../.." || exit 1
for item; do
	seconds=$((${item%%:*} * ${RIG_SLOW:-1}))
	name=${item#*:}
	SECONDS=0
	timeout -k 5 "$seconds" "tests/system/$name.sh" >"$RIG_OUT/$name.tap" 2>&1 </dev/null
	status=$?
	[ $status != 124 ] || echo "# the test did not end within $seconds s" >>"$RIG_OUT/$name.tap"
	echo $status >"$RIG_OUT/$name.status"
	echo "$name: $(grep -c '^ok' "$RIG_OUT/$name.tap") ok, $(grep -c '^not ok' "$RIG_OUT/$name.tap") not ok, $SECONDS s"
done
