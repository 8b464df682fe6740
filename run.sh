#!/usr/bin/env bash
# The one entry to Pollux: sets up what is missing, builds, boots, pings, tests, makes images.
#
# It reads from the top: the commands first, in the order of `./run.sh help`, then what they share.
# Every mistake in the command line, and every missing tool, is one line on standard error, exit 2.
# Nothing here needs root, but for installing packages and for a tap interface.
set -euo pipefail

root=$(cd -P "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=$(realpath -m "${CARGO_TARGET_DIR:-$root/target}")
export CARGO_TARGET_DIR=$target
readonly root target
readonly triple=x86_64-unknown-linux-gnu
readonly address=10.10.10.11 vlan=42

# shellcheck source=boot/setup.sh
source "$root/boot/setup.sh"
# shellcheck source=boot/qemu.sh
source "$root/boot/qemu.sh"

usage() {
    cat <<'END'
Pollux, a network appliance that boots instead of Linux.

./run.sh                     set up what is missing, build, boot in QEMU, ping it ten times over VLAN 42
./run.sh demo [OPTIONS]      the same, with options of boot
./run.sh setup               install what is missing, and nothing else
./run.sh build [OPTIONS]     build the appliance (--package NAME, --bin NAME or --example NAME for your own)
./run.sh boot [OPTIONS]      boot it in QEMU, its console on standard input and output
./run.sh console [WHERE] [--command TEXT]  attach to a running one: a socket of boot, or a serial device; Ctrl-] detaches;
                             with a file as its input, carry out its lines, those that base64 takes too
./run.sh ping ADDRESS ...    ping it by raw frames; `./run.sh ping --help` lists the options
./run.sh image [FILE]        write an image for a USB stick, a disk or an optical drive, BIOS and UEFI (target/pollux.img)
./run.sh picture             draw the first run and the screen for the README, in docs/pictures
./run.sh bench [--quick]         measure it in QEMU beside Linux, XDP, DPDK and a native process: table, page and raw data
./run.sh bench stack             time the stack alone, on this machine, beside smoltcp
./run.sh bench callgrind         count its instructions per frame
./run.sh bench cards             measure it on every card, machine and option: the table in docs/nics.md
./run.sh bench accesses          count accesses to the card's registers, from outside
./run.sh bench scale             count instructions per frame with more and more of everything
./run.sh bench instructions [--update]   count those of the whole appliance, in QEMU; compare with, or write, the table
./run.sh bench boot [--update]   boot it on every machine of the matrix; print the table of docs/boot.md, or write it there
./run.sh fuzz [TARGET] [SECONDS] octets that nobody thought of, for all targets or one (receive partial_checksum reassembly services filter console), 30 s each
./run.sh test [--all] [FILTER]   every check and test; --all adds the slow ones, FILTER is part of a test's name
./run.sh test --cards            what of it is about frames, on every network card, machine and option (twenty minutes; part of --all)
./run.sh soak [ROUNDS] [FILTER]  the tests that send what nobody thought of, so often (10), each time with other numbers, until one fails
./run.sh help                this page

boot:
  --machine WHICH      pc (default), q35, or microvm, which has no PCI and no firmware to wait for
  --nic MODEL          the network card: e1000 (default), virtio-net-pci, or another that QEMU has;
                       on microvm virtio-net-device
  --bridge DEVICE      a PCI bridge that QEMU has, as pcie-root-port,id=b, for --nic MODEL,bus=b; may be repeated
  --net dgram:PORT     raw frames in UDP on 127.0.0.1: the appliance on PORT, its peer on PORT+1 (default dgram:4200)
  --net tap:IFNAME     the tap interface IFNAME of this machine
  --accel WHICH        auto (default: kvm where it is fast, else tcg), kvm, tcg
  --config FILE        start-up commands for the appliance
  --file PATH          a file for the appliance, under its base name; may be repeated
  --append "WORDS"     more words for the kernel's command line
  --memory MB          128 unless told
  --kernel ELF         boot this one, build nothing (also: POLLUX_KERNEL=ELF)
  --image FILE         boot from FILE ...
  --firmware WHICH     ... by bios (default) or uefi
  --medium WHICH       ... as a usb stick (default), usb2 (on an older controller), sata, nvme, virtio or cd
  --tftp FOLDER        boot from the network, QEMU serving FOLDER, with --firmware
  --cpu MODEL          a processor that QEMU has
  --serial WHICH       stdio (default), none, or socket[:PATH] for ./run.sh console
  --test-exit          let the appliance end QEMU with an exit status
  -- QEMU ARGS         the rest goes to QEMU as it is

bench:
  --quick              within five minutes, of less; fifty else
  --nic MODEL          on one network card only: e1000, e1000e, virtio-net-pci
  --patience SECONDS   how long, in all, to measure again what other programs of this machine disturbed
  --pictures           put the tables into docs/performance.md and the pictures into docs/pictures as well

image:
  --config FILE, --file PATH, --append "WORDS", --kernel ELF: as for boot, but put on the stick
  --loader WHICH       grub (default); network: a folder for a TFTP server (target/pollux-network);
                       bootloader: two images, FILE-bios.img and FILE-uefi.img, by the Rust crate of that name
END
}

main() {
    local command=${1-demo}
    shift || true
    case $command in
        demo) demo "$@" ;;
        setup)
            (($# == 0)) || die "setup takes no arguments, not '$1'"
            set_up build boot image test
            ;;
        build) build "$@" ;;
        boot) boot "$@" ;;
        console) console "$@" ;;
        ping) ping "$@" ;;
        image) image "$@" ;;
        picture)
            (($# == 0)) || die "picture takes no arguments, not '$1'"
            picture
            ;;
        bench) bench "$@" ;;
        fuzz) fuzz "$@" ;;
        test) run_tests "$@" ;;
        soak) soak "$@" ;;
        help | -h | --help) usage ;;
        -*) die "options stand behind a command; did you mean './run.sh demo $command${*:+ $*}'?" ;;
        *) die "unknown command '$command'; one of: demo setup build boot console ping image picture bench fuzz test soak help" ;;
    esac
}

# ---- ./run.sh: first light ----------------------------------------------------------------------

# Boots the appliance with its console on a pipe and a file, pings it, asks it for its status, and
# hands the console over to whoever sits at a terminal.
demo() {
    parse_boot_options "$@"
    [[ -z $image$tftp && $serial == stdio ]] || die "the first run boots the kernel itself and needs its console: --image, --tftp and --serial go with ./run.sh boot"
    [[ $net != dgram:* ]] || port_must_be_free "$((${net#dgram:} + 1))"
    set_up build boot
    say "building the appliance and the issuer"
    find_kernel
    build_tool pollux-issuer
    words+=(pollux.trace=on)
    serial=piped
    prepare_qemu
    start_qemu_aside

    say "$nic, $net, $accel: waiting for the console"
    await_prompt_after '' || die_with_qemu "the console showed no prompt within 20 s"
    say "pinging $address over VLAN $vlan"
    local answered=yes
    "$target/release/pollux-issuer" ping "$address" --net "$net" --vlan "$vlan" --count 10 --interval 0.2 || answered=no
    ask_for_status

    say "the appliance's console"
    local shown
    shown=$(wc -c <"$scratch/console")
    console_text | sed '$ { /^pollux> $/d }'
    if [[ $answered == yes ]]; then say "all ten pings were answered"; else say "not all of the ten pings were answered"; fi
    if [[ -t 0 && -t 1 ]]; then hand_over_console "$shown"; else power_off; fi
    [[ $answered == yes ]]
}

start_qemu_aside() {
    scratch=$(mktemp -d)
    trap clean_up EXIT
    # QEMU gets the same Ctrl-C; there is nothing left to show.
    trap 'say "interrupted"; exit 130' INT
    mkfifo "$scratch/keys"
    exec {keys}<>"$scratch/keys"
    "${qemu[@]}" <&"$keys" >"$scratch/console" 2>"$scratch/complaints" &
    qemu_pid=$!
}

clean_up() {
    [[ -z ${typist-} ]] || kill "$typist" 2>/dev/null || true
    [[ -z ${qemu_pid-} ]] || kill "$qemu_pid" 2>/dev/null || true
    [[ -z ${terminal-} ]] || stty "$terminal"
    [[ -z ${scratch-} ]] || rm -rf "$scratch"
}

# Waits until the console stands at its prompt again, below a line that ends in TEXT; fails after 20 s,
# or when QEMU has ended.
await_prompt_after() {
    local text=$1 tries
    for ((tries = 0; tries < 400; tries++)); do
        [[ $(console_text) != *"$text"$'\n'*'pollux> ' ]] || return 0
        kill -0 "$qemu_pid" 2>/dev/null || return 1
        sleep 0.05
    done
    return 1
}

# What the console shows, less what it took back: its prompt, wherever a message came in between.
console_text() { tr -d '\0' <"$scratch/console" | sed -e 's/.*\r\x1b\[K//' -e 's/\r//g' -e 's/\x1b\[K//g'; }

ask_for_status() {
    printf 'status\r' >&"$keys"
    await_prompt_after 'pollux> status' || say "the console gave no answer to 'status'"
}

# Gives the terminal to the appliance until QEMU ends; SHOWN bytes of its output are on it already.
hand_over_console() {
    local shown=$1
    say "the console is yours: 'help' lists the commands, 'poweroff' or Ctrl-A x ends it, Ctrl-C goes to the appliance"
    printf 'pollux> '
    trap - INT
    terminal=$(stty -g)
    stty raw -echo
    cat </dev/tty >&"$keys" &
    typist=$!
    tail -c "+$((shown + 1))" -s 0.1 -f --pid="$qemu_pid" "$scratch/console"
    stty "$terminal"
    echo
}

power_off() {
    local tries
    printf 'poweroff\r' >&"$keys"
    for ((tries = 0; tries < 60; tries++)); do
        kill -0 "$qemu_pid" 2>/dev/null || return 0
        sleep 0.05
    done
    say "'poweroff' did not end QEMU within 3 s; it is ended from outside"
}

die_with_qemu() {
    cat "$scratch/console" "$scratch/complaints" >&2
    say "$1" >&2
    exit 1
}

# ---- ./run.sh build -----------------------------------------------------------------------------

build() {
    local package=pollux-kernel kind=--bin name='' count
    while (($#)); do
        count=1
        case $1 in
            --package) package=$(value "$@") count=2 ;;
            --bin | --example) kind=$1 name=$(value "$@") count=2 ;;
            -h | --help) usage && return ;;
            *) die "build: unknown option '$1'; one of: --package --bin --example" ;;
        esac
        shift "$count"
    done
    [[ -n $name ]] || name=$(default_binary "$package")
    build_kernel "$package" "$kind" "$name"
    say "$(kernel_path "$kind" "$name")"
}

default_binary() { if [[ $1 == pollux-kernel ]]; then echo pollux; else echo "$1"; fi; }

# Builds one freestanding binary. The flags reach that last crate only; everything else is compiled
# as for any Linux program, which is why a stock toolchain suffices.
build_kernel() {
    local package=$1 kind=$2 name=$3 argument flags=(-C relocation-model=static)
    for argument in -nostartfiles -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,norelro \
        -Wl,--defsym,rust_eh_personality=0 "-T$root/kernel/link.ld"; do
        flags+=(-C "link-arg=$argument")
    done
    need_rust
    if [[ ! -d $target/$triple ]]; then say "the first build takes two to four minutes on two cores" >&2; fi
    in_root cargo rustc --package "$package" "$kind" "$name" --release --target "$triple" -- "${flags[@]}"
}

# Sets `kernel` to the ELF to boot, building the appliance unless one was given.
find_kernel() {
    if [[ -z $kernel ]]; then
        build_kernel pollux-kernel --bin pollux >&2
        kernel=$(kernel_path --bin pollux)
    fi
    [[ -f $kernel ]] || die "kernel $kernel: no such file"
    [[ $(head -c 4 "$kernel" | tr '\0' '?') == $'\x7fELF' ]] || die "kernel $kernel: no ELF file"
}

kernel_path() {
    if [[ $1 == --example ]]; then
        echo "$target/$triple/release/examples/$2"
    else
        echo "$target/$triple/release/$2"
    fi
}

# ---- ./run.sh boot ------------------------------------------------------------------------------

# Ends as QEMU itself, so that a caller's signals, exit status and standard streams are QEMU's.
boot() {
    parse_boot_options "$@"
    need_qemu
    [[ -n $image$tftp ]] || find_kernel
    prepare_qemu
    exec "${qemu[@]}"
}

# ---- ./run.sh console ---------------------------------------------------------------------------

console() {
    if [[ ${1-} == -h || ${1-} == --help ]]; then usage && return; fi
    local where=$target/console.sock
    if [[ -n ${1-} && $1 != -* ]]; then where=$1 && shift; fi
    build_tool pollux-attach
    exec "$target/release/pollux-attach" "$where" "$@"
}

# ---- ./run.sh ping, ./run.sh image --------------------------------------------------------------

ping() {
    build_tool pollux-issuer
    exec "$target/release/pollux-issuer" ping "$@"
}

image() {
    local output='' loader=grub count
    kernel=${POLLUX_KERNEL-} config='' files=() words=()
    while (($#)); do
        count=1
        case $1 in
            --kernel | --config | --file | --append)
                count=2
                content_option "$@"
                ;;
            --loader) loader=$(value "$@") count=2 ;;
            -h | --help) usage && return ;;
            -*) die "image: unknown option '$1'; one of: --kernel --config --file --append --loader" ;;
            *)
                [[ -z $output ]] || die "image: one FILE only, not '$output' and '$1'"
                output=$1
                ;;
        esac
        shift "$count"
    done
    one_of --loader "$loader" grub network bootloader
    check_files
    find_kernel
    case $loader in
        grub) write_by_grub image "${output:-$target/pollux.img}" ;;
        network) write_by_grub network "${output:-$target/pollux-network}" ;;
        bootloader) write_by_bootloader "${output:-$target/pollux.img}" ;;
    esac
}

write_by_grub() {
    build_tool pollux-boot
    local tool=("$target/release/pollux-boot" "$1" --kernel "$kernel" --output "$2" --append "${words[*]}") file
    if [[ -n $config ]]; then tool+=(--config "$config"); fi
    # The start-up file has a place of its own.
    for file in "${files[@]}"; do [[ $file == "$config" ]] || tool+=(--file "$file"); done
    "${tool[@]}"
}

# That loader passes one blob and no command line: an archive, in which the command line is a file.
write_by_bootloader() {
    local base=${1%.img} tool content
    tool=$("$root/boot/bootloader.sh") || exit 2
    content=$(mktemp -d)
    if [[ -n $config ]]; then words=("pollux.config-file=$(basename -- "$config")" "${words[@]}"); fi
    printf '%s\n' "${words[*]}" >"$content/pollux.command-line"
    files+=("$content/pollux.command-line")
    pack_files "$content/files.tar"
    local status=0
    "$tool" --kernel "$kernel" --files "$content/files.tar" --bios "$base-bios.img" --uefi "$base-uefi.img" || status=$?
    rm -rf "$content"
    ((status == 0)) || exit "$status"
    say "$base-bios.img and $base-uefi.img; write one of them to a stick, as ./run.sh image says of its own"
}

# Builds the host program PACKAGE, at $target/release/PACKAGE, unless it is there and newer than its sources.
build_tool() {
    local program=$target/release/$1
    ! is_fresh "$program" || return 0
    need_rust
    mkdir -p "$target/release"
    # What is changed while it is built is newer than this, of which others that build it have their own.
    local begun=$program.begun.$BASHPID
    compiler_flags >"$begun"
    if [[ ! -x $program ]]; then say "building $1, the first time" >&2; fi
    local status=0
    cargo_build "$1" "$program" || status=$?
    if ((status == 0)); then mv "$begun" "$program.checked"; else rm "$begun"; fi
    return "$status"
}

# Has Cargo build the host program PACKAGE, at PROGRAM.
cargo_build() {
    if [[ ! -x $2 && -t 2 ]]; then
        # Cargo shows how far it is.
        in_root cargo build --release --package "$1"
    else
        # Not `--quiet`, which would not say that another build is waited for.
        in_root cargo build --release --package "$1" 2>&1 | sed -u -E \
            -e 's/^ +Blocking waiting for file lock on (.*)/pollux: waiting for another build, which has locked the \1/' \
            -e '/^ +(Compiling|Downloading|Downloaded|Finished|Locking|Updating) /d' >&2
    fi
}

# Whether Cargo was asked for PROGRAM, with the same flags for the compiler, since the last change of what it names as its
# sources: then there is no need to ask again, which takes a second, and waits for other builds.
is_fresh() {
    local program=$1 names source sources
    [[ -x $program && -f $program.d && -f $program.checked ]] || return 1
    [[ $(<"$program.checked") == "$(compiler_flags)" ]] || return 1
    names=$(<"$program.d")
    # A name with a blank is written with a backslash.
    [[ $names != *\\* ]] || return 1
    read -ra sources <<<"${names#*: }"
    for source in "${sources[@]}" "$root"/Cargo.{toml,lock} "$root"/*/Cargo.toml; do
        [[ -e $source && ! $source -nt $program.checked ]] || return 1
    done
    # Who builds in a way of their own has these as well.
    for source in "$root"/rust-toolchain{,.toml} "$root"/.cargo/config{,.toml}; do
        [[ ! $source -nt $program.checked ]] || return 1
    done
}

# What the environment has Cargo tell the compiler: RUSTFLAGS, CARGO_BUILD_RUSTFLAGS, and what else it is called.
compiler_flags() { env | grep RUSTFLAGS= | sort || true; }

# ---- ./run.sh picture ---------------------------------------------------------------------------

# The pictures are of runs that were made for them.
picture() {
    local drawing=$root/docs/pictures/first-light.svg shown
    build_tool pollux-picture
    shown=$(echo '$ ./run.sh' && demo --accel tcg 2>&1) || die "picture: ${shown##*run.sh: }"
    mkdir -p "${drawing%/*}"
    "$target/release/pollux-picture" <<<"$shown" >"$drawing"
    say "$drawing"
    (picture_of_screen "$root/docs/pictures/screen.png")
}

# What a machine started from a stick shows on its screen, after it was pinged.
picture_of_screen() {
    local drawing=$1 folder
    folder=$(mktemp -d)
    image "$folder/pollux.img"
    mkfifo "$folder/monitor.in" "$folder/monitor.out"
    # QEMU's screens have no picture unless one is asked for.
    parse_boot_options --accel tcg --image "$folder/pollux.img" -- -vga std \
        -chardev "pipe,id=monitor,path=$folder/monitor" -mon monitor
    prepare_qemu
    build_tool pollux-issuer
    start_qemu_aside
    await_prompt_after '' || die_with_qemu "the console showed no prompt within 20 s"
    "$target/release/pollux-issuer" ping "$address" --net "$net" --vlan "$vlan" --count 100 --interval 0.02
    # The page is written anew each second.
    sleep 3
    echo "screendump $folder/screen.ppm" >"$folder/monitor.in"
    sleep 1
    power_off
    "$target/release/pollux-picture" <"$folder/screen.ppm" >"$drawing"
    rm -rf "$folder"
    say "$drawing"
}

# ---- ./run.sh bench -----------------------------------------------------------------------------

bench() {
    case ${1-} in
        '' | --quick | --nic | --patience | --pictures) bench_everybody "$@" ;;
        stack)
            set_up build
            in_root cargo bench --quiet --package pollux-bench --bench stack -- "${@:2}"
            ;;
        cards)
            (($# == 1)) || die "bench cards takes no arguments, not '$2'"
            prepare_bench
            "$target/release/pollux-bench" cards
            ;;
        callgrind)
            (($# == 1)) || die "bench callgrind takes no arguments, not '$2'"
            set_up build callgrind
            build_tool pollux-bench
            "$target/release/pollux-bench" callgrind
            ;;
        boot)
            [[ $# == 1 || ($# == 2 && $2 == --update) ]] || die "bench boot: --update is its only option"
            bench_boot "${2-}"
            ;;
        accesses | scale)
            (($# == 1)) || die "bench $1: it has no options"
            prepare_bench
            "$target/release/pollux-bench" "$1"
            ;;
        instructions)
            [[ $# == 1 || ($# == 2 && $2 == --update) ]] || die "bench instructions: --update is its only option"
            prepare_bench
            "$target/release/pollux-bench" "$@"
            ;;
        *) die "bench: '$1' is none of: --quick --nic --patience --pictures stack callgrind cards accesses scale boot instructions" ;;
    esac
}

# Measures the appliance side by side with Linux, XDP, DPDK and a native process.
bench_everybody() {
    local options=() pictures=no folder=$target/bench count seconds
    while (($#)); do
        count=1
        case $1 in
            --quick) options=(--quick "${options[@]}") ;;
            --patience)
                seconds=$(value "$@") count=2
                [[ $seconds =~ ^[0-9]+$ ]] || die "--patience '$seconds' is no number of seconds"
                options+=(--patience "$seconds")
                ;;
            --nic) options+=(--nic "$(value "$@")") count=2 ;;
            --pictures)
                pictures=yes
                options+=(--document "$root/docs/performance.md")
                ;;
            *) die "bench: unknown option '$1'; one of: --quick --nic --patience --pictures" ;;
        esac
        shift "$count"
    done
    prepare_bench
    accel=auto
    choose_accel
    # For a machine of which only the kernel is known: all in one file, and so it is linked.
    in_root cargo rustc --quiet --release --package pollux-udp-echo --target "$triple" -- -C target-feature=+crt-static
    "$target/release/pollux-bench" compare --accel "$accel" --udp-echo "$target/$triple/release/pollux-udp-echo" \
        --folder "$folder" "${options[@]}"
    [[ $pictures == no ]] || cp "$folder"/{latency,rate}-icmp-*.svg "$root/docs/pictures/"
}

# The tests of the matrix print a row each.
bench_boot() {
    local status=0 table=$target/boot.md page=$root/docs/boot.md
    set_up build boot image test
    mkdir -p "$target"
    kernel=${POLLUX_KERNEL-}
    find_kernel
    POLLUX_KERNEL=$kernel in_root cargo test --quiet --package pollux-tests --test media -- --include-ignored boots_by_ \
        >"$target/boot.log" 2>&1 || status=$?
    {
        printf '%s\n' "| loader | firmware | machine | medium | memory | processor | first reply, s |" "|---|---|---|---|---|---|---|"
        sed -n 's/^[^|]*\(| .* |\)$/\1/p' "$target/boot.log"
    } >"$table"
    cat "$table"
    ((status == 0)) || die "bench boot: not every machine came up; $target/boot.log says more"
    [[ $1 == --update ]] || return 0
    # In the place of the table that is there.
    sed -i -e "/^| loader | firmware /{
        r $table
        d
    }" -e '/^|---|---|---|---|---|---|---|$/d' -e '/^| \(grub\|pvh\|bootloader\) | .* |$/d' "$page"
    say "$page"
}

prepare_bench() {
    set_up build boot test
    kernel=${POLLUX_KERNEL-}
    find_kernel
    build_tool pollux-bench
    export POLLUX_KERNEL=$kernel
}

# ---- ./run.sh fuzz ------------------------------------------------------------------------------

# What libFuzzer needs to see which code an input reaches. All of it works with a stable toolchain: nothing here
# needs the sanitizers, for the stack has no `unsafe`.
readonly coverage=(-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1)
readonly fuzz_targets=(receive partial_checksum reassembly services filter console)

fuzz() {
    local names=("${fuzz_targets[@]}") seconds=30 name
    if [[ ${1-} == *[!0-9]* ]]; then
        one_of "fuzz target" "$1" "${fuzz_targets[@]}"
        names=("$1")
        shift
    fi
    if (($#)); then
        [[ -n $1 && $1 != *[!0-9]* ]] || die "fuzz: '$1' is no number of seconds"
        seconds=$1
        shift
    fi
    (($# == 0)) || die "fuzz: TARGET and SECONDS are all that it takes, not '$1'"
    set_up build
    build_fuzz
    for name in "${names[@]}"; do fuzz_one "$name" "$seconds"; done
}

# libFuzzer is C++.
can_guide() { command -v "${CXX:-c++}" >/dev/null; }

build_fuzz() {
    fuzz_cargo --no-default-features --bin blind || return
    if can_guide; then
        RUSTFLAGS="${coverage[*]}" fuzz_cargo --target "$triple" "${fuzz_targets[@]/#/--bin=}"
    fi
}

fuzz_cargo() { (cd "$root/fuzz" && cargo build --quiet --locked --release --target-dir "$target/fuzz" "$@"); }

# Keeps what it learns in target/fuzz/corpus, and an input that fails in target/fuzz/artifacts.
fuzz_one() {
    local name=$1 seconds=$2 work=$target/fuzz
    local blind=$work/release/blind
    mkdir -p "$work/corpus/$name" "$work/artifacts"
    if ! can_guide; then
        say "$name: $seconds s, blindly: seeds with arbitrary mutations, for there is no C++ compiler to build libFuzzer (package g++)"
        "$blind" "$name" "$seconds" "$work/artifacts"
        return
    fi
    say "$name: $seconds s, guided by the code that each input reaches (libFuzzer)"
    "$blind" --seeds "$name" "$work/seeds/$name"
    if "$work/$triple/release/$name" "$work/corpus/$name" "$work/seeds/$name" -max_total_time="$seconds" -max_len=8192 \
        -timeout=10 -verbosity=0 -print_final_stats=1 -artifact_prefix="$work/artifacts/$name-" >"$work/$name.log" 2>&1; then
        sed -n "s/^stat::number_of_executed_units: */$name: nothing found with this many inputs: /p" "$work/$name.log"
    else
        tail -n 40 "$work/$name.log"
        say "$name: the input is kept, see above; to try it again: $blind --one $name FILE"
        return 1
    fi
}

# As steps of the tests.
fuzz_tests() {
    local name
    check "fuzz targets" build_fuzz || return 0
    for name in "${fuzz_targets[@]}"; do
        check "fuzz $name" fuzz_one "$name" 30 || true
    done
}

# ---- ./run.sh test ------------------------------------------------------------------------------

# A Session-Sender by somebody else, for tests/tests/stamp.rs.
stamp_suite() {
    local version=1.0.0 folder=$root/cache/stamp-suite
    grep -q "\"stamp-suite $version " "$folder/.crates2.json" 2>/dev/null ||
        in_root cargo install --quiet --locked --force --root "$folder" "stamp-suite@$version"
}

# Runs every step even when an earlier one failed, and closes with the count over all of them.
run_tests() {
    local all=no only_cards=no filter='' arguments=()
    while (($#)); do
        case $1 in
            --all) all=yes ;;
            --cards) only_cards=yes ;;
            -h | --help) usage && return ;;
            -*) die "test: unknown option '$1'; one of: --all --cards" ;;
            *)
                [[ -z $filter ]] || die "test: one FILTER only, not '$filter' and '$1'"
                filter=$1
                ;;
        esac
        shift
    done
    set_up build boot image test
    log=$target/test.log passed=0 failed=0 tests=0 skipped=()
    mkdir -p "$target"
    : >"$log"
    warn_of_a_full_disk
    if [[ -n $filter ]]; then arguments+=("$filter"); fi
    if [[ $all == yes ]]; then arguments+=(--include-ignored); fi

    if [[ $only_cards == yes ]]; then
        test_kernel test_cards
        conclude
        return
    fi
    if [[ -z $filter ]]; then check_sources; fi
    cargo_tests "unit and property tests" --workspace --exclude pollux-tests --exclude pollux-bench -- "${arguments[@]}"
    if [[ -z $filter ]]; then fuzz_tests; fi
    if [[ -z $filter ]]; then check "Linux machine of the end-to-end tests" "$root/tests/linux/make-guest.sh" || true; fi
    if [[ -z $filter || $filter == *stamp* ]]; then check "stamp-suite, another's STAMP sender" stamp_suite || true; fi
    check "host tools" in_root cargo build --release --package pollux-issuer --package pollux-attach --package pollux-boot || true
    test_kernel cargo_tests "end-to-end tests" --package pollux-tests --package pollux-bench -- "${arguments[@]}"
    if [[ $all == yes && -z $filter ]]; then test_kernel test_cards; fi
    if [[ -n $filter && $tests == 0 ]]; then
        verdict "'$filter'" "FAILED: no test has this in its name"
        failed=$((failed + 1))
    fi
    conclude
}

# What fails for want of room seldom says so.
warn_of_a_full_disk() {
    local needed=5000 free
    free=$(df --output=avail --block-size=MB "$target" | tail -n 1 | tr -cd 0-9)
    ((free >= needed)) || say "only $free MB are free in $target; builds and tests fill up to $needed"
}

# Repeats the tests that make up what they send. What fails names its seed, or Proptest's shortest case.
soak() {
    local rounds=${1-10} filter=("${@:2}") round
    local packages=(net drivers ebpf console)
    [[ $rounds =~ ^[1-9][0-9]{0,5}$ ]] || die "soak: '$rounds' is no number of rounds"
    (($# <= 2)) || die "soak: one FILTER only, not '$2' and '$3'"
    set_up build boot test
    log=$target/soak.log passed=0 failed=0 tests=0 skipped=()
    mkdir -p "$target"
    : >"$log"
    export POLLUX_SEED
    for ((round = 1; round <= rounds && failed == 0; round++)); do
        POLLUX_SEED=$(od -An -N6 -tu8 /dev/urandom | tr -d ' ')
        cargo_tests "round $round, properties, POLLUX_SEED=$POLLUX_SEED" "${packages[@]/#/--package=pollux-}" -- "${filter[@]}"
        test_kernel cargo_tests "round $round, frames, POLLUX_SEED=$POLLUX_SEED" --package pollux-tests --test hostile -- "${filter[@]-random_and_mutated}"
        ((tests + failed > 0)) || die "soak: no test has '${filter[*]}' in its name; the log is $log"
    done
    conclude
}

# Builds the kernel and runs COMMAND with it.
test_kernel() {
    if check "kernel" build_kernel pollux-kernel --bin pollux; then
        POLLUX_KERNEL=$(kernel_path --bin pollux)
        export POLLUX_KERNEL
        "$@"
    else
        verdict "end-to-end tests" "FAILED: there is no kernel to boot"
        failed=$((failed + 1))
    fi
}

# The suites about frames, on every card, machine and option there is: a minute each.
test_cards() {
    local machine nic suites=(responder hostile planes services filters)
    check "list of cards" build_tool pollux-bench || return 0
    while read -r machine nic; do
        POLLUX_MACHINE=$machine POLLUX_NIC=$nic cargo_tests "$machine $nic" --package pollux-tests "${suites[@]/#/--test=}"
    done < <("$target/release/pollux-bench" list-cards)
}

# What could not run here is named in front of the count, of which it is no part.
conclude() {
    rm -f "$log.step"
    printf '\n'
    if ((${#skipped[@]})); then printf 'skipped: %s\n' "${skipped[@]}" | tee -a "$log"; fi
    printf '%d passed, %d failed\n' "$passed" "$failed" | tee -a "$log"
    ((failed == 0))
}

check_sources() {
    check "formatting" in_root cargo fmt --all --check || true
    check "formatting of the fuzz targets" in_root cargo fmt --manifest-path fuzz/Cargo.toml --check || true
    check "formatting of the bootloader images' tool" in_root cargo fmt --manifest-path boot/bootloader/Cargo.toml --check || true
    if in_root cargo clippy --version &>/dev/null; then
        check "clippy" in_root cargo clippy --workspace --exclude pollux-kernel --exclude pollux-uppercase --exclude pollux-raw-echo --all-targets -- -D warnings || true
        # By itself, for Cargo would give its dependencies the features (std) that the others ask for.
        check "clippy of the kernel" in_root cargo clippy --package pollux-kernel --package pollux-uppercase --package pollux-raw-echo --all-targets -- -D warnings || true
    else
        verdict "clippy" "not installed, not run"
    fi
    if command -v shellcheck >/dev/null; then
        check "shellcheck" in_root shellcheck --external-sources run.sh .ci/run boot/newer-qemu.sh tests/linux/make-guest.sh tests/linux/init || true
    else
        verdict "shellcheck" "not installed, not run"
    fi
}

# Runs COMMAND as one step called NAME, which counts as one passed or failed; returns its success.
check() {
    local name=$1
    shift
    if logged "$name" "$@"; then
        passed=$((passed + 1))
        verdict "$name" ok
    else
        failed=$((failed + 1))
        verdict "$name" FAILED
        return 1
    fi
}

# Runs `cargo test ARGUMENTS` as one step called NAME and counts what its test programs counted. One
# that did not compile, or died without counting, is one failure. A test that could not run here says why behind its name.
cargo_tests() {
    local name=$1 status=0 ok bad reasons
    shift
    logged "$name" in_root cargo test --no-fail-fast "$@" || status=$?
    read -r ok bad < <(sed -nE 's/^test result: [^.]*\. ([0-9]+) passed; ([0-9]+) failed;.*/\1 \2/p' "$log.step" |
        awk '{ ok += $1; bad += $2 } END { print ok + 0, bad + 0 }')
    if ((status != 0 && bad == 0)); then bad=1; fi
    mapfile -t reasons < <(sed -nE 's/^test (.*[^ ]) +\.\.\. ignored \((.*)\)$/\1: \2/p' "$log.step")
    skipped+=("${reasons[@]}")
    tests=$((tests + ok + bad + ${#reasons[@]})) passed=$((passed + ok)) failed=$((failed + bad))
    verdict "$name" "$ok passed, $bad failed in this step"
}

# Shows and keeps everything that COMMAND prints; its own output alone is in $log.step.
logged() {
    local name=$1
    shift
    printf '\n==> %s\n' "$name" | tee -a "$log"
    "$@" </dev/null 2>&1 | tee "$log.step" | tee -a "$log"
}

verdict() { printf -- '--> %s: %s\n' "$1" "$2" | tee -a "$log"; }

# ---- what boot and image share -------------------------------------------------------------------

# The options that say what is booted rather than on what; `image` has them too.
content_option() {
    local given
    given=$(value "$@")
    case $1 in
        --kernel) kernel=$given ;;
        --config) config=$given files+=("$given") ;;
        --file) files+=("$given") ;;
        --append) words+=("$given") ;;
    esac
}

# Checks that `files` can go into one archive by their base names, before anything is built for them.
check_files() {
    local file name
    local -A taken=()
    for file in "${files[@]}"; do
        name=$(basename -- "$file")
        [[ -f $file && -r $file ]] || die "'$file' is no file that can be read"
        [[ -z ${taken[$name]-} ]] || die "'$file' and '${taken[$name]}' would both be '$name' on the appliance"
        ((${#name} <= 100)) || die "the name '$name' is longer than the 100 bytes that the archive can hold"
        taken[$name]=$file
    done
    if [[ -n $config ]]; then
        name=$(basename -- "$config")
        [[ $name != *[[:space:]]* ]] || die "--config '$config': the name must have no blanks"
    fi
}

# Packs `files` into the tar archive ARCHIVE.
pack_files() {
    local archive=$1 file members=()
    for file in "${files[@]}"; do
        members+=("--directory=$(realpath -- "$(dirname -- "$file")")" "--add-file=$(basename -- "$file")")
    done
    tar --create --file="$archive" --format=ustar --dereference --owner=0 --group=0 --numeric-owner "${members[@]}"
}

# ---- small things -------------------------------------------------------------------------------

say() { printf 'pollux: %s\n' "$*"; }

die() {
    printf 'run.sh: %s\n' "$*" >&2
    exit 2
}

in_root() { (cd "$root" && "$@"); }

# Is version $2 at least $1?
at_least() { [[ $(printf '%s\n' "$1" "$2" | sort -V | head -n 1) == "$1" ]]; }

value() {
    (($# >= 2)) || die "$1 needs a value$(how_written "$1")"
    printf '%s' "$2"
}

# How `help` has an option written, with its values.
how_written() {
    local lines
    lines=$(usage | grep -e "^  $1 ") || return 0
    printf ':\n%s' "$lines"
}

one_of() {
    local option=$1 given=$2
    shift 2
    [[ " $* " == *" $given "* ]] || die "$option '$given' is none of: $*"
}

# Not where its functions are wanted alone.
if [[ ${BASH_SOURCE[0]} == "$0" ]]; then main "$@"; fi
