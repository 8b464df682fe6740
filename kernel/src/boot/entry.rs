//! The first instructions, before any Rust: from whatever state a loader leaves the processor in to
//! 64-bit mode with a stack.
//!
//! Three loaders lead here. QEMU and small monitors find the PVH note and jump to `entry_pvh`, GRUB
//! finds the Multiboot2 header and jumps to `entry_multiboot2`, both in 32-bit mode; they share one
//! stub, which maps the first 4 GiB one to one. The `bootloader` crate jumps to the ELF's own entry,
//! `entry_bootloader`, in 64-bit mode. All end in a Rust function of [`super`].
//!
//! Rust code for this target uses SSE from its first formatted print on, so each way switches it on, after it has asked
//! whether the processor has it, and a time stamp counter.

/// What `entry_pvh` passes as the protocol.
pub const PROTOCOL_PVH: u32 = 1;
/// What `entry_multiboot2` passes as the protocol.
pub const PROTOCOL_MULTIBOOT2: u32 = 2;

// A host's test programs are position-independent, which these instructions are not.
#[cfg(not(test))]
core::arch::global_asm!(
    // Xen ELF note 18, XEN_ELFNOTE_PHYS32_ENTRY: where a PVH loader starts us.
    // https://xenbits.xen.org/docs/unstable/misc/pvh.html
    ".pushsection .note.pvh, \"a\", @note",
    ".balign 4",
    ".long 4, 4, 18",
    ".asciz \"Xen\"",
    ".long entry_pvh",
    ".popsection",

    // Multiboot2 header (specification §3.1.1): architecture 0 is 32-bit protected mode of i386.
    ".pushsection .multiboot2, \"a\"",
    ".balign 8",
    "2: .long 0xe85250d6, 0, 3f - 2b, -(0xe85250d6 + (3f - 2b))",
    // Entry address tag (§3.1.5): the ELF's own entry is for the `bootloader` crate.
    ".balign 8",
    ".short 3, 0",
    ".long 12, entry_multiboot2",
    // Module alignment tag (§3.1.13): modules on page boundaries.
    ".balign 8",
    ".short 6, 0",
    ".long 8",
    // Framebuffer tag (§3.1.10), optional: a picture of 1024 times 768, where there is a screen; 32 bits a
    // pixel. Without this tag the loader would offer text or nothing.
    ".balign 8",
    ".short 5, 1",
    ".long 20, 1024, 768, 32",
    // End tag.
    ".balign 8",
    ".short 0, 0",
    ".long 8",
    "3:",
    ".popsection",

    // Sends al to the first serial port: when the line has room for an octet (line status, bit 5), or there is none.
    // Changes ebx, ecx, dx.
    ".macro send_octet",
    "mov ebx, eax",
    "mov ecx, 100000",
    "mov dx, 0x3fd",
    "8: in al, dx",
    "test al, 0x20",
    "loopz 8b",
    "mov eax, ebx",
    "mov dx, 0x3f8",
    "out dx, al",
    ".endm",

    ".pushsection .text.entry, \"ax\"",
    ".code32",
    ".global entry_multiboot2",
    "entry_multiboot2:",
    "mov esi, {multiboot2}",
    "cmp eax, 0x36d76289",
    "je entry_32",
    "jmp halt_32",

    ".global entry_pvh",
    "entry_pvh:",
    "mov esi, {pvh}",

    // ebx: the loader's information structure. esi: the protocol.
    "entry_32:",
    "cli",
    "cld",
    "mov esp, offset {stack} + {stack_size}",
    "push ebx",
    // Is this a 64-bit processor (CPUID 8000_0001h, EDX bit 29)? edi: what to say if not.
    "mov edi, offset no_long_mode_text",
    "mov eax, 0x80000000",
    "cpuid",
    "cmp eax, 0x80000001",
    "jb refuse_32",
    "mov eax, 0x80000001",
    "cpuid",
    "bt edx, 29",
    "jnc refuse_32",
    // Has it what all code here uses (CPUID 1, EDX): the time stamp counter (4), FXSR, SSE and SSE2 (24 to 26)?
    "mov eax, 1",
    "cpuid",
    "mov edi, offset no_tsc_text",
    "bt edx, 4",
    "jnc refuse_32",
    "mov edi, offset no_sse2_text",
    "and edx, 0x07000000",
    "cmp edx, 0x07000000",
    "jne refuse_32",
    "pop ebx",
    // One entry leads to the page directory pointers, four of those to 2,048 pages of 2 MiB.
    "mov eax, offset {tables} + 0x1000 + 3",
    "mov [{tables}], eax",
    "mov edi, offset {tables} + 0x1000",
    "mov eax, offset {tables} + 0x2000 + 3",
    "mov ecx, 4",
    "4: mov [edi], eax",
    "add eax, 0x1000",
    "add edi, 8",
    "loop 4b",
    "mov edi, offset {tables} + 0x2000",
    "mov eax, 0x83",
    "mov ecx, 2048",
    "5: mov [edi], eax",
    "add eax, 0x200000",
    "add edi, 8",
    "loop 5b",
    // CR4: PAE (5), OSFXSR (9), OSXMMEXCPT (10), and nothing that firmware may have left there: with
    // LA57 (12), these tables would be one level short.
    "mov eax, 0x620",
    "mov cr4, eax",
    "mov eax, offset {tables}",
    "mov cr3, eax",
    // EFER.LME.
    "mov ecx, 0xc0000080",
    "rdmsr",
    "or eax, 0x100",
    "wrmsr",
    // CR0: PG (31), MP (1), PE (0) on; EM (2), TS (3) off; caches on.
    "mov eax, cr0",
    "or eax, 0x80000003",
    "and eax, 0x9ffffff3",
    "mov cr0, eax",
    "lgdt [boot_gdt_pointer]",
    "jmp 8, offset entry_64",

    // Says why on the first serial line and on the first line of a screen in text mode, for whoever watches
    // these, and stops. White on red.
    "refuse_32:",
    "mov esi, edi",
    "mov edi, 0xb8000",
    "mov ah, 0x4f",
    "6: lodsb",
    "test al, al",
    "jz halt_32",
    "cmp al, 0x20",
    "jb 7f",
    "mov [edi], ax",
    "add edi, 2",
    "7: send_octet",
    "jmp 6b",
    "halt_32:",
    "hlt",
    "jmp halt_32",

    "no_long_mode_text: .asciz \"pollux: this processor has no 64-bit mode\\r\\n\"",
    "no_tsc_text: .asciz \"pollux: this processor has no time stamp counter (TSC)\\r\\n\"",
    "no_sse2_text: .asciz \"pollux: this processor has no SSE2\\r\\n\"",
    ".balign 8",
    // Null, 64-bit code, data.
    "boot_gdt: .quad 0, 0x00af9a000000ffff, 0x00cf92000000ffff",
    "boot_gdt_pointer: .short 23",
    ".long boot_gdt",

    ".code64",
    "entry_64:",
    "mov ax, 16",
    "mov ds, ax",
    "mov es, ax",
    "mov ss, ax",
    "xor eax, eax",
    "mov fs, ax",
    "mov gs, ax",
    "mov rsp, offset {stack} + {stack_size}",
    "xor ebp, ebp",
    "mov edi, esi",
    "mov esi, ebx",
    "call {start_direct}",
    "ud2",

    // rdi: the `bootloader` crate's BootInfo.
    ".global entry_bootloader",
    "entry_bootloader:",
    "cli",
    "cld",
    // What the other entries ask for, and this loader does not. That it has 64-bit mode is plain by now.
    "mov eax, 1",
    "cpuid",
    "mov esi, offset no_tsc_text",
    "bt edx, 4",
    "jnc refuse_64",
    "mov esi, offset no_sse2_text",
    "and edx, 0x07000000",
    "cmp edx, 0x07000000",
    "jne refuse_64",
    "mov rax, cr0",
    "or eax, 2",
    "and eax, 0xfffffff3",
    "mov cr0, rax",
    "mov rax, cr4",
    "or eax, 0x600",
    "mov cr4, rax",
    "mov rsp, offset {stack} + {stack_size}",
    "xor ebp, ebp",
    "call {start_bootloader}",
    "ud2",

    // Says why, on the first serial line only: where a screen is, this loader says in memory.
    "refuse_64:",
    "lodsb",
    "test al, al",
    "jz halt_64",
    "send_octet",
    "jmp refuse_64",
    "halt_64:",
    "hlt",
    "jmp halt_64",
    ".popsection",

    multiboot2 = const PROTOCOL_MULTIBOOT2,
    pvh = const PROTOCOL_PVH,
    stack = sym super::super::cpu::stacks::MAIN,
    stack_size = const super::super::cpu::stacks::MAIN_TOP,
    tables = sym BOOT_TABLES,
    start_direct = sym super::start_direct,
    start_bootloader = sym super::start_bootloader,
);

/// The page tables of the first instructions: level 4, level 3, four of level 2. In use only until
/// [`crate::memory`] has made its own.
#[repr(C, align(4096))]
struct BootTables([u8; 6 * 4096]);

static mut BOOT_TABLES: BootTables = BootTables([0; 6 * 4096]);
