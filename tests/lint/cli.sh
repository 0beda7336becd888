#!/bin/sh
# The binary's own answers: exit status and the one line on stderr, for command lines that start no guest.
cd "$(dirname "$0")/../.." || exit 1
[ -x ./nidus ] || { echo "cli: 0 passed, 0 failed, 1 skipped (no ./nidus: built for another architecture)"; exit 0; }
pass=0 fail=0
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT

# case_ STATUS STDERR-PATTERN ARGS...: an empty pattern means that stderr is empty, otherwise it is one line that contains it.
case_()
{
	want=$1 says=$2
	shift 2
	./nidus "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
	rc=$?
	lines=$(wc -l <"$tmp/err")
	if [ $rc -ne "$want" ]; then
		why="exit status $rc, not $want"
	elif [ -z "$says" ] && [ "$lines" -ne 0 ]; then
		why="stderr is not empty"
	elif [ -n "$says" ] && { [ "$lines" -ne 1 ] || ! grep -qF -e "$says" "$tmp/err"; }; then
		why="stderr is not one line with '$says'"
	else
		pass=$((pass + 1))
		return
	fi
	echo "nidus $*: $why: $(head -c 300 "$tmp/err")"
	fail=$((fail + 1))
}

mkdir "$tmp/dir"
: >"$tmp/empty"
mkfifo "$tmp/fifo"
case_ 0 '' --version
case_ 0 '' --help
case_ 0 '' run --help
case_ 0 '' check --help
case_ 0 '' show config -c 2 -m 1G -d nothing.img
case_ 64 "unknown command 'rum'" rum
case_ 64 '--kernel FILE is needed' run
case_ 64 '--cpus' run -k x -c 0
case_ 64 '--cpus' run -k x -c 1000
case_ 64 'the minimum is 16M' run -k x -m 1
case_ 64 '--memory' run -k x -m 1E
case_ 64 "did you mean '--kernel'" run --kernle x
case_ 64 "did you mean 'ro'" run -k x -d y,rp
case_ 64 'needs quotes' run -k x -p root=/dev/vda ro
case_ 64 'off|auto|vtd|amdvi' run -k x --viommu smmu
case_ 64 'it takes tap=IF' run -k x -n eth0
case_ 64 "'--kvm' is an option of nidus run and check only" show acpi --kvm fd:3
case_ 64 "'--cpus' is an option of nidus run and show only" check --cpus 2
case_ 64 '--out: needs a folder' show acpi --out ''
case_ 64 '--report: needs a path' run -k x --report ''
case_ 64 'before the options' check --json 01:00.0
case_ 64 "'nothing' is none of acpi" show nothing
case_ 64 'say what' show
# Everything at its most does not fit.
set -- --vsock cid=3 --balloon on --console hvc:pty --viommu vtd
for i in 0 1 2 3 4 5 6 7; do set -- "$@" -d a -n tap=t --vfio 00:01.$i; done
for i in 8 9 10 11 12 13; do set -- "$@" -d a; done
case_ 64 '--vfio: no place on bus 0' show pci "$@"
case_ 65 '--out: /nonexistent/x' show acpi --out /nonexistent/x
case_ 65 "--report $tmp/none/r" run -k ./nidus --report "$tmp/none/r"
case_ 65 "--report $tmp/dir" run -k ./nidus --report "$tmp/dir"
case_ 65 '--iommufd' run -k x --iommufd fd:999
case_ 65 '--kvm: not a KVM device' run -k ./nidus --kvm fd:0
case_ 66 '--kvm: not a KVM device' check --kvm fd:0
case_ 65 '--ready-fd' run -k x --ready-fd 999
case_ 65 "$tmp/none" run -k "$tmp/none"
case_ 65 "$tmp/empty" run -k "$tmp/empty"
case_ 65 "$tmp/dir" run -k "$tmp/dir"
case_ 65 "$tmp/fifo" run -k "$tmp/fifo"

# Without arguments: what can be typed, and a status that scripts notice.
./nidus >/dev/null 2>"$tmp/err"
[ $? -eq 64 ] && grep -q '^usage:' "$tmp/err" && pass=$((pass + 1)) || { echo "nidus: no usage"; fail=$((fail + 1)); }
make -n ARCH=arm64 2>&1 | grep -q 'runs on x86_64 only' && pass=$((pass + 1)) || { echo "make ARCH=arm64: no word of what there is"; fail=$((fail + 1)); }
# A closed stdout is no place for a descriptor that nidus opens.
./nidus show config >&- 2>/dev/null
[ $? -eq 0 ] && pass=$((pass + 1)) || { echo "nidus show config >&-: failed"; fail=$((fail + 1)); }
for what in acpi memmap; do
	./nidus show $what >/dev/full 2>"$tmp/err"
	[ $? -eq 66 ] && grep -q 'No space left' "$tmp/err" && pass=$((pass + 1)) ||
		{ echo "nidus show $what >/dev/full: $(head -c 300 "$tmp/err")"; fail=$((fail + 1)); }
done
./nidus --version >/dev/full 2>/dev/null
[ $? -eq 66 ] && pass=$((pass + 1)) || { echo "nidus --version >/dev/full: not 66"; fail=$((fail + 1)); }

echo "cli: $pass passed, $fail failed, 0 skipped"
[ $fail -eq 0 ]
