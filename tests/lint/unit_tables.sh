#!/bin/sh
# The DMAR and IVRS tables as iasl reads them, field by field: which fields there are, in order, with their values, and that each value is what the table's
# bytes at that place are. The devices behind the unit are those of the options; those that are not are not listed.
cd "$(dirname "$0")/../.." || exit 1
skip()
{
	echo "unit_tables: 0 passed, 0 failed, 1 skipped ($1)"
	exit 0
}
command -v iasl >/dev/null || skip "no iasl: install acpica-tools"
[ -x ./nidus ] || skip "no ./nidus for this architecture"

dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
pass=0 fail=0

# Lines "offset length name value" of what iasl says.
fields()
{
	sed -n 's/^\[[0-9A-F]*h \([0-9]*\)  *\([0-9]*\)\] *\([^:]*[^ :]\) : \(.*\)/\1 \2 \3=\4/p' "$1" | sed 's/  *\[[^]]*\]$//'
}

# The same values from the bytes: numbers little endian, text and paths as they are.
same_bytes()
{
	fields "$1.dsl" | while IFS= read -r line; do
		place=${line%% *} line=${line#* }
		len=${line%% *} line=${line#* }
		value=${line#*=}
		raw=$(od -An -v -tx1 -j "$((1$place - 10000))" -N "$len" "$1.dat" | tr -d '\n' | tr a-f A-F)
		case $value in
		\"*\") got=\"$(tail -c "+$((1$place - 9999))" "$1.dat" | head -c "$len")\" ;;
		*,*) got=$(echo $raw | tr ' ' ,) ;;
		*' '*) got=$(echo $raw) ;;
		*) got=$(for b in $raw; do echo "$b"; done | sed '1!G;h;$!d' | tr -d '\n') ;;
		esac
		[ "$got" = "$value" ] || echo "offset $place, ${line%%=*}: the bytes say $got, iasl $value"
	done
}

# check TABLE OPTIONS: against $dir/want, one "name=value" per line for all but the checksum
check()
{
	rm -rf "$dir/t"
	# shellcheck disable=SC2086 # words on purpose
	./nidus show acpi $2 --out "$dir/t" >"$dir/log" 2>&1 && iasl -d "$dir/t/$1.dat" >>"$dir/log" 2>&1 &&
		fields "$dir/t/$1.dsl" | sed 's/^[0-9]* [0-9]* //' | grep -v '^Checksum=' >"$dir/got"
	if [ -s "$dir/got" ] && diff "$dir/want" "$dir/got" >"$dir/diff" && same_bytes "$dir/t/$1" >"$dir/diff" && [ ! -s "$dir/diff" ]; then
		pass=$((pass + 1))
	else
		echo "show acpi $2:"
		cat "$dir/log" "$dir/diff"
		fail=$((fail + 1))
	fi
	rm -f "$dir/got"
}

# header SIGNATURE LENGTH REVISION
header()
{
	cat <<END
Signature="$1"
Table Length=$2
Revision=$3
Oem ID="NIDUS "
Oem Table ID="NIDUSX86"
Oem Revision=00000001
Asl Compiler ID="NIDU"
Asl Compiler Revision=00000001
END
}
# dmar LENGTH: 46 bits of address width in the offline machine
dmar()
{
	header DMAR "$1" 01
	cat <<END
Host Address Width=2D
Flags=00
Reserved=00 00 00 00 00 00 00 00 00 00
END
}
# unit LENGTH BASE: no INCLUDE_PCI_ALL, segment 0
unit()
{
	cat <<END
Subtable Type=0000
Length=$1
Flags=00
Reserved=00
PCI Segment Number=0000
Register Base Address=$2
END
}
# endpoint DEVICE
endpoint()
{
	cat <<END
Device Scope Type=01
Entry Length=08
Reserved=0000
Enumeration ID=00
PCI Bus Number=00
PCI Path=$1,00
END
}

{ dmar 00000048; unit 0018 00000000FEB00000; endpoint 01; } >"$dir/want"
check dmar "-k /k --viommu vtd -d /no/a,viommu=on --rng off"
# The entropy device and the second disk are outside; the test devices come last, past the rest.
{ dmar 00000058; unit 0028 00000000FEB00000; endpoint 02; endpoint 04; endpoint 05; } >"$dir/want"
check dmar "-k /k --viommu vtd -d /no/a -d /no/b,viommu=on --testdev"

# ivrs LENGTH LENGTH-OF-IVHD: EFRSup, 48-bit guest and virtual addresses, 46 physical; one IVHD 11h of 00:1d.0 that says HATDis
ivrs()
{
	header IVRS "$1" 02
	cat <<END
Virtualization Info=00182E41
Reserved=0000000000000000
Subtable Type=11
Flags=20
Length=$2
DeviceId=00E8
Capability Offset=0040
Base Address=00000000FEB00000
PCI Segment Group=0000
Virtualization Info=0000
Attributes=00000001
EFR Image=00010000000000D0
Reserved=0000000000000000
END
}
# select DEVICE-ID
select_one()
{
	cat <<END
Entry Type=02
Device ID=$1
Data Setting=00
END
}

{ ivrs 0000005C 002C; select_one 0008; } >"$dir/want"
check ivrs "-k /k --viommu amdvi -d /no/a,viommu=on --rng off"
{ ivrs 00000064 0034; select_one 0010; select_one 0020; select_one 0028; } >"$dir/want"
check ivrs "-k /k --viommu amdvi -d /no/a -d /no/b,viommu=on --testdev"
echo "unit_tables: $pass passed, $fail failed, 0 skipped"
[ $fail -eq 0 ]
