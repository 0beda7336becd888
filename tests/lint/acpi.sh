#!/bin/sh
# Every table that `nidus show acpi` writes is disassembled and compiled again: no error, no warning, the same bytes but for what the
# compiler signs (checksum, compiler's name and version). An interpreter must load them together and evaluate what a guest does.
cd "$(dirname "$0")/../.." || exit 1
skip()
{
	echo "acpi: 0 passed, 0 failed, 1 skipped ($1)"
	exit 0
}
command -v iasl >/dev/null && command -v acpiexec >/dev/null || skip "no iasl or acpiexec: install acpica-tools"
[ -x ./nidus ] || skip "no ./nidus for this architecture"

dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
pass=0 fail=0

# bytes FILE: one number a line, without those at offset 9 and 28 to 35.
bytes()
{
	od -An -v -tu1 -w1 "$1" | awk 'NR - 1 != 9 && (NR - 1 < 28 || NR - 1 > 35)'
}
# round_trip STEM: STEM.dat -> STEM.dsl -> STEM.aml
round_trip()
{
	iasl -d "$1.dat" >"$1.log" 2>&1 && [ -s "$1.dsl" ] || return 1
	iasl -we -vr -vs -p "$1" "$1.dsl" >>"$1.log" 2>&1 || return 1
	bytes "$1.dat" >"$1.a" && bytes "$1.aml" >"$1.b" && cmp "$1.a" "$1.b" >>"$1.log"
}

# interpret DIR: DSDT and SSDT together. Commands come by stdin: batch mode (-b) ends with a second's sleep.
interpret()
{
	paths='\_SB.PCI0._CRS \_SB.PCI0._PRT \_SB.COM1._STA \_SB.GED0._CRS \_S5 \_SB.C000._UID'
	{
		for path in $paths; do printf 'evaluate %s\n' "$path"; done
		echo quit
	} | acpiexec -r "$1/dsdt.dat" "$1/ssdt.dat" >"$1/log" 2>&1
	for path in $paths; do
		grep -qF "Evaluation of $path returned object" "$1/log" || { cat "$1/log"; return 1; }
	done
	! grep -E 'Error|Warning|AE_[A-Z]' "$1/log"
}

n=0
while read -r options; do
	n=$((n + 1))
	d=$dir/$n
	bad=
	# shellcheck disable=SC2086 # words on purpose
	if ./nidus show acpi $options --out "$d" >"$dir/log" 2>&1; then
		# iasl takes no RSDP; the unit tests check it.
		for t in "$d"/*.dat; do
			t=${t%.dat}
			[ "${t##*/}" = rsdp ] || round_trip "$t" || { bad="$bad ${t##*/}"; cat "$t.log"; }
		done
		interpret "$d" || bad="$bad interpreter"
	else
		bad=show
		cat "$dir/log"
	fi
	if [ -z "$bad" ]; then
		pass=$((pass + 1))
	else
		echo "show acpi $options:$bad"
		fail=$((fail + 1))
	fi
done <<END
-c 1 -m 64M
-c 64 -m 64M
-c 2 -m 3G
-c 4 -m 6G --disk /no/a --disk /no/b,ro
-c 1 -m 512M --rng off --console off
-c 2 -m 1G --disk /no/a,viommu=on --net tap=none,viommu=on --viommu vtd --vsock cid=3 --balloon on --console hvc:pty
-c 1 -m 64M --viommu amdvi --disk /no/a,viommu=on --disk /no/b --disk /no/c,viommu=on
END
echo "acpi: $pass passed, $fail failed, 0 skipped"
[ $fail -eq 0 ]
