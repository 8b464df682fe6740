# shellcheck shell=bash
# QEMU's command line, from the options of `./run.sh boot`. Sourced by run.sh; starts nothing itself
# but the probe that tells whether kvm is usable.

parse_boot_options() {
    machine=pc nic='' net=dgram:4200 accel=auto memory=128 serial=stdio image='' firmware='' medium='' tftp='' cpu='' test_exit=no
    kernel=${POLLUX_KERNEL-} config='' files=() words=() bridges=() qemu_arguments=()
    local content='' count
    while (($#)); do
        count=1
        case $1 in
            --machine) machine=$(value "$@") count=2 ;;
            --nic) nic=$(value "$@") count=2 ;;
            --net) net=$(value "$@") count=2 ;;
            --accel) accel=$(value "$@") count=2 ;;
            --memory) memory=$(value "$@") count=2 ;;
            --serial) serial=$(value "$@") count=2 ;;
            --image) image=$(value "$@") count=2 ;;
            --firmware) firmware=$(value "$@") count=2 ;;
            --tftp) tftp=$(value "$@") count=2 ;;
            --medium) medium=$(value "$@") count=2 ;;
            --cpu) cpu=$(value "$@") count=2 ;;
            --bridge) bridges+=(-device "$(value "$@")") count=2 ;;
            --test-exit) test_exit=yes ;;
            --kernel | --config | --file | --append)
                content=$1 count=2
                content_option "$@"
                ;;
            -h | --help) usage && exit ;;
            --)
                qemu_arguments=("${@:2}")
                break
                ;;
            *) die "boot: unknown option '$1'; ./run.sh help lists them" ;;
        esac
        shift "$count"
    done
    [[ -z $image$tftp || -z $content ]] || die "$content cannot be used with --image or --tftp, whose content is fixed; give it to ./run.sh image"
    check_boot_options
    check_files
    if [[ -n $config ]]; then words=("pollux.config-file=$(basename -- "$config")" "${words[@]}"); fi
}

check_boot_options() {
    one_of --machine "$machine" pc q35 microvm
    # Of a machine without PCI, cards are devices without a bus.
    if [[ $machine == microvm ]]; then nic=${nic:-virtio-net-device}; else nic=${nic:-e1000}; fi
    [[ -z $image || $machine != microvm ]] || die "--machine microvm boots a kernel only, no --image: it has no disk to start from"
    one_of --accel "$accel" auto kvm tcg
    case $serial in
        socket) serial=socket:$target/console.sock ;;
        socket:?*) ;;
        *) one_of --serial "$serial" stdio none 'socket[:PATH]' ;;
    esac
    one_of --firmware "${firmware:-bios}" bios uefi
    one_of --medium "${medium:-usb}" usb usb2 sata nvme virtio cd
    [[ -z $cpu || $(qemu-system-x86_64 -cpu help 2>/dev/null) == *" ${cpu%%,*} "* ]] ||
        die "--cpu $cpu: QEMU has no processor of that name; qemu-system-x86_64 -cpu help lists them"
    [[ $memory =~ ^[1-9][0-9]{0,6}$ ]] || die "--memory '$memory' is no number of megabytes"
    ((memory >= 20)) || die "--memory $memory: the appliance needs 20 megabytes or more"
    [[ -z $firmware || -n $image$tftp ]] || die "--firmware is for --image and --tftp; a kernel boots without one"
    [[ -z $image || -z $tftp ]] || die "--image and --tftp: one of them only"
    [[ -z $tftp || -f $tftp/pollux.0 ]] || die "--tftp $tftp: no file pollux.0 there; ./run.sh image --loader network writes such a folder"
    [[ -z $medium || -n $image ]] || die "--medium is for --image; a kernel boots from none"
    [[ -z $image || -f $image ]] || die "--image $image: no such file; ./run.sh image writes one"
    [[ -z $image || $(dd if="$image" bs=1 skip=510 count=2 status=none | od -An -tx1) == ' 55 aa' ]] ||
        die "--image $image: no boot sector at its start; ./run.sh image writes one"
    case $net in
        dgram:*) check_port "${net#dgram:}" ;;
        tap:?*) [[ -e /sys/class/net/${net#tap:}/tun_flags ]] || die "--net $net: '${net#tap:}' is no tap interface of this machine; make one with: sudo ip tuntap add ${net#tap:} mode tap user $(id -un) && sudo ip link set ${net#tap:} up" ;;
        *) die "--net '$net' is neither dgram:PORT nor tap:IFNAME" ;;
    esac
}

check_port() {
    [[ $1 =~ ^[1-9][0-9]{0,4}$ && $1 -lt 65535 ]] || die "--net dgram:$1: the port must be a number from 1 to 65534"
    port_must_be_free "$1"
}

port_must_be_free() {
    ! udp_port_is_busy "$1" || die "UDP port $1 is in use; end what uses it, or choose another with --net dgram:PORT"
}

# QEMU would share the port silently (it sets SO_REUSEADDR), and frames would go to either.
udp_port_is_busy() {
    local port
    printf -v port '%04X' "$1"
    grep -qsE "^ *[0-9]+: (0100007F|00000000|0{32}|0{16}FFFF00000100007F):$port " /proc/net/udp /proc/net/udp6
}

# Sets `qemu` to the command that boots what the options ask for.
prepare_qemu() {
    choose_emulator
    qemu=("$emulator" -machine "$machine" -nodefaults -display none -m "${memory}M")
    add_network
    add_accel
    case $serial in
        none) qemu+=(-serial none) ;;
        socket:*) add_console_socket "${serial#socket:}" ;;
        # Ctrl-A is QEMU's at a terminal only: elsewhere every byte must pass.
        *) if [[ -t 0 && -t 1 ]]; then qemu+=(-serial mon:stdio); else qemu+=(-serial stdio); fi ;;
    esac
    if [[ $test_exit == yes ]]; then
        qemu+=(-device "isa-debug-exit,iobase=0xf4,iosize=0x04")
        words=(pollux.exit=0xf4 "${words[@]}")
    fi
    if [[ -n $image ]]; then
        add_medium
    elif [[ -n $tftp ]]; then
        add_tftp
    else
        add_kernel
    fi
    qemu+=("${qemu_arguments[@]}")
}

# For ./run.sh console. Who is bound to a socket's name is listed; what is left of one that has ended is not.
add_console_socket() {
    local socket=$1
    [[ $socket != *,* && ${#socket} -le 100 ]] || die "--serial socket:$socket: the path must have no comma and at most 100 octets"
    [[ -d $(dirname -- "$socket") ]] || mkdir -p -- "$(dirname -- "$socket")"
    ! grep -qsF " $(realpath -m -- "$socket")" /proc/net/unix ||
        die "--serial socket: a running appliance has its console at $socket; give this one another place with --serial socket:PATH"
    qemu+=(-serial "unix:$(realpath -m -- "$socket"),server=on,wait=off")
    local where=" $socket"
    [[ $socket != "$target/console.sock" ]] || where=''
    say "its console: ./run.sh console$where" >&2
}

# Sets `emulator` to the QEMU to start: the installed one, or where that does not have the card, a newer one.
choose_emulator() {
    local newer=$root/cache/newer-qemu/qemu-system-x86_64
    emulator=qemu-system-x86_64
    if [[ $machine == microvm || $nic == e1000 ]] || has_card "$emulator"; then return; fi
    # What the newer one has that Debian 12's has not.
    if [[ ${nic%%,*} == igb ]]; then
        "$root/boot/newer-qemu.sh" || die "--nic $nic: QEMU has it from version 8 on, and no newer one could be fetched"
        emulator=$newer
        ! has_card "$emulator" || return 0
    fi
    die "--nic $nic: QEMU has no PCI network card of that name; one of: e1000 virtio-net-pci e1000e igb, or see qemu-system-x86_64 -device help"
}

has_card() { "$1" -device "$nic,help" 2>/dev/null | grep -q romfile; }

add_network() {
    local port
    if [[ $net == dgram:* ]]; then
        port=${net#dgram:}
        qemu+=(-netdev "dgram,id=n0,local.type=inet,local.host=127.0.0.1,local.port=$port,remote.type=inet,remote.host=127.0.0.1,remote.port=$((port + 1))")
    else
        qemu+=(-netdev "tap,id=n0,ifname=${net#tap:},script=no,downscript=no")
    fi
    if [[ $machine == microvm ]]; then
        # QEMU's own default are registers from before version 1.0 of virtio.
        qemu+=(-global virtio-mmio.force-legacy=false)
        if [[ $nic == virtio-net-device* ]]; then
            qemu+=(-device "$nic,netdev=n0")
            return
        fi
        [[ ${qemu_arguments[*]} == *pcie=on* ]] ||
            die "--nic $nic: --machine microvm has no PCI without -- -machine pcie=on; its one network card is virtio-net-device"
    fi
    # QEMU must know them before the card that is behind them.
    qemu+=("${bridges[@]}")
    # No option ROM unless one is named: nobody boots from the network here, and it costs start-up time.
    local rom=,romfile=
    [[ $nic != *,romfile=* ]] || rom=''
    qemu+=(-device "$nic,netdev=n0$rom")
}

add_kernel() {
    local archive
    if ((${#files[@]})); then
        archive=$(mktemp)
        pack_files "$archive"
        # QEMU opens it by its descriptor, so the name can go at once: nothing is left to clean up.
        exec {archive_fd}<"$archive"
        rm -f "$archive"
        qemu+=(-initrd "/dev/fd/$archive_fd")
    fi
    qemu+=(-kernel "$kernel" -append "${words[*]}")
}

# The image can be written to by nobody: what is written to a disk is forgotten with QEMU.
add_medium() {
    local drive="if=none,id=medium,format=raw,snapshot=on,file=${image//,/,,}" device
    add_firmware
    case ${medium:-usb} in
        usb) qemu+=(-device qemu-xhci) device=usb-storage ;;
        usb2) qemu+=(-device usb-ehci) device=usb-storage ;;
        sata) qemu+=(-device ich9-ahci,id=ahci) device=ide-hd,bus=ahci.0 ;;
        nvme) device=nvme,serial=medium ;;
        virtio) device=virtio-blk-pci ;;
        cd) qemu+=(-device ich9-ahci,id=ahci) device=ide-cd,bus=ahci.0 ;;
    esac
    qemu+=(-drive "$drive" -device "$device,drive=medium,bootindex=0")
}

# A second network card, which the firmware starts from, has QEMU's own DHCP and TFTP servers on its wire.
add_tftp() {
    local file=pollux.0
    if [[ $firmware == uefi ]]; then file=pollux.efi; fi
    add_firmware
    qemu+=(-netdev "user,id=boot,restrict=on,tftp=${tftp//,/,,},bootfile=$file" -device virtio-net-pci,netdev=boot,bootindex=0)
}

add_firmware() {
    local ovmf
    if [[ $firmware == uefi ]]; then
        ovmf=$(find_ovmf)
        qemu+=(-bios "$ovmf")
    fi
}

find_ovmf() {
    local file
    for file in /usr/share/ovmf/OVMF.fd /usr/share/qemu/OVMF.fd /usr/share/edk2/x64/OVMF.4m.fd /usr/share/edk2-ovmf/x64/OVMF.fd; do
        [[ -f $file ]] && echo "$file" && return
    done
    die "--firmware uefi: no OVMF firmware found; ./run.sh setup installs it (package ovmf)"
}

# ---- kvm or tcg ---------------------------------------------------------------------------------

add_accel() {
    choose_accel
    case $accel in
        # Without migratable=off the guest is not told that its TSC is invariant.
        kvm) qemu+=(-accel kvm -cpu "${cpu:-host,migratable=off}") ;;
        # Threads are QEMU's own choice: as many as there are processors, but one under -icount.
        tcg) qemu+=(-accel tcg ${cpu:+-cpu "$cpu"}) ;;
    esac
}

# Turns `accel` from what was asked for into kvm or tcg.
choose_accel() {
    case $accel in
        kvm)
            kvm_opens || die "--accel kvm: /dev/kvm cannot be opened; enable virtualization, join the group kvm, or use --accel tcg"
            ;;
        auto)
            accel=tcg
            if ! kvm_opens; then
                say "accel: tcg (/dev/kvm cannot be opened)" >&2
            elif ! kvm_is_fast; then
                say "accel: tcg (kvm on this machine is too slow: it emulates every instruction)" >&2
            else
                accel=kvm
            fi
            ;;
    esac
}

kvm_opens() { [[ -c /dev/kvm ]] && { : <>/dev/kvm; } 2>/dev/null; }

# Tries kvm once for each boot of this machine; the verdict is kept.
kvm_is_fast() {
    local verdict_file=$target/kvm-verdict boot verdict=slow
    boot=$(cat /proc/sys/kernel/random/boot_id)
    if ! grep -qs "^$boot " "$verdict_file"; then
        kvm_probe_ends_in_time && verdict=fast
        mkdir -p "$target"
        echo "$boot $verdict" >"$verdict_file.$$"
        mv "$verdict_file.$$" "$verdict_file"
    fi
    grep -qx "$boot fast" "$verdict_file"
}

# Boots a 64 KiB ROM which counts ten million down to zero and then ends QEMU with status 3. A
# processor does that in 10 ms, tcg in 60; a hypervisor below that emulates instead of
# virtualizing needs seconds, and would make every figure of the appliance meaningless.
kvm_probe_ends_in_time() {
    local rom status=0
    rom=$(mktemp)
    {
        printf '\x66\xb9\x80\x96\x98\x00' # mov ecx, 10000000
        printf '\x66\x49\x75\xfc'         # again: dec ecx; jnz again
        printf '\xb0\x01\xe6\xf4\xf4'     # mov al, 1; out 0xf4, al; hlt
        head -c $((65536 - 16 - 15)) /dev/zero
        printf '\xe9\x0d\x00' # at the reset vector: jmp to the ROM's first byte
        head -c 13 /dev/zero
    } >"$rom"
    timeout 1 qemu-system-x86_64 -accel kvm -machine pc -nodefaults -display none -m 16M -bios "$rom" \
        -device isa-debug-exit,iobase=0xf4,iosize=4 </dev/null &>/dev/null || status=$?
    rm -f "$rom"
    ((status == 3))
}

