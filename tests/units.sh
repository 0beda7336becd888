#!/bin/sh
# Runs cmocka test programs and prints one line of totals: tests/units.sh PROGRAM...
# A program's whole output is shown if it fails.
pass=0 fail=0 skip=0
for t in "$@"; do
	out=$("$t" 2>&1)
	rc=$?
	ok=$(printf '%s\n' "$out" | grep -c '^\[       OK \]')
	sk=$(printf '%s\n' "$out" | grep -c '^\[  SKIPPED \]')
	bad=$(printf '%s\n' "$out" | grep -c '^\[  FAILED  \] [a-z]')
	if [ $rc -ne 0 ]; then
		printf '%s: exit status %s\n%s\n' "$t" "$rc" "$out"
		[ "$bad" -gt 0 ] || bad=1
		# cmocka names each failed test twice: at the test and in the summary
		[ "$bad" -gt 1 ] && bad=$((bad / 2))
	elif [ "$ok" -eq 0 ]; then
		printf '%s: ran no test\n' "$t"
		bad=1
	else
		bad=0
	fi
	pass=$((pass + ok)) fail=$((fail + bad)) skip=$((skip + sk))
done
echo "units: $pass passed, $fail failed, $skip skipped"
[ $fail -eq 0 ]
