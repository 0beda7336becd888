# shellcheck shell=bash
# tests/system/lib.sh - helpers of the system tests, which run as root inside an emulated host.
#
# A test is tests/system/NAME.sh:
#
#     #!/bin/bash
#     # rig: level=stock mem=3G guests=6.1-generic,7-cloud timeout=120
#     # What it shows.
#     . "$(dirname "$0")/lib.sh"
#
#     initrd=$(guest_initrd 6.1-generic <<'END'
#     mark hello
#     exitcode 7
#     END
#     )
#     vm_run 60 -k "$GUESTS/6.1-generic/bzImage" -i "$initrd" -m 256
#     expect_console "the guest runs its script" "guest: hello"
#     expect_status "the guest's own code is the exit status" 7
#
# The header line says what host the test needs: level=stock|nest, mem=, smp=, guests= (names
# of tests/rig/guests.sh), nest=off, iommu=off, qemu= (one more QEMU argument; repeatable, no
# blanks in it), timeout= (seconds for this test). Tests with equal needs apart from guests
# and timeout share one boot of the host; soak=only leaves a test out of everything but make soak. Run one alone: tests/rig/check.sh NAME.
#
# Environment: NIDUS (the binary), GUESTS (folder of guest kernels: NAME/bzImage, vmlinux,
# initrd), RIG_OUT (what is written there comes back), RIG_LEVEL, the counts of
# tests/counts.mk by their names (the reduced ones, or the full ones if SOAK is set), and TMP
# (a folder on tmpfs, the test's own). The machine's files are read-only.
#
# What a test prints is TAP: the functions below print `ok N - NAME`, `not ok N - NAME` and
# `ok N - NAME # SKIP WHY`; after a failure the VM's last messages follow as comments.
#
#   ok NAME / not_ok NAME / skip NAME WHY      one result
#   check NAME COMMAND...                      ok if COMMAND succeeds
#   note TEXT                                  a comment line
#   guest_initrd GUEST [NAME=FILE...] <SCRIPT  prints the path of the guest's initrd with SCRIPT
#                                              (read from stdin) as its test. Inside, a script
#                                              has mark, exitcode, powerbutton, load and the
#                                              programs of tests/rig/guest
#   disk_image SIZE [ext4]                     prints the path of a new sparse image on tmpfs
#   vm_start [OPTION...]                       `nidus run OPTION...` in the background
#   vm_expect TEXT SECONDS                     waits for a line with TEXT on the console; fails
#                                              as well when nidus ends without it
#   vm_wait SECONDS                            waits for nidus to end; its status in VM_STATUS
#                                              (124: it did not, and was killed)
#   vm_run SECONDS [OPTION...]                 vm_start and vm_wait
#   vm_signal NAME                             sends nidus a signal
#   vm_stop                                    kills nidus if it still runs
#   expect_status NAME WANT                    VM_STATUS is WANT
#   expect_console NAME TEXT                   the console holds TEXT (a fixed string)
#   expect_stderr NAME REGEX                   a message of nidus matches (grep -E)
#   expect_quiet NAME                          nidus printed nothing on stderr
#
# Bounds in SECONDS are for an idle machine; they are multiplied by RIG_SLOW, which l1.sh sets
# from the time the host itself took to boot, to 3 at least.
#
# Variables: VM_PID, VM_CONSOLE (file with the console = stdout), VM_STDERR, VM_STATUS. Only
# one VM at a time is tracked; start more by hand with "$NIDUS" and wait for them yourself.

set -u
export LC_ALL=C
TMP=$(mktemp -d /tmp/test.XXXXXX)
RIG=$(cd "$(dirname "${BASH_SOURCE[0]}")/../rig" && pwd)
VM_PID="" VM_STATUS="" VM_CONSOLE=$TMP/console VM_STDERR=$TMP/stderr
t_count=0 t_failed=0
: >"$VM_CONSOLE"
: >"$VM_STDERR"

t_end()
{
	local status=$?
	vm_stop
	rm -rf "$TMP"
	echo "1..$t_count"
	[ "$status" = 0 ] || exit "$status"
	[ $t_failed = 0 ] || exit 1
}
trap t_end EXIT
trap 'exit 143' TERM

note() { printf '%s\n' "$*" | sed 's/^/# /'; }
ok() { t_count=$((t_count + 1)); echo "ok $t_count - $1"; }
skip() { t_count=$((t_count + 1)); echo "ok $t_count - $1 # SKIP $2"; }

not_ok()
{
	t_count=$((t_count + 1))
	t_failed=$((t_failed + 1))
	echo "not ok $t_count - $1"
	[ -z "$VM_STATUS" ] || note "exit status: $VM_STATUS"
	tail -n 5 "$VM_STDERR" | awk '{ print "# stderr: " $0 }'
	tail -n 15 "$VM_CONSOLE" | tr -d '\r' | awk '{ print "# console: " $0 }'
}

check()
{
	local name=$1
	shift
	if "$@"; then ok "$name"; else not_ok "$name"; fi
}

guest_initrd()
{
	local guest=$1 out
	shift
	out=$(mktemp "$TMP/initrd.XXXXXX")
	cat >"$out.sh"
	"$RIG/mkinitrd.sh" "$GUESTS/$guest" "$out.sh" "$out" "$@"
	rm -f "$out.sh"
	echo "$out"
}

disk_image()
{
	local out
	out=$(mktemp "$TMP/disk.XXXXXX")
	truncate -s "$1" "$out"
	[ "${2:-}" != ext4 ] || mke2fs -q -t ext4 "$out" >&2
	echo "$out"
}

vm_start()
{
	VM_STATUS=""
	"$NIDUS" run "$@" </dev/null >"$VM_CONSOLE" 2>"$VM_STDERR" &
	VM_PID=$!
}

vm_running() { [ -n "$VM_PID" ] && kill -0 "$VM_PID" 2>/dev/null; }

# seconds since the host booted, in tenths; the VM under test shares the CPU with this loop
t_now() { local up; read -r up _ </proc/uptime; up=${up%?}; echo "${up/./}"; }

vm_expect()
{
	local end=$(($(t_now) + $2 * 10 * ${RIG_SLOW:-1}))
	while ! grep -qF -- "$1" "$VM_CONSOLE"; do
		if ! vm_running; then
			grep -qF -- "$1" "$VM_CONSOLE" && return 0
			note "nidus ended before the console showed: $1"
			return 1
		fi
		if [ "$(t_now)" -ge "$end" ]; then
			note "the console did not show within $2 s: $1"
			return 1
		fi
		sleep 0.2
	done
}

vm_wait()
{
	local end=$(($(t_now) + $1 * 10 * ${RIG_SLOW:-1})) late=""
	while vm_running; do
		if [ "$(t_now)" -ge "$end" ]; then
			note "nidus did not end within $1 s"
			kill -KILL "$VM_PID"
			late=1
			break
		fi
		sleep 0.1
	done
	VM_STATUS=0
	wait "$VM_PID" || VM_STATUS=$?
	[ -z "$late" ] || VM_STATUS=124
	VM_PID=""
}

vm_run() { local bound=$1; shift; vm_start "$@"; vm_wait "$bound"; }
vm_signal() { kill -s "$1" "$VM_PID"; }

vm_stop()
{
	vm_running || return 0
	kill -KILL "$VM_PID"
	wait "$VM_PID" 2>/dev/null
	VM_PID=""
}

expect_status()
{
	if [ "$VM_STATUS" = "$2" ]; then ok "$1"; else not_ok "$1 (want status $2, got $VM_STATUS)"; fi
}

expect_console()
{
	if grep -qF -- "$2" "$VM_CONSOLE"; then ok "$1"; else not_ok "$1 (no \"$2\" on the console)"; fi
}

expect_stderr()
{
	if grep -qE -- "$2" "$VM_STDERR"; then ok "$1"; else not_ok "$1 (no message matches $2)"; fi
}

expect_quiet()
{
	if [ ! -s "$VM_STDERR" ]; then ok "$1"; else not_ok "$1 (unexpected messages)"; fi
}
