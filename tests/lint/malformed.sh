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
gaps=$(awk '{ if ($2 > last[$1] + 1) print $1, last[$1] + 1; if ($2 > last[$1]) last[$1] = $2 } END { if (last["vtd"] != 42) print "vtd ends at", last["vtd"] }' \
	"${TMPDIR:-/tmp}/malformed.$$")
rm -f "${TMPDIR:-/tmp}/malformed.$$"
[ -z "$gaps" ] || { echo "tests/malformed.txt: missing: $gaps"; fail=$((fail + 1)); }
echo "malformed: $pass passed, $fail failed, 0 skipped"
[ $fail -eq 0 ]
