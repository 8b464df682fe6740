# shellcheck shell=bash
# What has to be on this machine, and how it gets there. Sourced by run.sh; installs only from
# `./run.sh`, `./run.sh setup`, `./run.sh bench` and `./run.sh test`, and on a terminal asks first.

# What each part needs: Debian's package, and the command or file which shows that it is there.
packages_for() {
    case $1 in
        build)
            printf '%s\n' "gcc cc" "libc6-dev /usr/include/stdlib.h" \
                "ca-certificates /etc/ssl/certs/ca-certificates.crt" ;;
        boot) printf '%s\n' "qemu-system-x86 qemu-system-x86_64" ;;
        image)
            printf '%s\n' "grub-common grub-mkimage" "grub-pc-bin /usr/lib/grub/i386-pc/multiboot2.mod" \
                "grub-efi-amd64-bin /usr/lib/grub/x86_64-efi/multiboot2.mod" "xorriso xorriso" "mtools mformat" "binutils strip"
            ;;
        callgrind) printf '%s\n' "valgrind valgrind" ;;
        test) printf '%s\n' "ovmf /usr/share/ovmf/OVMF.fd" "shellcheck shellcheck" "xz-utils xz" "g++ c++" "clang clang" \
            "iproute2 ip" "python3-scapy /usr/lib/python3/dist-packages/scapy/contrib/stamp.py" ;;
    esac
}

# Installs what the given PARTS need and do not find.
set_up() {
    local part package proof missing=()
    for part in "$@"; do
        while read -r package proof; do
            is_there "$proof" || missing+=("$package")
        done < <(packages_for "$part")
    done
    rust_is_there || missing+=(rust)
    ((${#missing[@]} == 0)) || install_packages "${missing[@]}"
    need_rust
}

is_there() { if [[ $1 == /* ]]; then [[ -e $1 ]]; else command -v "$1" >/dev/null; fi; }

install_packages() {
    local as_root=() answer packages
    command -v apt-get >/dev/null || die "missing, under Debian's names: $*; install them with this system's package manager"
    if ((EUID != 0)); then
        command -v sudo >/dev/null || die "missing: $*; as root, run: apt-get install --no-install-recommends $*"
        as_root=(sudo)
    fi
    if [[ -t 0 && -t 1 ]]; then
        read -rp "Missing here: $*. Install with apt-get? [Y/n] " answer
        [[ ${answer:-y} == [Yy]* ]] || die "not installed: $*"
    fi
    say "installing $*" >&2
    "${as_root[@]}" apt-get update --quiet=2 >&2 || say "apt-get update failed; trying with the lists that are there" >&2
    if [[ " $* " == *" rust "* ]]; then
        packages=$(rust_packages) || die "no package of Rust $(minimum_rust) or later here; install it from https://rustup.rs"
        set -- "${@/#rust/$packages}"
    fi
    # shellcheck disable=SC2048,SC2086 # Rust's place holds several words now.
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet=2 --no-install-recommends $* >&2 ||
        die "apt-get could not install $*"
}

# The packages of a Rust that is new enough, where this system's own has it (Debian's web browsers
# are built by one).
rust_packages() {
    local package version
    for package in rustc rustc-web; do
        version=$(apt-cache policy "$package" 2>/dev/null | sed -n 's/^ *Candidate: //p')
        if at_least "$(minimum_rust)" "${version:-0}"; then
            echo "$package ${package/rustc/cargo} ${package/rustc/rustfmt}"
            return
        fi
    done
    return 1
}

minimum_rust() { sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml"; }

rust_is_there() {
    # rustup puts it where a shell that was open before does not look.
    command -v cargo >/dev/null || PATH=$PATH:${HOME-}/.cargo/bin
    local version
    version=$(in_root cargo --version 2>/dev/null) && at_least "$(minimum_rust)" "$(cut -d ' ' -f 2 <<<"$version")"
}

need_rust() {
    rust_is_there || die "cargo of Rust $(minimum_rust) or later not found; try ./run.sh setup, or install it from https://rustup.rs"
    command -v cc >/dev/null || die "cc not found, which Rust links with; ./run.sh setup installs it (package gcc)"
}

need_qemu() {
    local version
    version=$(qemu-system-x86_64 --version 2>/dev/null | sed -nE '1s/.*version ([0-9.]+).*/\1/p') || true
    [[ -n $version ]] || die "qemu-system-x86_64 not found; ./run.sh setup installs it (package qemu-system-x86)"
    at_least 7.2 "$version" || die "QEMU $version is too old: 7.2 or later is needed"
}

