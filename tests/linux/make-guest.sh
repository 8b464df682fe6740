#!/usr/bin/env bash
# Makes a Linux machine of Debian's kernel with its VLAN and network card drivers, and of programs that
# other people wrote, as the two files that QEMU boots: vmlinux and initramfs.
#
#   make-guest.sh          that of the end-to-end tests, in cache/linux-guest: programs to test a network with
#   make-guest.sh bench    that of the measurements, in cache/bench-guest: DPDK's testpmd
#
# Run by `./run.sh test` and by tests/src/linux.rs; where the machine is there already, and was made
# by this script and this init as they stand, it says so and ends. Needs apt with Debian's packages
# for amd64, and no rights: it unpacks what it fetches and installs nothing. Every error is one line
# on standard error, exit 1. To have a machine made of newer packages, delete its folder.
set -euo pipefail

here=$(cd -P "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${here%/tests/linux}/cache
readonly here cache

# To give a machine another program, add its package and its row.
packages=(busybox-static dash coreutils iproute2)
programs=(
    # name in the machine, path in the package
    "sh usr/bin/dash" # busybox's own, and its timeout, would run busybox's own ping
    "timeout usr/bin/timeout"
    "ip usr/bin/ip"
)
rival_packages=() # those that apt would not have beside the others
lone_packages=()  # those that would bring along much that is not needed
plugins=()        # libraries that programs load by themselves
modules=(8021q e1000 virtio_pci virtio_net)
case ${1-tests} in
    tests)
        guest=$cache/linux-guest
        packages+=(netbase iputils-ping iputils-arping fping nmap hping3 netsniff-ng)
        rival_packages+=(arping) # the other one
        programs+=(
            "ping usr/bin/ping"
            "arping-iputils usr/bin/arping"
            "arping-habets usr/sbin/arping"
            "fping usr/bin/fping"
            "nping usr/bin/nping"
            "hping3 usr/sbin/hping3"
            "mausezahn usr/sbin/mausezahn"
            "trafgen usr/sbin/trafgen"
        )
        ;;
    bench)
        guest=$cache/bench-guest
        # The cards' drivers, and what testpmd is linked with.
        packages+=(librte-net-e1000-23 librte-net-virtio23 librte-mempool-ring23 librte-net-i40e23
            librte-net-ixgbe23 librte-net-ice23 librte-net-bnxt23 librte-net-bond23 librte-net-dpaa23
            librte-net-mlx5-23 librte-crypto-scheduler23 librte-bitratestats23 librte-latencystats23
            librte-pdump23 librte-pcapng23 librte-cmdline23 librte-gro23 librte-gso23 librte-bpf23 libjansson4)
        lone_packages+=(dpdk-dev)
        programs+=("dpdk-testpmd usr/bin/dpdk-testpmd")
        plugins+=(librte_net_e1000.so.23 librte_net_virtio.so.23 librte_mempool_ring.so.23 libgcc_s.so.1)
        modules+=(e1000e uio_pci_generic)
        ;;
    *)
        echo "make-guest.sh: no machine '$1'; one of: tests bench" >&2
        exit 1
        ;;
esac
unneeded=(./usr/share ./var) # of what is unpacked; nine tenths of the kernel's modules are for neither networks nor buses
unneeded+=('./lib/modules/*/kernel/[!dln]*' './lib/modules/*/kernel/drivers/[!bnpuv]*')
readonly unneeded guest packages programs rival_packages lone_packages plugins modules

main() {
    local made_from lock
    made_from=$(cat "$here/make-guest.sh" "$here/init" | sha256sum)
    mkdir -p "$cache"
    exec {lock}>"$guest.lock"
    flock "$lock" # whoever comes second finds it made
    if [[ $(cat "$guest/made-from" 2>/dev/null) == "$made_from" ]]; then
        say "there already, in ${guest#"$PWD/"}"
        return
    fi
    check_system
    work=$(mktemp -d "$guest.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    mkdir "$work/guest"
    fetch_packages
    unpack_packages
    make_kernel
    make_initramfs
    (cd "$work/archives" && printf '%s\n' *.deb) >"$work/guest/packages"
    echo "$made_from" >"$work/guest/made-from"
    rm -rf "$guest"
    mv "$work/guest" "$guest"
    say "made in $SECONDS s, in ${guest#"$PWD/"}: $kernel_package, $(wc -l <"$guest/packages") packages"
}

check_system() {
    local tool
    for tool in apt-get apt-cache dpkg-deb; do
        command -v "$tool" >/dev/null || die "$tool not found: the machine is made of Debian's packages"
    done
    command -v xz >/dev/null || die "xz not found; ./run.sh setup installs it (package xz-utils)"
    [[ $(dpkg --print-architecture) == amd64 ]] || die "this system's packages are for $(dpkg --print-architecture); those for amd64 are needed"
}

# ---- packages ------------------------------------------------------------------------------------

# Fetches the packages and all that they depend on into $work/archives. apt's own state is not
# used, and what is installed on this system does not count: as if there were nothing yet.
fetch_packages() {
    mkdir -p "$work/state/lists/partial" "$work/archives/partial"
    : >"$work/status"
    apt_options=(-o "Dir::State=$work/state" -o "Dir::State::status=$work/status" -o "Dir::Cache=$work"
        -o "Dir::Cache::archives=$work/archives" -o APT::Sandbox::User=root -o Acquire::Languages=none)
    # One broken source among several is no reason to give up.
    run_apt --quiet update || true
    local complaint
    complaint=$(apt_complaint)

    kernel_package=$(apt-cache "${apt_options[@]}" depends linux-image-amd64 2>/dev/null |
        sed -n 's/^ *Depends: //p' | head -n 1) || true
    [[ -n $kernel_package ]] || die "no linux-image-amd64 in this system's package sources: Debian's are needed${complaint:+ ($complaint)}"
    fetch install --download-only --yes --no-install-recommends "${packages[@]}"
    fetch install --download-only --yes --no-install-recommends "${rival_packages[@]}"
    fetch download "$kernel_package" "${lone_packages[@]}"
}

fetch() { (cd "$work/archives" && run_apt "$@") || die "apt-get $1: $(apt_complaint)"; }

run_apt() { apt-get "${apt_options[@]}" "$@" </dev/null &>"$work/apt.log"; }

apt_complaint() { grep -m 1 '^E: ' "$work/apt.log" || grep -m 1 '^W: ' "$work/apt.log" || true; }

# Unpacks all of them into $work/unpacked, with /bin, /lib and so on being those of /usr.
unpack_packages() {
    local package folder
    for folder in bin sbin lib lib64; do
        mkdir -p "$work/unpacked/usr/$folder"
        ln -s "usr/$folder" "$work/unpacked/$folder"
    done
    for package in "$work/archives"/*.deb; do
        dpkg-deb --fsys-tarfile "$package" |
            tar --extract --directory="$work/unpacked" --keep-directory-symlink "${unneeded[@]/#/--exclude=}" ||
            die "${package##*/} cannot be unpacked"
    done
    busybox=$work/unpacked/usr/bin/busybox
}

# ---- the two files -------------------------------------------------------------------------------

# Takes the kernel out of the file that unpacks itself, because doing that in an emulated machine
# takes several seconds of each start.
make_kernel() {
    local image=("$work"/unpacked/boot/vmlinuz-*) header payload length unpack
    # Linux's Documentation/arch/x86/boot.rst: setup_sects, payload_offset, payload_length; the last
    # four octets of the payload are its unpacked size.
    header=$(($(number_at 0x1f1 1) * 512 + 512))
    payload=$(number_at 0x248 4)
    length=$(number_at 0x24c 4)
    tail --bytes="+$((header + payload + 1))" "${image[0]}" >"$work/payload"
    truncate --size="$((length - 4))" "$work/payload"
    for unpack in xz zstd; do
        ! "$unpack" -dc <"$work/payload" >"$work/guest/vmlinux" 2>/dev/null || return 0
    done
    say "$kernel_package is packed in a way unknown here; it unpacks itself, at each start"
    cp "${image[0]}" "$work/guest/vmlinux"
}

number_at() { od --address-radix=n --format="u$2" --skip-bytes="$1" --read-bytes="$2" "${image[0]}"; }

make_initramfs() {
    # Not by its usual name in /lib64, which leads out of the unpacked tree.
    local loader=$work/unpacked/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
    local tree=$work/tree row applet
    mkdir -p "$tree"/{dev,etc,modules,proc,sys,tmp,usr/bin,usr/lib64,usr/lib/x86_64-linux-gnu}
    ln -s usr/bin usr/lib usr/lib64 "$tree"
    ln -s usr/bin "$tree/sbin"
    cp "$here/init" "$tree/init"
    cp "$busybox" "$tree/usr/bin/busybox"
    cp "$loader" "$tree/usr/lib64/"
    for row in "${programs[@]}"; do
        # shellcheck disable=SC2086 # two words
        add_program $row
    done
    for row in "${plugins[@]}"; do add_library "$row"; done
    # fping looks icmp up.
    [[ ! -e $work/unpacked/etc/protocols ]] || cp "$work/unpacked/etc/protocols" "$tree/etc/"
    # Everybody is root already.
    printf '#!/bin/sh\nexec "$@"\n' >"$tree/usr/bin/sudo"
    chmod +x "$tree/init" "$tree/usr/bin/sudo"
    for applet in $("$busybox" --list); do
        [[ -e $tree/usr/bin/$applet ]] || ln -s busybox "$tree/usr/bin/$applet"
    done
    for row in "${modules[@]}"; do add_module "$row"; done
    (cd "$tree" && find . | "$busybox" cpio --quiet -o -H newc -R 0:0) >"$work/guest/initramfs" ||
        die "the initramfs cannot be packed"
}

# Adds the program at PATH as NAME, with the libraries it needs.
add_program() {
    local name=$1 program=$work/unpacked/$2
    [[ -f $program ]] || die "none of the packages has /$2"
    cp "$program" "$tree/usr/bin/$name"
    add_needed "$name" "$program"
}

# Adds the library NAME, with the libraries it needs.
add_library() {
    local name=$1 library=$work/unpacked/usr/lib/x86_64-linux-gnu/$1
    [[ -f $library ]] || die "none of the packages has the library $name"
    cp --dereference --update "$library" "$tree/usr/lib/x86_64-linux-gnu/"
    add_needed "$name" "$library"
}

# Adds the libraries that FILE, called NAME, needs.
add_needed() {
    local name=$1 libraries=$work/unpacked/usr/lib/x86_64-linux-gnu needed library
    needed=$("$loader" --inhibit-cache --library-path "$libraries" --list "$2") || die "$name cannot be loaded"
    while read -r library; do
        [[ $library == "$work/unpacked/"* ]] || die "$name needs $library, which none of the packages has"
        cp --dereference --update "$library" "$tree/usr/lib/x86_64-linux-gnu/"
    done < <(sed -nE 's/^\t(.*) => not found$/\1/p; s/^\t.* => (.*) \(0x[0-9a-f]+\)$/\1/p' <<<"$needed")
}

# Adds the kernel's module NAME after those that it depends on, and to the list by which they are loaded.
add_module() {
    local name=$1 file dependency
    [[ ! -e $tree/modules/$name.ko ]] || return 0
    file=$(find "$work/unpacked/usr/lib/modules" -name "$name.ko*" -print -quit)
    if [[ -z $file ]]; then
        grep -qs "/$name.ko$" "$work"/unpacked/usr/lib/modules/*/modules.builtin || die "$kernel_package has no module $name"
        return
    fi
    case $file in
        *.xz) xz -dc <"$file" ;;
        *) cat "$file" ;;
    esac >"$tree/modules/$name.ko"
    for dependency in $(tr '\0' '\n' <"$tree/modules/$name.ko" | sed -n 's/^depends=//p' | tr ',' ' '); do
        add_module "$dependency"
    done
    echo "/modules/$name.ko" >>"$tree/modules/in-order"
}

say() { printf 'linux guest: %s\n' "$*"; }

die() {
    printf 'make-guest.sh: %s\n' "$*" >&2
    exit 1
}

main "$@"
