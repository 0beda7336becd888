#!/bin/sh
# Runs the bare-metal guests on /dev/kvm: tests/kvm/check.sh [NAME...]; with ONLY=TEXT just the runs whose options have TEXT
# A guest's source says how: each "// nidus: OPTIONS" line is one run, "// expect: N" its exit status, "// exits: N" how many
# exits to nidus it may take at most. In the options stand $DISK for a fresh 1 MiB raw
# image, $SOCKET for a path, $TAP for a tap interface with frames coming in, and the counts of tests/counts.mk by their names; needs=FILE at the
# beginning: without it the run is skipped.
# It passes if nidus ends with that status, the console has the PASS line, and nothing else went wrong within the time limit: of messages there is
# no more than one for each second of that, whatever a guest does.
cd "$(dirname "$0")/../.." || exit 1
arch=$(uname -m | sed s/aarch64/arm64/)
guests=${BUILD:-build/$arch}/guests
nidus=${NIDUS:-./nidus}
[ -z "$SOAK" ] && limit=${LIMIT:-180} || limit=${LIMIT:-1200}
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
# NAME := reduced full
while read -r key _ reduced full; do
	case $key in
	[A-Z]*) [ -z "$SOAK" ] && export "$key=$reduced" || export "$key=$full" ;;
	esac
done < tests/counts.mk
tmp=$(mktemp -d) || exit 1
tap=nidus$$
talker=
cleanup() {
	[ -z "$talker" ] || kill "$talker" 2>/dev/null
	ip link del "$tap" 2>/dev/null
	rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# A tap that somebody sends to without end; made once. Fails where this user may not, with the reason in $tmp/why.
need_tap() {
	[ -z "$talker" ] || return 0
	ip tuntap add "$tap" mode tap 2>"$tmp/why" || return 1
	# An address for tests of network devices (RFC 2544), and a neighbour that needs no answer.
	{ ip addr add 198.18.77.1/30 dev "$tap" && ip link set "$tap" up && ip neigh add 198.18.77.2 lladdr 02:00:00:00:00:02 dev "$tap"; } 2>"$tmp/why" || return 1
	bash -c 'while :; do for i in 1 2 3 4 5 6 7 8; do echo frame >/dev/udp/198.18.77.2/9; done; sleep 0.01; done' 2>/dev/null &
	talker=$!
}

# Why the run with these options cannot be here; nothing if it can.
missing() {
	case $1 in
	needs=*)
		need=${1#needs=}
		need=${need%% *}
		[ -e "$need" ] || echo "no $need"
		;;
	esac
	case $1 in
	*\$TAP*) need_tap || echo "no tap interface: $(cat "$tmp/why")" ;;
	esac
}
for name in $names; do
	src=guests/$name.c
	want=$(sed -n 's,^// expect: ,,p' "$src")
	most=$(sed -n 's,^// exits: ,,p' "$src")
	sed -n 's,^// nidus: *,,p' "$src" | grep -F -e "${ONLY:-}" > "$tmp/runs"
	while read -r options; do
		missing "$options" > "$tmp/missing"
		if [ -s "$tmp/missing" ]; then
			echo "kvm: skipped: $name ($options): $(cat "$tmp/missing")"
			skip=$((skip + 1))
			continue
		fi
		: > "$tmp/disk"
		rm -f "$tmp/report"
		truncate -s 1M "$tmp/disk"
		# shellcheck disable=SC2046 # the options are words
		timeout -k 5 "$limit" "$nidus" run -k "$guests/$name" --report "$tmp/report" $(DISK="$tmp/disk" SOCKET="$tmp/socket" TAP="$tap" sh -c "echo ${options#needs=* }") > "$tmp/out" 2> "$tmp/err" < /dev/null
		rc=$?
		exits=$(sed -n 's/.*"exits": *\([0-9]*\).*/\1/p' "$tmp/report" 2>/dev/null)
		if [ -n "$most" ] && [ "${exits:-999999999}" -gt "$most" ]; then
			fail=$((fail + 1))
			echo "$name ($options): $exits exits, expected at most $most"
		elif [ "$(wc -l < "$tmp/err")" -gt "$limit" ]; then
			fail=$((fail + 1))
			echo "$name ($options): $(wc -l < "$tmp/err") lines of messages, expected at most $limit; the last ones:"
			tail -n 5 "$tmp/err" | sed 's/^/  ! /'
		elif [ $rc -eq "$want" ] && grep -aq "^PASS $name" "$tmp/out" && ! grep -aq '^FAIL' "$tmp/out"; then
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
