#!/bin/bash
# rig: level=none timeout=120
# bench: start of a bare-metal guest on this machine's own /dev/kvm
# CPU time to the first KVM_RUN as nidus reports it; exec to the first byte on the console, which is the guest's first exit.
. "$(dirname "$0")/../lib.sh"

if ! [ -r /dev/kvm ] || ! [ -w /dev/kvm ]; then
	remark "not measured: no /dev/kvm that may be used"
	exit 0
fi
guest=$(dirname "$0")/../../../build/$(uname -m | sed s/aarch64/arm64/)/guests/exit7
cpu="" first="" all=""
once()
{
	"$NIDUS" run -k "$guest" -m 128 --report "$TMP/report" >/dev/null
	cpu="$cpu $(sed -n 's/.*"cpu_to_first_run_ns": \([0-9]*\).*/\1/p' "$TMP/report")"
	"$METER" until 10 "" "$NIDUS" run -k "$guest" -m 128 >"$TMP/until" || exit 1
	first="$first $(sed -n 's/^until //p' "$TMP/until")"
}
once
cpu="" first=""
for _ in 1 2 3 4; do times once; done
# shellcheck disable=SC2086
row "CPU time from exec to the first KVM_RUN" us "$(for v in $cpu; do echo $((v / 1000)); done)" - "< 5000"
row "exec to the guest's first byte on the console" us "$first" -
remark "128 MiB, 1 vCPU, median of $((4 * BENCH_RUNS))"
