#!/bin/sh
# Every fuzz target for FUZZ_SECONDS (tests/counts.mk), under ASan and UBSan, as many at a time as there are CPUs.
cd "$(dirname "$0")/../.." || exit 1
secs=$(awk -v c="${SOAK:+4}" '$1 == "FUZZ_SECONDS" { print $(c ? c : 3) }' tests/counts.mk)
jobs=$(nproc)
make -s -j"$jobs" fuzz-lib || { echo "fuzz: 0 passed, 1 failed, 0 skipped"; exit 1; }
names=$(for f in tests/fuzz/fuzz_*.c; do basename "$f" .c | sed 's/^fuzz_//'; done)
# shellcheck disable=SC2016 # expanded by the inner shell
echo "$names" | xargs -P "$jobs" -I NAME sh -c 'make -s fuzz T=NAME S='"$secs"' >build/fuzz-NAME.log 2>&1; echo $? >build/fuzz-NAME.status'
pass=0 fail=0
for name in $names; do
	if [ "$(cat "build/fuzz-$name.status")" = 0 ]; then
		pass=$((pass + 1))
	else
		echo "fuzz_$name failed:"
		tail -40 "build/fuzz-$name.log"
		fail=$((fail + 1))
	fi
done
echo "fuzz: $pass passed, $fail failed, 0 skipped"
[ $fail -eq 0 ]
