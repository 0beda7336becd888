#!/bin/bash
# tests/rig/l1.sh - boots the emulated host L1 and runs a command in it as root.
#
# usage: l1.sh [option...] -- COMMAND [ARG...]
#   --level stock|nest  stock (default): Debian's newest 7.x kernel on a machine without IOMMU;
#                       nest: the rig's own kernel on one whose VT-d can nest
#   --dist-qemu         level stock under the distribution's QEMU, so that nothing has to be built: good for one guest. Its emulated SVM
#                       corrupts or ends guests now and then (qemu-11.1-svm-events.patch)
#   --no-nest           level nest with a VT-d that offers no nested translation
#   --no-iommu          level nest without any IOMMU
#   --mem SIZE          memory of L1 (default 3G)
#   --smp N             CPUs of L1 (default 1: with more, QEMU's emulated nested
#                       SVM corrupts L1's memory when two vCPUs of a guest really run at once)
#   --guests NAME,...   attach these guest kernels (see guests.sh); they are in $GUESTS/NAME
#   --disk FILE         a raw image as a virtio disk of L1, writable (repeatable)
#   --qemu ARG          one more argument for L0's QEMU (repeatable), such as a device
#   --append TEXT       more words for L1's kernel command line
#   --out DIR           the folder for results, instead of a temporary one
#   --env NAME=VALUE    a variable for COMMAND (repeatable)
#   --timeout SECONDS   end everything after RIG_SLOW times this (default 600)
#   --tty               COMMAND gets a terminal (the caller's) instead of an output stream
#
# COMMAND sees the machine's own files, read-only, with empty writable /tmp and /run, and
# starts in the tree's top. It may write results to $RIG_OUT, a folder that exists under the
# same path on both sides. NIDUS names the tree's ./nidus, GUESTS the folder of guest kernels.
# RIG_SLOW is a whole number by which time limits inside are multiplied: 3 on an idle machine, since
# load comes and goes and a limit costs time only where something hangs.
# Its output comes to standard output; L1's console goes to a log, whose end and path are
# shown if L1 fails. Exit status: COMMAND's own; 124 after the timeout; 125 if L1 failed.

. "$(dirname "$0")/lib.sh"
. "$RIG/apt.sh"
. "$RIG/kernel.sh"
. "$RIG/initrd.sh"
. "$RIG/qemu.sh"
. "$RIG/nest.sh"

level=stock own=1 nest=on iommu=on mem=3G smp=1 guests="" append="" out="" timeout=600 tty=0
extra=() disks=() env=()
need() { [ $# -ge 2 ] || die "$1 needs a value"; }
while [ $# -gt 0 ]; do
	case $1 in
	--dist-qemu) own=0 ;;
	--no-nest) nest=off ;;
	--no-iommu) iommu=off ;;
	--tty) tty=1 ;;
	--level) need "$@"; level=$2; shift ;;
	--mem) need "$@"; mem=$2; shift ;;
	--smp) need "$@"; smp=$2; shift ;;
	--guests) need "$@"; guests=$2; shift ;;
	--disk) need "$@"; disks+=("$2"); shift ;;
	--qemu) need "$@"; extra+=("$2"); shift ;;
	--append) need "$@"; append="$append $2"; shift ;;
	--out) need "$@"; out=$2; shift ;;
	--env) need "$@"; env+=("$2"); shift ;;
	--timeout) need "$@"; timeout=$2; shift ;;
	--) shift; break ;;
	*) die "unknown option $1 (the command comes after --)" ;;
	esac
	shift
done
[ $# -gt 0 ] || die "no command; usage: l1.sh [option...] -- COMMAND [ARG...]"

dist=$(qemu_dist)
if [ $own = 1 ]; then
	qemu=$(nest_qemu)/qemu-system-x86_64
	LD_LIBRARY_PATH=$(qemu_libs)
	export LD_LIBRARY_PATH
else
	qemu=$dist/bin/qemu-system-x86_64
fi
case $level in
stock)
	kernel=$(kernel_stock trixie-backports amd64)
	bzimage=$kernel/bzImage
	machine=q35
	unit=()
	;;
nest)
	kernel=""
	bzimage=$(nest_kernel)/bzImage
	machine=q35,kernel-irqchip=off
	unit=(-device intel-iommu,scalable-mode=on,fsts=on,x-nest=on)
	[ "$nest" = on ] || unit=(-device intel-iommu,scalable-mode=on,fsts=on)
	[ "$iommu" = on ] || unit=()
	append="intel_iommu=on,sm_on $append"
	;;
*) die "no level $level; stock and nest exist" ;;
esac
[ $own = 1 ] || [ $level = stock ] || die "--dist-qemu is for level stock"

l1_initrd_make() { initrd_make "$1/initrd" "$RIG/l1-init" "$2" l1.order; }
initrd=$(entry "l1-$level-$(hash_of "$kernel" @"$RIG/l1-init" @"$RIG/initrd.sh")" \
	l1_initrd_make "$kernel")/initrd

work=$(mktemp -d "${TMPDIR:-/tmp}/nidus-rig.XXXXXX")
child=""
cleanup()
{
	[ -z "$child" ] || kill "$child" 2>/dev/null || true
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP
[ -n "$out" ] || { out=$work/out; }
mkdir -p "$out/.rig" "$CACHE/log"
find "$CACHE/log" -type f -mtime +7 -delete
out=$(cd "$out" && pwd -P)
rm -f "$out/.rig/status"
log=$out/.rig/console.log

{
	echo ": >$(printf %q "$out/.rig/started")"
	echo "cd $(printf %q "$TREE")"
	echo "export HOME=/tmp TMPDIR=/tmp LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	echo "export RIG_OUT=$(printf %q "$out") RIG_LEVEL=$level RIG_L1=1 GUESTS=/run/guests"
	# the boot of L1 tells how slow things go here
	echo 'read -r up _ </proc/uptime; export RIG_SLOW=$((${up%.*} / 6 + 2))'
	echo "export NIDUS=$(printf %q "${NIDUS:-$TREE/nidus}") TERM=${TERM:-dumb}"
	for e in "${env[@]+"${env[@]}"}"; do
		echo "export ${e%%=*}=$(printf %q "${e#*=}")"
	done
	printf '%q ' "$@"
	echo
} >"$out/.rig/command"

drives=()
n=0
for g in ${guests//,/ }; do
	image=$("$RIG/guests.sh" --image "$g")
	drives+=(-drive "if=none,id=g$n,format=raw,readonly=on,file.locking=off,file=$image"
		-device "virtio-blk-pci,drive=g$n,serial=guest:$g")
	n=$((n + 1))
done
for d in "${disks[@]+"${disks[@]}"}"; do
	drives+=(-drive "if=none,id=d$n,format=raw,file=$d" -device "virtio-blk-pci,drive=d$n")
	n=$((n + 1))
done

share() # TAG PATH OPTION...: one 9p share
{
	local tag=$1 path=$2
	shift 2
	drives+=(-fsdev "local,id=$tag,path=${path//,/,,},security_model=none,multidevs=remap$*"
		-device "virtio-9p-pci,fsdev=$tag,mount_tag=$tag")
}
share host / ,readonly=on
share tree "$TREE" ,readonly=on
share out "$out"

# level stock has no second port: the terminal is the virtio console itself
if [ $tty = 1 ]; then
	port=(-chardev stdio,id=c0,signal=off -device virtconsole,chardev=c0
		-device virtserialport,name=rig.out,nr=5)
else
	port=(-chardev stdio,id=c0,signal=off -device virtserialport,chardev=c0,name=rig.out,nr=5)
fi

set -- -L "$dist/share" -accel tcg,thread=multi -M "$machine" -cpu EPYC,+svm,+npt \
	-smp "$smp" -m "$mem" -nodefaults -no-user-config -display none \
	-nic none -no-reboot "${unit[@]+"${unit[@]}"}" \
	-kernel "$bzimage" -initrd "$initrd" \
	-append "console=ttyS0 quiet panic=-1 no_timer_check tsc=reliable rig_out=$out rig_tree=$TREE rig_tty=$tty$append" \
	-serial "file:$log" -device virtio-serial-pci "${port[@]}" \
	"${drives[@]}" "${extra[@]+"${extra[@]}"}"

if [ $tty = 1 ]; then
	exec 3<&0
else
	# an input that never ends: at its end QEMU would close the port and block L1's writes
	mkfifo "$work/stdin"
	exec 3<>"$work/stdin"
fi

# within SECONDS FILE: waits until FILE exists or the child is gone; after the time the child is
# ended, and the result is 1.
within()
{
	local since=$SECONDS
	while [ ! -e "$2" ] && kill -0 "$child" 2>/dev/null; do
		if [ $((SECONDS - since)) -ge "$1" ]; then
			kill "$child" 2>/dev/null || true
			for _ in 1 2 3 4 5 6 7 8 9 10; do
				kill -0 "$child" 2>/dev/null || return 1
				sleep 0.5
			done
			kill -KILL "$child" 2>/dev/null || true
			return 1
		fi
		sleep 0.3
	done
}

# On a loaded machine an emulated host may fail before it reaches the command: it gets
# boot_limit seconds for that, and three attempts.
boot_limit=180
try=1
while :; do
	rm -f "$out/.rig/started" "$out/.rig/status"
	"$qemu" "$@" <&3 2> >(grep -v "TCG doesn.t support requested feature" >&2) &
	child=$!
	since=$SECONDS
	slow="" late=""
	within $boot_limit "$out/.rig/started" || slow=1
	if [ -e "$out/.rig/started" ]; then
		load=$(((SECONDS - since) / 6 + 2))
		timeout=$((timeout * load))
		within "$timeout" "$work/never" || late=1
	fi
	status=0
	wait "$child" || status=$?
	child=""
	[ ! -e "$out/.rig/started" ] || break
	[ -n "$slow" ] || [ "$status" = 0 ] || break
	[ $try -lt 3 ] || break
	say "the emulated host did not come up; trying again"
	cp "$log" "$CACHE/log/l1-console.$$.$try.log" 2>/dev/null || true
	try=$((try + 1))
done

if [ -s "$out/.rig/status" ]; then
	exit "$(cat "$out/.rig/status")"
fi
keep=$CACHE/log/l1-console.$$.log
cp "$log" "$keep" 2>/dev/null || true
tail -n 20 "$log" >&2 2>/dev/null || true
if [ -n "$late" ]; then
	say "the command did not end within $timeout s; L1's console is in $keep"
	exit 124
fi
say "L1 ended without running the command to its end (QEMU: $status); its console is in $keep"
exit 125
