# shellcheck shell=bash
# tests/system/inc/kexec.sh - guests that start their own kernel again by kexec; sourced after boot.sh.

# What nidus would add: a kernel that is started by kexec has no command line but the one that it is given.
KEXEC_WORDS="console=ttyS0 panic=-1 reboot=panic_warm"

# kexec_chain GUEST WORDS SECOND <SCRIPT: the initrd for the first of three boots, which needs stage=1 on its command line. Each boot runs SCRIPT, $stage
# telling which it is, and then starts the next with WORDS, the second one with SECOND too.
kexec_chain()
{
	local guest=$1 words=$2 second=$3 next
	{
		echo 'stage=$(sed "s/.*stage=\(.\).*/\1/" /proc/cmdline)'
		cat
		echo "case \$stage in"
		echo "1) kexecfile /bzImage /next '$KEXEC_WORDS $words stage=2 $second' ;;"
		echo "2) kexecfile /bzImage /next '$KEXEC_WORDS $words stage=3' ;;"
		echo "esac"
	} >"$TMP/chain"
	next=$(guest_script "$guest" <"$TMP/chain")
	for _ in 2 1; do
		next=$(guest_script "$guest" bzImage="$GUESTS/$guest/bzImage" next="$next" <"$TMP/chain")
	done
	echo "$next"
}
