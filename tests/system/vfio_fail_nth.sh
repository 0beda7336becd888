#!/bin/bash
# rig: level=nest mem=2G qemu=-device qemu=edu,dma_mask=0xffffffffffffffff qemu=-drive qemu=if=none,id=a0,driver=null-co,size=67108864,read-zeroes=on,snapshot=on qemu=-device qemu=pcie-root-port,id=ra,chassis=8,slot=8 qemu=-device qemu=ich9-ahci,id=ahci,bus=ra qemu=-device qemu=ide-hd,drive=a0,bus=ahci.0 qemu=-device qemu=pcie-root-port,id=rx,chassis=9,slot=9 qemu=-device qemu=nec-usb-xhci,bus=rx,msi=on,msix=off timeout=400
# Every call on VFIO's and iommufd's files fails once, outside a unit and behind one that nests: the machine ends, or does without; what the device
# writes reaches nothing that it should not; nothing is left in the kernel. Every eighth call, or each in make soak.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/inc/vfio.sh"

edu=$(find_function 1234:11e8)
"$NIDUS" bind "$edu"
${CC:-gcc} -shared -fPIC -O1 -o "$TMP/fail.so" "$(dirname "$0")/inc/fail_nth.c"
real=$NIDUS
NIDUS=$TMP/failing
cat >"$NIDUS" <<END
#!/bin/bash
exec env LD_PRELOAD="$TMP/fail.so" FAIL_AT="\$(cat "$TMP/at")" FAIL_TOLD="$TMP/told" "$real" "\$@"
END
chmod +x "$NIDUS"
runs=0
step=$([ -n "${SOAK:-}" ] && echo 1 || echo 8)

# One run with call number N failing. What is wrong goes to $TMP/wrong.
fail_at() # N [OPTION...]
{
	local n=$1 what
	shift
	echo "$n" >"$TMP/at"
	: >"$TMP/told"
	runs=$((runs + 1))
	dmesg -C
	vm_run 30 -k build/x86_64/guests/edu_reset -m 32 --rng off --vfio "$edu" --on-reboot reset -p "run=$runs boots=$boots" "$@"
	what=$(cat "$TMP/told")
	echo "${what:-none} ($n): status $VM_STATUS, $(head -n 1 "$VM_STDERR")" >>"$TMP/runs"
	{
		[ "$VM_STATUS" -lt 84 ] || echo "status $VM_STATUS"
		[ "$VM_STATUS" = 0 ] || [ "$VM_STATUS" -lt 64 ] || grep -q 'error: ' "$VM_STDERR" || echo "status $VM_STATUS and no message"
		grep 'was written' "$VM_CONSOLE" "$VM_STDERR"
		[ "$(bus_master "$edu")" = 0 ] || echo "bus mastering is on"
		[ "$(pinned)" = "$before" ] || echo "pages are pinned"
		no_open_file || echo "a file of the device is open"
		dmesg | grep -iE 'WARNING|BUG:|leak|Oops'
	} | sed "s|^|call $n, ${what:-none}: |" >>"$TMP/wrong"
	[ -n "$what" ]
}

: >"$TMP/wrong"
before=$(pinned)
for unit in "" "--viommu vtd"; do
	name=${unit:-without a unit}
	boots=$([ -n "$unit" ] && echo 2 || echo 1) # the second one's DMA is translated
	: >"$TMP/runs"
	n=1
	# shellcheck disable=SC2086
	while fail_at $n $unit; do
		n=$((n + step))
		[ $n -lt 1000 ] || break
	done
	sed 's/^/# /' "$TMP/runs"
	check "$name: calls were made to fail, up to the last" [ $n -gt 30 ]
	check "$name: there are refusals among them" grep -q 'status 66' "$TMP/runs"
	check "$name: in the end none failed, and the guest is content" grep -qE '^none .*status 0,' "$TMP/runs"
done
sed 's/^/# /' "$TMP/wrong"
check "each machine ended as it should, and left nothing" [ ! -s "$TMP/wrong" ]
NIDUS=$real
check "the device goes back" "$NIDUS" unbind "$edu"
