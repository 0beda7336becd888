#!/bin/bash
# The manual page as roff sees it, completion as bash does: in its functions, and once at a real prompt. And that make install has both.
cd "$(dirname "$0")/../.." || exit 1
[ -x ./nidus ] || { echo "docs: 0 passed, 0 failed, 1 skipped (no ./nidus: built for another architecture)"; exit 0; }
pass=0 fail=0
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT

ok() # NAME COMMAND...
{
	local name=$1
	shift
	if "$@" >"$tmp/log" 2>&1; then
		pass=$((pass + 1))
	else
		echo "docs: $name"
		sed 's/^/  | /' "$tmp/log"
		fail=$((fail + 1))
	fi
}

./nidus show man >"$tmp/nidus.1" || exit 1
./nidus show completion >"$tmp/nidus.bash" || exit 1

clean() { groff -man -Tascii -P-cbou -ww "$tmp/nidus.1" >"$tmp/page" 2>"$tmp/warnings" && [ ! -s "$tmp/warnings" ] || { cat "$tmp/warnings"; return 1; }; }
ok "groff has something to say about nidus.1" clean
shown() { tr -s ' \n' '  ' <"$tmp/page" | grep -qF -- "$1"; }
ok "the page does not show an option" shown "-d, --disk PATH[,ro][,id=ID][,queues=N]"
ok "the page does not show the example's backslash" shown "printf '\\007' | dd"

ok "bash does not take the script" bash -n "$tmp/nidus.bash"
. "$tmp/nidus.bash"
complete_at() # LINE: what stands in COMPREPLY, sorted, for a cursor at its end
{
	COMP_LINE=$1 COMP_POINT=${#1} COMPREPLY=()
	_nidus
	printf '%s\n' "${COMPREPLY[@]}" | sort | tr '\n' ' '
}
is() # LINE WANT
{
	local got
	got=$(cd "$tmp/files" && complete_at "$1")
	[ "$got" = "$2 " ] || { echo "'$1' gives '$got', not '$2'"; return 1; }
}
mkdir -p "$tmp/files/sub"
touch "$tmp/files/disk.img" "$tmp/files/dist.img"
while IFS='#' read -r line want; do
	ok "completion" is "$line" "$want"
done <<'END'
nidus r#run
nidus #--help --version bind check run show unbind
nidus show ma#man
nidus show completion --ar#--arch
nidus run --ker#--kernel
nidus run --raw-cmdline --rn#--rng
nidus check --s#--skip
nidus run -k di#disk.img dist.img
nidus run --kernel=dis#disk.img dist.img
nidus run -k s#sub/
nidus run -d disk.img,#disk.img,bps= disk.img,id= disk.img,iops= disk.img,queues= disk.img,ro disk.img,viommu=
nidus run -d disk.img,ro,#disk.img,ro,bps= disk.img,ro,id= disk.img,ro,iops= disk.img,ro,queues= disk.img,ro,viommu=
nidus run -d disk.img,q#disk.img,queues=
nidus run -d disk.img,viommu=#off on
nidus run -n tap=l#lo
nidus run --viommu au#auto
nidus run --console hvc:s#stdio
nidus run --console file=dist#dist.img
nidus show pci --out s#sub/
nidus run --on-reboot=r#reset
END

# A terminal with readline: what the Tab key leaves on the line is run.
prompt()
{
	printf 'nidus() { echo "<$*>"; }\n. %q\nnidus ru\t--ker\tx -d a,qu\t2 --viommu=v\t\nexit\n' "$tmp/nidus.bash" |
		(cd "$tmp/files" && TERM=dumb script -qec "bash --norc --noprofile -i" /dev/null) >"$tmp/typed" 2>&1
	grep -qF '<run --kernel x -d a,queues=2 --viommu=vtd>' "$tmp/typed" || { cat "$tmp/typed"; return 1; }
}
ok "the Tab key at a prompt" prompt

installs()
{
	make -s install DESTDIR="$tmp/root" PREFIX=/usr && cmp "$tmp/root/usr/share/man/man1/nidus.1" "$tmp/nidus.1" &&
		cmp "$tmp/root/usr/share/bash-completion/completions/nidus" "$tmp/nidus.bash" && [ -x "$tmp/root/usr/bin/nidus" ]
}
ok "make install" installs

echo "docs: $pass passed, $fail failed, 0 skipped"
[ $fail -eq 0 ]
