#!/usr/bin/env bash
# Fetches a QEMU that has the network card `igb`, for a Debian whose own QEMU is older than 8: that of the
# same Debian's backports, as cache/newer-qemu/qemu-system-x86_64.
#
# Run by boot/qemu.sh, when a card is asked for that the installed QEMU does not have; where it is there
# already, it ends at once. Needs apt and Debian's package sources, and no rights: it unpacks what it
# fetches beside the installed one and installs nothing; libraries are those that the installed one needs,
# and what is missing of them. Every error is one line on standard error, exit 1. To have a newer one, delete
# the folder.
set -euo pipefail

here=$(cd -P "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=${here%/boot}/cache/newer-qemu
readonly here folder

main() {
    local made_from lock
    made_from=$(sha256sum <"$here/newer-qemu.sh")
    mkdir -p "${folder%/*}"
    exec {lock}>"$folder.lock"
    flock "$lock" # whoever comes second finds it there
    [[ $(cat "$folder/made-from" 2>/dev/null) != "$made_from" ]] || return 0
    say "fetching one from Debian's backports, 15 MB"
    work=$(mktemp -d "$folder.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    find_source
    fetch_packages
    unpack_packages
    write_starter
    echo "$made_from" >"$work/made/made-from"
    rm -rf "$folder"
    mv "$work/made" "$folder"
    say "$("$folder/qemu-system-x86_64" --version | head -n 1), in ${folder#"$PWD/"}"
}

# Sets `source` to where this system's own packages come from, and `suite` to its backports.
find_source() {
    local tool codename
    for tool in apt-get dpkg dpkg-deb; do
        command -v "$tool" >/dev/null || die "$tool not found: it is one of Debian's packages"
    done
    [[ $(dpkg --print-architecture) == amd64 ]] || die "this system's packages are for $(dpkg --print-architecture); those for amd64 are needed"
    codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
    # shellcheck disable=SC2016 # apt's own variables
    source=$(apt-get indextargets --format '$(RELEASE) $(CODENAME) $(COMPONENT) $(REPO_URI)' 2>/dev/null |
        awk -v release="$codename" '($1 == release || $2 == release) && $3 == "main" { print $4; exit }')
    [[ -n $codename && -n $source ]] || die "no package source of this system's own release '$codename' is known to apt"
    suite=$codename-backports
}

# Fetches the packages of it, and what this system does not have of what they depend on, into
# $work/archives. apt's own state is only read.
fetch_packages() {
    local keyring=/usr/share/keyrings/debian-archive-keyring.gpg signed=''
    [[ ! -f $keyring ]] || signed=" signed-by=$keyring"
    mkdir -p "$work/state/lists/partial" "$work/archives/partial"
    printf "deb [arch=amd64$signed] $source %s main\n" "$suite" "${suite%-backports}" >"$work/sources"
    apt_options=(-o "Dir::State=$work/state" -o Dir::State::status=/var/lib/dpkg/status -o "Dir::Cache=$work"
        -o "Dir::Cache::archives=$work/archives" -o "Dir::Etc::sourcelist=$work/sources" -o Dir::Etc::sourceparts=/dev/null
        -o APT::Sandbox::User=root -o Acquire::Languages=none)
    run_apt --quiet update || die "apt-get update: $(apt_complaint)"
    run_apt install --download-only --yes --no-install-recommends --reinstall --target-release "$suite" \
        qemu-system-x86 seabios || die "no qemu-system-x86 in $suite: $(apt_complaint)"
}

run_apt() { apt-get "${apt_options[@]}" "$@" </dev/null &>"$work/apt.log"; }

apt_complaint() { grep -m 1 '^E: ' "$work/apt.log" || grep -m 1 '^W: ' "$work/apt.log" || true; }

unpack_packages() {
    local package
    mkdir "$work/made"
    for package in "$work/archives"/*.deb; do
        dpkg-deb --extract "$package" "$work/made" || die "${package##*/} cannot be unpacked"
    done
    [[ -x $work/made/usr/bin/qemu-system-x86_64 ]] || die "none of the packages has qemu-system-x86_64"
    rm -rf "$work/made/usr/share/doc" "$work/made/usr/share/man"
    (cd "$work/archives" && printf '%s\n' *.deb) >"$work/made/packages"
}

# With its own modules and data. Option ROMs are those of the installed one.
write_starter() {
    cat >"$work/made/qemu-system-x86_64" <<'END'
#!/bin/sh
usr=$(dirname "$0")/usr
libraries=$usr/lib/x86_64-linux-gnu
export QEMU_MODULE_DIR="$libraries/qemu" LD_LIBRARY_PATH="$libraries"
exec "$usr/bin/qemu-system-x86_64" -L "$usr/share/qemu" -L "$usr/share/seabios" -L /usr/lib/ipxe/qemu "$@"
END
    chmod +x "$work/made/qemu-system-x86_64"
    "$work/made/qemu-system-x86_64" --version >/dev/null || die "what was fetched does not run"
}

say() { printf 'pollux: newer QEMU: %s\n' "$*" >&2; }

die() {
    printf 'newer-qemu.sh: %s\n' "$*" >&2
    exit 1
}

main "$@"
