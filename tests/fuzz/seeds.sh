#!/bin/sh
# Replays the committed seeds and past crashes through each fuzz target: tests/fuzz/seeds.sh PROGRAM...
here=$(dirname "$0")
pass=0 fail=0
for t in "$@"; do
	name=$(basename "$t" | sed 's/^fuzz_//')
	files=$(find "$here/seeds/$name" "$here/regression/$name" -type f 2>/dev/null | sort)
	if [ -z "$files" ]; then
		echo "fuzz_$name: no seeds in tests/fuzz/seeds/$name"
		fail=$((fail + 1))
	elif out=$("$t" $files 2>&1); then
		pass=$((pass + 1))
	else
		printf 'fuzz_%s failed:\n%s\n' "$name" "$out"
		fail=$((fail + 1))
	fi
done
echo "seeds: $pass passed, $fail failed, 0 skipped"
[ $fail -eq 0 ]
