# shellcheck shell=bash
# tests/rig/needs.sh - what emulated host a script asks for in its header. Sourced after lib.sh by what runs such scripts.
#
# A header line is `# rig: KEY=VALUE...`; the keys are those of tests/system/lib.sh.
#
#   needs_value FILE KEY DEFAULT   the value of KEY
#   needs_host FILE                the host, as l1.sh's options

needs_words() { sed -n 's/^# rig: *//p' "$1" | tr '\n' ' '; }

needs_value()
{
	local word found=$3
	for word in $(needs_words "$1"); do
		[ "${word%%=*}" != "$2" ] || found=${word#*=}
	done
	echo "$found"
}

needs_host()
{
	local word
	printf -- '--level %s --mem %s --smp %s' "$(needs_value "$1" level stock)" "$(needs_value "$1" mem 3G)" "$(needs_value "$1" smp 1)"
	[ "$(needs_value "$1" nest on)" = on ] || printf -- ' --no-nest'
	[ "$(needs_value "$1" iommu on)" = on ] || printf -- ' --no-iommu'
	for word in $(needs_words "$1"); do
		case $word in
		qemu=*) printf -- ' --qemu %s' "${word#qemu=}" ;;
		esac
	done
}
