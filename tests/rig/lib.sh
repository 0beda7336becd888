# shellcheck shell=bash
# tests/rig/lib.sh - what every script of the rig shares: messages, the cache, locks.
# Sourced by bash scripts; sets RIG (this folder), TREE (the tree's top) and CACHE.
#
# The cache is ${NIDUS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/nidus}. An entry is a folder
# NAME-HASH, where HASH covers everything its making depends on; it is made in a temporary
# folder beside it and renamed when whole, under a lock, so runs may overlap or be killed.

set -eu -o pipefail
umask 022
export LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

RIG=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
TREE=$(cd "$RIG/../.." && pwd -P)
CACHE=${NIDUS_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/nidus}
mkdir -p "$CACHE/lock"
CACHE=$(cd "$CACHE" && pwd -P)

say() { printf 'rig: %s\n' "$*" >&2; }
die() { printf 'rig: error: %s\n' "$*" >&2; exit 1; }

# hash_of TEXT... [@FILE]...: 12 hex digits over the texts and the files' contents
hash_of()
{
	local a
	for a in "$@"; do
		case $a in
		@*) cat "${a#@}" ;;
		*) printf '%s\n' "$a" ;;
		esac
	done | sha256sum | cut -c1-12
}

# entry NAME-HASH MAKER [ARG...]: prints the folder of the cache entry, made if absent by
# `MAKER FOLDER ARG...`, whose standard output goes to stderr. Bash forgets -e in there: what must not fail says `|| die`, or
# the entry is kept as if it were whole.
entry()
{
	local dir=$CACHE/$1 tmp
	if [ ! -d "$dir" ]; then
		tmp=$CACHE/.tmp.$1
		(
			exec 9>"$CACHE/lock/$1"
			flock 9
			[ ! -d "$dir" ] || exit 0
			rm -rf "$tmp"
			mkdir -p "$tmp"
			shift
			maker=$1
			shift
			# said here, since bash forgets -e in a command substitution
			"$maker" "$tmp" "$@" >&2 9>&- || exit 1
			mv -T "$tmp" "$dir"
		) || return 1
	fi
	printf '%s\n' "$dir"
}
