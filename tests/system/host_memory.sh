#!/bin/bash
# rig: level=stock mem=3G guests=rig timeout=120
# Memory of the host that fails under a guest's, or runs out: who loses what, what is told, and that nothing is left behind.
. "$(dirname "$0")/lib.sh"

guest=$(cd "$(dirname "$0")/../.." && pwd)/build/x86_64/guests/host_memory
AT=$((32 << 20))

# The host's address of the page with the guest's address AT; guest RAM is the one mapping of 64 MiB.
host_page() # PID
{
	local range from to rest at="" entry
	while read -r range rest; do
		from=$((16#${range%-*})) to=$((16#${range#*-}))
		[ $((to - from)) != $((64 << 20)) ] || at=$((from + AT))
	done <"/proc/$1/maps"
	entry=$(dd if="/proc/$1/pagemap" bs=8 skip=$((at / 4096)) count=1 2>/dev/null | od -An -tu8)
	printf '0x%x' $(((entry & ((1 << 55) - 1)) << 12))
}

# nidus on a terminal of its own, whose modes are noted before and after.
cat >"$TMP/on_tty" <<END
tty >$TMP/tty
stty -g >$TMP/before
$NIDUS run "\$@" </dev/tty 2>$VM_STDERR &
echo \$! >$TMP/pid
wait \$!
status=\$?
stty -g >$TMP/after
exit \$status
END

# The host loses the page that the guest, or nidus for one of its devices, reads again and again.
lose_page() # MODE
{
	local page
	VM_STATUS=""
	script -qefc "bash $TMP/on_tty -k $guest -m 64M -p mode=$1 --report $TMP/report.$1" /dev/null </dev/null >"$VM_CONSOLE" &
	VM_PID=$!
	check "mode $1: the guest is up" vm_expect "mode $1" 30
	stty -g -F "$(<"$TMP/tty")" >"$TMP/during"
	page=$(host_page "$(<"$TMP/pid")")
	note "mode $1: the host loses $page"
	echo "$page" >/sys/devices/system/memory/hard_offline_page
	vm_wait 20
	expect_status "mode $1: nidus ends with its own status" 70
	expect_stderr "mode $1: the guest's address and whose fault it is are told" \
		"^nidus: error: the host's memory failed under guest address 0x2000000, 4096 bytes: "
	check "mode $1: in one line" [ "$(wc -l <"$VM_STDERR")" = 1 ]
	check "mode $1: the terminal has its modes back" eval "cmp -s $TMP/before $TMP/after && [ -s $TMP/during ] && ! cmp -s $TMP/before $TMP/during"
}

if [ -e /sys/devices/system/memory/hard_offline_page ]; then
	lose_page 1
	check "mode 1: the report is there" grep -q '"reason": "internal error"' "$TMP/report.1"
	lose_page 2
else
	skip "a page of the host fails" "this host has no hard_offline_page"
fi

# RAM does not fit into what the host allows: the kernel ends nidus, and the next start finds nothing in its way.
cg=/sys/fs/cgroup/nidus
if echo +memory >/sys/fs/cgroup/cgroup.subtree_control && mkdir $cg; then
	echo 48M >$cg/memory.max
	printf '#!/bin/bash\necho $$ >%s/cgroup.procs\nexec %q "$@"\n' $cg "$NIDUS" >"$TMP/limited"
	chmod +x "$TMP/limited"
	run=(-k "$guest" -m 256M -p mode=3 -d "$(disk_image 1M)" --vsock "cid=3,uds=$TMP/vsock")
	NIDUS=$TMP/limited vm_run 30 "${run[@]}"
	expect_status "too little memory: the kernel kills nidus" 137
	check "too little memory: for that reason" grep -q '^oom_kill [1-9]' $cg/memory.events
	check "too little memory: no process is left" rmdir $cg
	vm_run 30 "${run[@]}"
	expect_status "too little memory: the next start, with enough, goes well" 0
	expect_quiet "too little memory: and silently"
else
	skip "too little memory" "this host has no memory controller"
fi
