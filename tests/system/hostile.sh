#!/bin/bash
# rig: level=stock mem=3G guests=rig timeout=300
# The bare-metal drivers, most of them hostile, of network card and sockets against this host's own vhost, which a machine without it cannot try.
. "$(dirname "$0")/lib.sh"

for guest in hostile_virtio_net hostile_virtio_vsock hostile_race vtd_net; do
	ONLY=needs=/dev/vhost- LIMIT=$((60 * ${RIG_SLOW:-1})) tests/kvm/check.sh $guest >"$VM_CONSOLE" 2>&1
	VM_STATUS=$?
	expect_status "$guest" 0
	expect_console "$guest: it was not skipped" "kvm: 1 passed, 0 failed, 0 skipped"
	check "$guest: the host's kernel has nothing to complain of" [ -z "$(dmesg | grep -iE 'WARNING|BUG:|vhost.*(fail|error)')" ]
done
