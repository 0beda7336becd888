#!/bin/bash
# rig: level=stock mem=3G guests=rig timeout=180
# Wrong options, files and hosts: an exit status and one line on stderr each, naming what is wrong.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/inc/boot.sh"

k=$GUESTS/rig/bzImage
initrd=$GUESTS/rig/initrd

# refuse NAME STATUS REGEX OPTION...
refuse()
{
	local name=$1 want=$2 regex=$3 lines
	shift 3
	vm_run 20 "$@"
	lines=$(wc -l <"$VM_STDERR")
	if [ "$VM_STATUS" = "$want" ] && [ "$lines" = 1 ] && grep -qE "^nidus: error: .*($regex)" "$VM_STDERR"; then
		ok "$name: $want"
	else
		not_ok "$name (want status $want and one line with $regex)"
	fi
}

head -c 100000 "$k" >"$TMP/short"
: >"$TMP/empty"
mkfifo "$TMP/fifo"
printf '\177ELF\002\001\001\000\000\000\000\000\000\000\000\000\002\000\267\000\001\000\000\000' >"$TMP/arm64"
head -c 8192 /dev/zero >>"$TMP/arm64"
disk=$(disk_image 16M)

refuse "no kernel" 64 'kernel'
refuse "missing kernel" 65 '/nowhere.*No such file' -k /nowhere
refuse "empty kernel" 65 'empty' -k "$TMP/empty"
refuse "truncated bzImage" 65 'truncated' -k "$TMP/short"
refuse "ELF of another architecture" 65 'arm64|aarch64|another architecture' -k "$TMP/arm64"
refuse "directory as kernel" 65 'directory' -k /tmp
refuse "directory as disk" 65 'a directory' -k "$k" -d /tmp
refuse "FIFO as disk" 65 'regular|fifo|FIFO|pipe' -k "$k" -d "$TMP/fifo"
refuse "missing disk" 65 'No such file' -k "$k" -d "$TMP/none"
refuse "the same disk twice" 65 'in use|lock' -k "$k" -d "$disk" -d "$disk"
refuse "-c 0" 64 'cpus' -k "$k" -c 0
refuse "-c 1000" 64 'cpus' -k "$k" -c 1000
refuse "-m 1" 64 'memory' -k "$k" -m 1
refuse "-m 1E" 64 'memory' -k "$k" -m 1E
refuse "kernel larger than memory names the need" 65 '-m [0-9]+M' -k "$k" -m 16
refuse "unknown option with a suggestion" 64 'kernal.*--kernel' --kernal "$k"
refuse "unknown key with a suggestion" 64 'quues.*queues' -k "$k" -d "$disk,quues=2"

"$NIDUS" run -k "$k" -i "$initrd" -m 128 -d "$disk" -p 'quiet shell' </dev/null >/dev/null 2>&1 &
other=$!
sleep 1
refuse "a disk that another nidus uses" 65 'in use|lock' -k "$k" -d "$disk"
kill -KILL $other
wait $other 2>/dev/null

mkdir "$TMP/dev"
(ulimit -n 8; exec "$NIDUS" run -k "$k" -m 128) </dev/null >"$VM_CONSOLE" 2>"$VM_STDERR"
VM_STATUS=$?
expect_status "8 file descriptors are too few: 66" 66
expect_stderr "and the line says what to raise" 'ulimit -n|NOFILE'
check "in one line" [ "$(wc -l <"$VM_STDERR")" = 1 ]

setpriv --reuid 65534 --regid 65534 --clear-groups "$NIDUS" run -k "$k" -m 128 </dev/null >"$VM_CONSOLE" 2>"$VM_STDERR"
VM_STATUS=$?
expect_status "no permission on /dev/kvm: 66" 66
expect_stderr "and the line says what to do" 'kvm.*(group|permission)|(group|permission).*kvm'

mv /dev/kvm /dev/kvm.away
refuse "no /dev/kvm" 66 '/dev/kvm' -k "$k"
mv /dev/kvm.away /dev/kvm

echo 2 >/proc/sys/kernel/io_uring_disabled
i=$(guest_script rig <<'END'
disk_write /dev/vda
END
)
d=$(disk_image 64M ext4)
vm_run 60 -k "$k" -i "$i" -m 128 -d "$d" --log info
echo 0 >/proc/sys/kernel/io_uring_disabled
expect_console "io_uring forbidden: the disk works" "disk sum equal"
expect_stderr "and nidus says so" 'io_uring'
expect_status "and ends well" 0
