# tests/system/inc/sock.sh - the guest's program sock for use on the host side of a test; sourced after lib.sh.

# host_sock GUEST: prints the path of the program, taken out of the guest's initrd
host_sock()
{
	cpio -i --quiet --to-stdout bin/sock <"$GUESTS/$1/initrd" >"$TMP/sock" && chmod +x "$TMP/sock"
	echo "$TMP/sock"
}
