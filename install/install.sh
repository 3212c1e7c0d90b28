#!/bin/sh
# Installs the latest or a given release of sx and sxd for the current user:
#
#   curl --proto '=https' --tlsv1.2 -fsSL https://github.com/soundextract/sx/releases/latest/download/install.sh | sh
#   curl … | sh -s -- --version 1.2.3 --dir /usr/local/bin --sudo
#
# SX_RELEASES is the base URL of the releases, for mirrors. The archive is compared with
# the release's list of checksums. If gh (signed in to GitHub) or gpg can verify where that
# list comes from, they do: gh by the attestation of the build, gpg by the signature, if
# the project's key is in your keyring.
set -eu

releases=${SX_RELEASES:-https://github.com/soundextract/sx/releases}
releases=${releases%/}
version='' dir='' sudo='' tmp=''
report='run this again; if it fails again, report it: https://github.com/soundextract/sx/security'

usage() {
	cat <<'END'
usage: install.sh [--version X.Y.Z] [--dir DIR] [--sudo]

  --version X.Y.Z  the release to install (default: the latest)
  --dir DIR        the directory for sx and sxd (default: ~/.local/bin)
  --sudo           use sudo to write to DIR
END
}

say() { printf '%s\n' "$*" >&2; }

fail() { # MESSAGE HINT
	say "error: $1"
	[ -z "${2:-}" ] || say "hint: $2"
	exit 1
}

wrong() {
	say "error: $1"
	usage >&2
	exit 64
}

arguments() {
	while [ $# -gt 0 ]; do
		case $1 in
		--version | --dir) [ -n "${2:-}" ] || wrong "$1 requires a value" ;;
		esac
		case $1 in
		--version) version=${2#v} && shift ;;
		--dir) dir=$2 && shift ;;
		--sudo) sudo=sudo ;;
		-h | --help) usage && exit 0 ;;
		*) wrong "unknown option $1" ;;
		esac
		shift
	done
	case $version in
	*[!0-9A-Za-z.-]*) wrong "invalid version $version; use one such as 1.2.3" ;;
	esac
	if [ -z "$dir" ]; then
		[ -n "${HOME:-}" ] || fail 'HOME is not set' 'choose the directory with --dir DIR'
		dir=$HOME/.local/bin
	fi
	case $dir in
	/*) ;;
	*) dir=$PWD/$dir ;;
	esac
}

platform() {
	system=$(uname -s) machine=$(uname -m)
	case $system in
	Linux) os=linux ;;
	Darwin) os=darwin ;;
	*) fail "this script supports Linux and macOS, not $system" "the archives of all systems are at $releases" ;;
	esac
	case $machine in
	x86_64 | amd64) arch=amd64 ;;
	aarch64 | arm64) arch=arm64 ;;
	*) fail "no sx build for architecture $machine" "build it from source with: make build" ;;
	esac
}

tools() {
	command -v curl >/dev/null || fail 'curl not found' 'install curl with your package manager'
	[ "$os" = darwin ] || command -v xz >/dev/null || # macOS's tar unpacks without it
		fail 'xz not found' 'install xz (Debian and Ubuntu: xz-utils) with your package manager'
	command -v sha256sum >/dev/null || command -v shasum >/dev/null ||
		fail 'neither sha256sum nor shasum found' 'install one of them, so that the download can be verified'
}

# Check that the directory is writable before anything is downloaded.
target() {
	# shellcheck disable=SC2086 # without --sudo, $sudo must expand to no word
	if ! $sudo mkdir -p "$dir" 2>/dev/null || { [ -z "$sudo" ] && [ ! -w "$dir" ]; }; then
		fail "cannot write to $dir" "choose another directory with --dir DIR, or use --sudo"
	fi
}

# Redirects included, nothing but HTTPS is followed, except for a mirror that is given
# with http:// itself.
secure() {
	case $releases in
	http://*) printf '%s' '=http,https' ;;
	*) printf '%s' '=https' ;;
	esac
}

fetch() { # URL FILE WHAT
	! curl -fsSL --proto "$(secure)" --tlsv1.2 --connect-timeout 20 --speed-time 60 --speed-limit 1 -o "$2" "$1" 2>"$tmp/log" || return 0
	if grep -q ' 404' "$tmp/log"; then
		fail "$3 not found at $1" "see the releases at $releases"
	fi
	fail "download of $1 failed: $(tail -n 1 "$tmp/log")" 'check the network and run this again; nothing was changed'
}

sha256() {
	if command -v sha256sum >/dev/null; then
		sha256sum "$1"
	else
		shasum -a 256 "$1"
	fi | cut -d ' ' -f 1
}

# The list has an attestation of the build, which GitHub keeps, and a signature. A tool
# that cannot decide (not signed in, no key) leaves the checksums as the only check; one
# that decides against the list ends the install.
verify() { # the path of the release, "" for the latest
	if command -v gh >/dev/null && gh auth status >/dev/null 2>&1; then
		gh attestation verify "$tmp/checksums.txt" --repo soundextract/sx >"$tmp/log" 2>&1 ||
			fail "the list of checksums is not attested by soundextract/sx: $(tail -n 1 "$tmp/log")" "$report"
		say 'verified: the list of checksums has the attestation of the release workflow'
		return
	fi
	command -v gpg >/dev/null || return 0
	curl -fsSL --proto "$(secure)" --tlsv1.2 --connect-timeout 20 --max-time 60 -o "$tmp/checksums.txt.asc" \
		"$releases/${1:-latest/download}/checksums.txt.asc" 2>/dev/null || return 0
	status=$(gpg --batch --status-fd 1 --verify "$tmp/checksums.txt.asc" "$tmp/checksums.txt" 2>/dev/null) || :
	case $status in
	*' BADSIG '*) fail 'the signature of the list of checksums is wrong' "$report" ;;
	*' GOODSIG '*) say 'verified: the list of checksums has a good signature' ;;
	esac
}

# The list of checksums is downloaded first: it contains the latest version, the
# name of its archive and the expected digest.
choose() {
	if [ -n "$version" ]; then
		fetch "$releases/download/v$version/checksums.txt" "$tmp/checksums.txt" "release $version"
	else
		fetch "$releases/latest/download/checksums.txt" "$tmp/checksums.txt" release
	fi
	verify "${version:+download/v$version}"
	line=$(grep -E "^[0-9a-f]{64} [ *]sx_${version:-[0-9][^ _]*}_${os}_$arch\\.tar\\.xz\$" "$tmp/checksums.txt" | head -n 1)
	[ -n "$line" ] || fail "the release has no archive for $system on $machine" "see the releases at $releases"
	sum=${line%% *}
	archive=${line##*[ *]}
	version=${archive#sx_}
	version=${version%"_${os}_$arch.tar.xz"}
}

unpacked() {
	say "downloading sx $version for $system on $machine from $releases"
	fetch "$releases/download/v$version/$archive" "$tmp/$archive" archive
	got=$(sha256 "$tmp/$archive")
	[ "$got" = "$sum" ] || fail "checksum mismatch for $archive: SHA-256 is $got, expected $sum" \
		"$report"
	mkdir "$tmp/files"
	tar -xJf "$tmp/$archive" -C "$tmp/files" sx sxd || fail "cannot unpack $archive" 'install tar and xz, then run this again'
}

# Rename the new file over the old one, because a running program cannot be
# overwritten.
install_program() { # PROGRAM
	new=$dir/.$1.new
	if ! { $sudo cp "$tmp/files/$1" "$new" && $sudo chmod 755 "$new" && $sudo mv -f "$new" "$dir/$1"; } 2>"$tmp/log"; then
		$sudo rm -f "$new" 2>/dev/null || :
		fail "cannot write $dir/$1: $(tail -n 1 "$tmp/log")" "choose another directory with --dir DIR, or use --sudo"
	fi
}

print_path_hint() {
	say "installed sx $version: $dir/sx and $dir/sxd"
	case ":$PATH:" in
	*":$dir:"*)
		first=$(command -v sx || :)
		[ "$first" = "$dir/sx" ] || say "note: another sx is first on your PATH: $first"
		;;
	*)
		say "note: $dir is not on your PATH; add it in your shell's profile with:"
		say "  export PATH=\"$dir:\$PATH\""
		;;
	esac
	command -v ffmpeg >/dev/null || say 'note: sx up needs ffmpeg; install it with your package manager'
	say "to remove: ${sudo:+sudo }rm '$dir/sx' '$dir/sxd'"
}

main() { # called on the last line, so that a truncated script does nothing
	arguments "$@"
	platform
	tools
	target
	tmp=$(mktemp -d)
	trap 'rm -rf "$tmp"' EXIT
	trap 'exit 130' INT TERM HUP
	choose
	unpacked
	install_program sxd
	install_program sx
	print_path_hint
}

main "$@"
