# shellcheck shell=bash
# tests/rig/initrd.sh - builds the initial RAM disks of L1 and of guests.
# Sourced after lib.sh.
#
#   initrd_make OUT INIT KERNEL ORDER [FILE=PATH...]   an uncompressed cpio with a static
#       busybox, INIT as /init, the modules of KERNEL (a folder of kernel_stock, or "" for
#       none) that its files ORDER and ORDER.* name, as /modules/*, and each PATH as /FILE

initrd_busybox()
{
	local b
	for b in /bin/busybox /usr/bin/busybox "$(command -v busybox || true)"; do
		[ -x "$b" ] || continue
		# a dynamic one would find no loader
		if ! readelf -l "$b" 2>/dev/null | grep -q INTERP; then
			echo "$b"
			return
		fi
	done
	die "no static busybox; run tests/deps.sh rig"
}

initrd_make()
{
	local out=$1 init=$2 kernel=$3 order=$4 dir name file box
	shift 4
	box=$(initrd_busybox)
	dir=$(mktemp -d)
	mkdir -p "$dir/bin" "$dir/dev" "$dir/proc" "$dir/sys" "$dir/run" "$dir/tmp" \
		"$dir/mnt" "$dir/root" "$dir/modules" "$dir/etc"
	ln -s bin "$dir/sbin"
	cp "$box" "$dir/bin/busybox" || die "cannot copy $box"
	for name in $("$box" --list); do
		[ "$name" = busybox ] || ln -s busybox "$dir/bin/$name"
	done
	cp "$init" "$dir/init"
	chmod 755 "$dir/init"
	: >"$dir/modules/order"
	if [ -n "$kernel" ]; then
		for file in "$kernel/$order"*; do
			cp "$file" "$dir/modules/${file##*/"${order%%.*}".}"
		done
		cat "$dir"/modules/order* | sort -u | while read -r name; do
			cp "$kernel/ko/$name" "$dir/modules/$name" || die "cannot copy $name of $kernel"
		done || exit 1
	fi
	for file; do
		mkdir -p "$dir/$(dirname "${file%%=*}")"
		cp "${file#*=}" "$dir/${file%%=*}" || die "cannot copy ${file#*=}"
		chmod 755 "$dir/${file%%=*}"
	done
	(cd "$dir" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0) >"$out.tmp" || die "cannot write $out.tmp"
	mv "$out.tmp" "$out"
	rm -rf "$dir"
}
