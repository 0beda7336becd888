#!/bin/sh
# Runs the bare-metal guests on /dev/kvm: tests/kvm/check.sh [NAME...]
# A guest's source says how: each "// nidus: OPTIONS" line is one run ($DISK: a fresh 1 MiB raw image), "// expect: N" its exit status.
# It passes if nidus ends with that status, the console has the PASS line, and nothing else went wrong within the time limit.
cd "$(dirname "$0")/../.." || exit 1
arch=$(uname -m | sed s/aarch64/arm64/)
guests=${BUILD:-build/$arch}/guests
nidus=${NIDUS:-./nidus}
limit=${LIMIT:-60}
pass=0 fail=0 skip=0

total() {
	echo "kvm: $pass passed, $fail failed, $skip skipped"
	[ $fail -eq 0 ]
	exit
}

names=${*:-$(ls guests/*.c | sed 's,.*/,,; s,\.c$,,')}
if [ ! -e /dev/kvm ] || ! [ -r /dev/kvm -a -w /dev/kvm ]; then
	echo "kvm: skipped: $([ -e /dev/kvm ] && echo 'no permission on /dev/kvm' || echo 'no /dev/kvm')"
	skip=$(grep -h '^// nidus:' guests/*.c | wc -l)
	total
fi
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT INT TERM
for name in $names; do
	src=guests/$name.c
	want=$(sed -n 's,^// expect: ,,p' "$src")
	sed -n 's,^// nidus: *,,p' "$src" > "$tmp/runs"
	while read -r options; do
		: > "$tmp/disk"
		truncate -s 1M "$tmp/disk"
		# shellcheck disable=SC2046 # the options are words
		timeout -k 5 "$limit" "$nidus" run -k "$guests/$name" $(DISK="$tmp/disk" sh -c "echo $options") > "$tmp/out" 2> "$tmp/err" < /dev/null
		rc=$?
		if [ $rc -eq "$want" ] && grep -aq "^PASS $name" "$tmp/out" && ! grep -aq '^FAIL' "$tmp/out"; then
			pass=$((pass + 1))
		else
			fail=$((fail + 1))
			[ $rc -eq 124 ] || [ $rc -eq 137 ] && echo "$name: still running after $limit s"
			echo "$name ($options): exit status $rc, expected $want"
			tail -c 2000 "$tmp/out" | tr -cd '\n\t -~' | sed 's/^/  | /'
			tail -n 20 "$tmp/err" | sed 's/^/  ! /'
		fi
	done < "$tmp/runs"
done
total
