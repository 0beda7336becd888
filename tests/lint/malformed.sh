#!/bin/sh
# Every malformed input of tests/malformed.txt has its tests, each is registered in a main(), and no number is left out.
cd "$(dirname "$0")/../.." || exit 1
pass=0 fail=0

grep -v '^#' tests/malformed.txt >"${TMPDIR:-/tmp}/malformed.$$"
while read -r unit n name; do
	if [ "$(grep -lw "$name" tests/unit/*.c | wc -l)" -eq 1 ] && [ "$(cat tests/unit/*.c | grep -cw "$name")" -ge 2 ]; then
		pass=$((pass + 1))
	else
		echo "tests/malformed.txt: $unit $n: no test $name"
		fail=$((fail + 1))
	fi
done <"${TMPDIR:-/tmp}/malformed.$$"
# unit, its last number, and those that no unit test can be for: AMD-Vi's 30 compares flush methods on real hardware
gaps=$(while read -r unit last but; do
	for n in $(seq "$last"); do
		[ "$n" = "$but" ] || grep -q "^$unit $n " "${TMPDIR:-/tmp}/malformed.$$" || echo "$unit $n"
	done
done <<END
vtd 42
amdvi 35 30
END
)
rm -f "${TMPDIR:-/tmp}/malformed.$$"
[ -z "$gaps" ] || { echo "tests/malformed.txt: missing: $gaps"; fail=$((fail + 1)); }
echo "malformed: $pass passed, $fail failed, 0 skipped"
[ $fail -eq 0 ]
