# shellcheck shell=bash
# tests/rig/nest.sh - the kernel of level `nest` and the rig's own QEMU: from the seed folder, or built.
# Sourced after lib.sh, apt.sh and qemu.sh.
#
#   nest_kernel   prints a folder holding bzImage, vmlinux, config, release
#   nest_qemu     prints a folder holding qemu-system-x86_64 (dynamically linked against the
#                 libraries of qemu_dist: qemu_libs)
#   nest_qemu_id  prints what its --version says of the patches in it
#
# NIDUS_RIG_SEED may name a folder with bzImage-*-rig and qemu-system-x86_64-*, made earlier by the same recipes: they are copied
# into the cache instead of being built. A QEMU that lacks patches of this tree is taken only where none can be built.

nest_seed() # PATTERN: the seed's newest file of that name
{
	[ -n "${NIDUS_RIG_SEED:-}" ] || return 0
	find "$NIDUS_RIG_SEED" -maxdepth 1 -name "$1" 2>/dev/null | sort -V | tail -n 1
}

nest_kernel_make()
{
	local seed release
	seed=$(nest_seed 'bzImage-*-rig')
	if [ -n "$seed" ]; then
		say "taking the rig's kernel from the seed"
		cp "$seed" "$1/bzImage" || die "cannot copy $seed"
		chmod 644 "$1/bzImage"
		: >"$1/config"
		release=${seed##*/bzImage-}
		echo "${release%-rig}" >"$1/release"
	else
		"$RIG/build-kernel.sh" "$1" || die "no kernel of level nest"
	fi
	kernel_vmlinux "$1/bzImage" "$1/vmlinux"
}

nest_kernel()
{
	local hash
	hash=$(hash_of "seed=${NIDUS_RIG_SEED:+yes}" @"$RIG/build-kernel.sh" @"$RIG/kernel-common.config" @"$RIG/kernel-x86_64.config")
	entry "nest-kernel-$hash" nest_kernel_make
}

nest_qemu_id() { echo "nidus-rig-$(hash_of "$(cat "$RIG"/qemu-*.patch)")"; }

nest_qemu_make()
{
	local seed
	seed=$(nest_seed 'qemu-system-x86_64-*')
	if [ -n "$seed" ]; then
		cp "$seed" "$1/qemu-system-x86_64" || die "cannot copy $seed"
		chmod 755 "$1/qemu-system-x86_64"
		if LD_LIBRARY_PATH=$(qemu_libs) "$1/qemu-system-x86_64" --version | grep -qF "($(nest_qemu_id))"; then
			say "taking the rig's QEMU from the seed"
			return
		fi
		say "the seed's QEMU lacks patches of this tree; building one"
	fi
	"$RIG/build-qemu.sh" "$1" && return
	[ -n "$seed" ] && touch "$1/unpatched"
}

nest_qemu()
{
	local dir
	dir=$(entry "nest-qemu-$(hash_of @"$RIG/build-qemu.sh" "$(nest_qemu_id)")" nest_qemu_make) || return 1
	[ ! -e "$dir/unpatched" ] ||
		say "none could be built: the seed's QEMU is used, which fails guests now and then; to try again, rm -r $dir"
	echo "$dir"
}
