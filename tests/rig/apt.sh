# shellcheck shell=bash
# tests/rig/apt.sh - packages of any Debian suite, fetched through the mirror this machine's
# apt already uses, without touching the machine's own apt sources, lists or packages.
# Sourced after lib.sh. Every suite has its own lists under CACHE/apt.
#
#   apt_fetch SUITE DIR PACKAGE...   downloads the .deb files into DIR
#   apt_closure SUITES DIR PACKAGE   ... and all that PACKAGE needs beyond what is installed
#   apt_source SUITE DIR PACKAGE     downloads a source package's files into DIR
#   apt_depends SUITE PACKAGE        the names PACKAGE depends on
#   apt_version SUITE PACKAGE        the version the suite has, or nothing

APT_MAXAGE=${NIDUS_APT_MAXAGE:-1440} # minutes after which a suite's lists are read anew

# the address of a mirror of the debian archive, from this machine's apt
apt_mirror()
{
	local uri
	[ -n "${NIDUS_DEBIAN_MIRROR:-}" ] && { echo "${NIDUS_DEBIAN_MIRROR%/}"; return; }
	for uri in $(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | sort -u); do
		case ${uri%/} in
		*/debian) echo "${uri%/}"; return ;;
		esac
	done
	# the lists may never have been read: look at the sources themselves
	uri=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list \
		/etc/apt/sources.list.d/*.sources 2>/dev/null |
		sed '/^#/d' | grep -oE '(https?|file|ftp):/[^] ]*/debian/?( |$)' | head -n 1 || true)
	uri=${uri% }
	[ -n "$uri" ] || die "this machine's apt names no mirror of the debian archive; set NIDUS_DEBIAN_MIRROR"
	echo "${uri%/}"
}

# apt_in SUITE[,SUITE] COMMAND...: runs an apt command that sees only these suites
apt_in()
{
	local suites=$1 dir=$CACHE/apt/$1 s key
	shift
	if [ ! -f "$dir/apt.conf" ]; then
		mkdir -p "$dir/lists/partial" "$dir/archives/partial" "$dir/parts"
		: >"$dir/status"
		for key in /usr/share/keyrings/debian-archive-keyring.gpg \
			/usr/share/keyrings/debian-archive-keyring.pgp; do
			[ ! -e "$key" ] || break
		done
		[ -e "$key" ] || die "no Debian archive keyring; install debian-archive-keyring"
		for s in ${suites//,/ }; do
			case $s in
			*/source)
				echo "deb-src [signed-by=$key] $(apt_mirror) ${s%/source} main"
				continue ;;
			esac
			echo "deb [signed-by=$key] $(apt_mirror) $s main"
		done >"$dir/sources.list"
		cat >"$dir/apt.conf.tmp" <<-END
		Dir::Etc::sourcelist "$dir/sources.list";
		Dir::Etc::sourceparts "$dir/parts";
		Dir::Etc::preferences "/dev/null";
		Dir::Etc::preferencesparts "$dir/parts";
		Dir::State::lists "$dir/lists";
		Dir::State::status "${APT_STATUS:-$dir/status}";
		Dir::State::extended_states "$dir/extended_states";
		Dir::Cache "$dir";
		Dir::Cache::archives "$dir/archives";
		Acquire::Languages "none";
		Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
		Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
		APT::Architecture "amd64";
		APT::Architectures { "amd64"; };
		APT::Sandbox::User "root";
		APT::Install-Recommends "false";
		APT::Update::Post-Invoke-Success "";
		Debug::NoLocking "true";
		END
		mv "$dir/apt.conf.tmp" "$dir/apt.conf"
	fi
	# an environment file is read before apt.conf.d: what matters is said again by option
	APT_CONFIG=$dir/apt.conf "$1" -o Dir::Etc::sourcelist="$dir/sources.list" \
		-o Dir::Etc::sourceparts="$dir/parts" "${@:2}"
}

# reads a suite's lists if they are absent or old; one run at a time
apt_lists()
{
	local dir=$CACHE/apt/$1
	mkdir -p "$dir"
	(
		exec 8>"$CACHE/lock/apt-${1//\//-}"
		flock 8
		[ -z "$(find "$dir/read" -mmin "-$APT_MAXAGE" 2>/dev/null)" ] || exit 0
		say "reading the package lists of $1"
		if apt_in "$1" apt-get -q update >"$dir/update.log" 2>&1 8>&-; then
			touch "$dir/read"
		elif [ -e "$dir/read" ]; then
			say "cannot refresh the lists of $1; using the older ones"
		else
			tail -n 5 "$dir/update.log" >&2
			die "cannot read the package lists of $1 from $(apt_mirror)"
		fi
	)
}

# forgets how fresh a suite's lists are: a package they name may have left the mirror
apt_again()
{
	rm -f "$CACHE/apt/$1/read"
	apt_lists "$1"
}

apt_fetch()
{
	local suite=$1 dir=$2
	shift 2
	apt_lists "$suite"
	mkdir -p "$dir"
	say "downloading $* ($suite)"
	(cd "$dir" && apt_in "$suite" apt-get -q download "$@" >download.log 2>&1) ||
		(apt_again "$suite" && cd "$dir" && apt_in "$suite" apt-get -q download "$@" >download.log 2>&1) ||
		{ tail -n 5 "$dir/download.log" >&2; die "cannot download $* from $suite"; }
}

apt_closure()
{
	local suites=$1 dir=$2 pkg=$3 last
	last=${suites##*,}
	APT_STATUS=/var/lib/dpkg/status apt_lists "$suites"
	mkdir -p "$dir/partial"
	say "downloading $pkg and what it needs (${suites//,/, })"
	apt_in "$suites" apt-get -q -y -d -t "$last" -o Dir::Cache::archives="$dir" \
		-o APT::Get::Download-Only=true install --reinstall "$pkg" \
		>"$dir/download.log" 2>&1 ||
		{ tail -n 5 "$dir/download.log" >&2; die "cannot download $pkg from $suites"; }
}

apt_source()
{
	apt_lists "$1/source"
	mkdir -p "$2"
	say "downloading the source package $3 ($1)"
	(cd "$2" && apt_in "$1/source" apt-get -q source --download-only "$3" >download.log 2>&1) ||
		{ tail -n 5 "$2/download.log" >&2; return 1; }
}

apt_depends()
{
	apt_lists "$1"
	apt_in "$1" apt-cache depends --no-recommends --no-suggests --no-conflicts \
		--no-breaks --no-replaces --no-enhances "$2" |
		sed -n 's/^ *|*\(Pre\)*Depends: //p' | tr -d '<>'
}

apt_version()
{
	apt_lists "$1"
	apt_in "$1" apt-cache show --no-all-versions "$2" 2>/dev/null |
		sed -n 's/^Version: //p' | head -n 1
}
