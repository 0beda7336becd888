#!/bin/sh
# make test (SOAK=1: make soak): every tier in turn, then one line of totals. Each tier prints "NAME: N passed, N failed, N skipped".
# A tier that ends badly without such a line counts as one failure. What failed is named once more just above the totals, since a log's end is what
# people are shown.
cd "$(dirname "$0")/.." || exit 1
export SOAK="${SOAK:-}"
log=$(mktemp -d) || exit 1
trap 'rm -rf "$log"' EXIT
jobs=$(nproc)

tests/deps.sh build rig || exit 1

tier()
{
	name=$1
	shift
	start=$(date +%s)
	echo "== $name"
	"$@" >"$log/$name" 2>&1
	rc=$?
	grep -v '^  [A-Z]* *[a-z]' "$log/$name"
	if [ $rc -ne 0 ] && ! grep -Eq '^[a-z]+: [0-9]+ passed, [1-9][0-9]* failed' "$log/$name"; then
		echo "$name: 0 passed, 1 failed, 0 skipped" | tee -a "$log/$name"
	fi
	echo "   ($name: $(($(date +%s) - start)) s)"
}

tier build make -j"$jobs" WERROR=1
tier check make -j"$jobs" check
tier asan make -j"$jobs" asan
tier kvm make check-kvm
tier rig make check-rig
[ -z "$SOAK" ] || tier fuzz tests/fuzz/soak.sh

grep -hE '^[a-z_0-9]+: (not ok|the host ended|ended with|ran no|the results)|^\[  FAILED  \] [a-z]|: exit status [0-9]+, expected|is run again alone:$|^#   not ok|[qQ]EMU is used' "$log"/* |
	cut -c1-200 | awk '!seen[$0]++ && NR <= 30 { print "failed: " $0 }'
cat "$log"/* | awk '/^[a-z]+: [0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$/ { p += $2; f += $4; s += $6 }
	END { printf "%d passed, %d failed, %d skipped\n", p, f, s; exit f > 0 || p == 0 }'
