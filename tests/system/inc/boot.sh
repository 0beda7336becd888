# tests/system/inc/boot.sh - shared by the boot tests; sourced after lib.sh.

# guest_script GUEST [NAME=FILE...] <SCRIPT: an initrd whose test is guest.sh followed by SCRIPT
guest_script()
{
	{ cat "$(dirname "${BASH_SOURCE[0]}")/guest.sh"; cat; } | guest_initrd "$@"
}

no_complaint()
{
	if grep -qF 'guest: complaint:' "$VM_CONSOLE"; then
		grep -F 'guest: complaint:' "$VM_CONSOLE" | tr -d '\r' | sed 's/^/# /'
		not_ok "$1: Linux complains of nothing that nidus describes"
	else
		ok "$1: Linux complains of nothing that nidus describes"
	fi
}

clean_disk()
{
	e2fsck -fn "$2" >"$TMP/fsck" 2>&1
	check "$1: the file system is clean afterwards" [ $? = 0 ]
}
