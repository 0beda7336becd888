#!/bin/sh
# Every fuzz target for FUZZ_SECONDS (tests/counts.mk), under ASan and UBSan.
cd "$(dirname "$0")/../.." || exit 1
secs=$(awk -v c="${SOAK:+4}" '$1 == "FUZZ_SECONDS" { print $(c ? c : 3) }' tests/counts.mk)
pass=0 fail=0
for f in tests/fuzz/fuzz_*.c; do
	name=$(basename "$f" .c | sed 's/^fuzz_//')
	if make -s fuzz T="$name" S="$secs" >"build/fuzz-$name.log" 2>&1; then
		pass=$((pass + 1))
	else
		echo "fuzz_$name failed:"
		tail -40 "build/fuzz-$name.log"
		fail=$((fail + 1))
	fi
done
echo "fuzz: $pass passed, $fail failed, 0 skipped"
[ $fail -eq 0 ]
