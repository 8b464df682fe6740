#!/usr/bin/env bash
# Builds the tool that makes images with the `bootloader` crate, and prints its path. Called by
# `./run.sh image --loader bootloader`, and by nothing else: no other part of Pollux needs this.
#
# That crate compiles a loader of its own, without the standard library, for targets of its own: this
# takes the source of Rust's library and LLVM's objcopy. Where the Rust of this machine has both
# (rustup's components rust-src and llvm-tools), it is used; else those of Debian's packages, fetched
# into cache/bootloader-tools (220 MB, with no rights; nothing is installed).
# Every error is one line on standard error, exit 2.
set -euo pipefail

here=$(cd -P "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tools=${here%/boot}/cache/bootloader-tools
target=${CARGO_TARGET_DIR:-${here%/boot}/target}/bootloader
readonly here tools target
readonly triple=x86_64-unknown-linux-gnu
readonly packages=(rustc-web cargo-web rust-web-src llvm-16 lld-16)

main() {
    choose_rust
    mkdir -p "$target"
    # Stable Rust, told to accept what the crate needs of the unstable one.
    RUSTC_BOOTSTRAP=1 cargo build --quiet --locked --release --manifest-path "$here/bootloader/Cargo.toml" \
        --target-dir "$target" &>"$target/log" || die "the bootloader crate could not be built: $(complaint "$target/log"); all of it is in $target/log"
    echo "$target/release/pollux-bootloader"
}

choose_rust() {
    local sysroot
    sysroot=$(rustc --print sysroot 2>/dev/null) || sysroot=''
    has_parts "$sysroot" || use_packages
}

# Does the Rust at SYSROOT bring what the crate needs?
has_parts() { [[ -d $1/lib/rustlib/src/rust/library && -x $1/lib/rustlib/$triple/bin/llvm-objcopy ]]; }

use_packages() {
    local libraries=$tools/usr/lib/x86_64-linux-gnu
    if [[ ! -e $tools/made ]]; then make_tools; fi
    export PATH=$tools/bin:$PATH LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    export RUSTC=$tools/usr/bin/rustc
    unset RUSTUP_TOOLCHAIN
}

make_tools() {
    local work package
    command -v apt-get >/dev/null ||
        die "the bootloader crate needs two parts of Rust more: rustup component add rust-src llvm-tools"
    work=$(mktemp -d)
    # shellcheck disable=SC2064 # its value of now
    trap "rm -rf '$work'" EXIT
    echo "pollux: fetching ${packages[*]} into ${tools#"$PWD/"}" >&2
    mkdir -p "$work/state/lists/partial" "$work/archives/partial" "$work/tree"
    local apt=(apt-get -o "Dir::State=$work/state" -o Dir::State::status=/var/lib/dpkg/status -o "Dir::Cache=$work"
        -o "Dir::Cache::archives=$work/archives" -o APT::Sandbox::User=root -o Acquire::Languages=none -o Debug::NoLocking=1)
    # One broken source among several is no reason to give up.
    "${apt[@]}" --quiet update </dev/null &>"$work/log" || true
    "${apt[@]}" install --reinstall --download-only --yes --no-install-recommends "${packages[@]}" </dev/null &>"$work/log" ||
        die "no packages for the bootloader crate ($(complaint "$work/log")); with a Rust of rustup's: rustup component add rust-src llvm-tools"
    for package in "$work/archives"/*.deb; do
        dpkg-deb --fsys-tarfile "$package" | tar --extract --directory="$work/tree" --exclude=./usr/share --exclude=./var ||
            die "${package##*/} cannot be unpacked"
    done
    # Where, and by which names, the crate looks for them.
    mkdir -p "$work/tree/bin" "$work/tree/usr/lib/rustlib/$triple/bin"
    ln -s ../usr/bin/{cargo,rustc} "$work/tree/bin"
    ln -s ../usr/lib/llvm-16/bin/lld "$work/tree/bin/rust-lld"
    ln -s ../../../llvm-16/bin/llvm-{objcopy,objdump} "$work/tree/usr/lib/rustlib/$triple/bin"
    touch "$work/tree/made"
    rm -rf "$tools"
    mkdir -p "${tools%/*}"
    mv "$work/tree" "$tools"
}

# The first line of the log FILE in which a program says what was wrong.
complaint() { grep -m 1 -E '^(E:|error)' "$1" || tail -n 1 "$1"; }

die() {
    printf 'run.sh: %s\n' "$*" >&2
    exit 2
}

main
