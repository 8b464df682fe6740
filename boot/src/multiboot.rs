//! Checks that GRUB will take a kernel, before the user carries a stick to a machine to find out. Pure.

use zerocopy::FromBytes;
use zerocopy::little_endian::{U16, U32};

/// The header must lie in this many first bytes of the file (Multiboot2 §3.1.1).
const SEARCHED_BYTES: usize = 32 * 1024;
/// ... at a multiple of this many bytes.
const ALIGNMENT_BYTES: usize = 8;
/// The first word of the header (Multiboot2 §3.1.2).
const MAGIC: u32 = 0xe852_50d6;
/// 32-bit protected mode of i386, the state in which GRUB enters the kernel.
const ARCHITECTURE_I386: u32 = 0;

/// The start of an ELF file (System V gABI, ELF header), up to the machine.
#[derive(FromBytes)]
#[repr(C)]
struct ElfStart {
    magic: [u8; 4],
    class: u8,
    order: u8,
    _ident: [u8; 10],
    kind: U16,
    machine: U16,
}

/// The fixed part of a Multiboot2 header (Multiboot2 §3.1.2).
#[derive(FromBytes)]
#[repr(C)]
struct Header {
    magic: U32,
    architecture: U32,
    length_bytes: U32,
    checksum: U32,
}

const _: () = assert!(size_of::<ElfStart>() == 20);
const _: () = assert!(size_of::<Header>() == 16);

/// Why GRUB would not start a file.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// The file is of some other format.
    #[error("is no ELF file")]
    NotElf,
    /// An ELF file for another machine, or not an executable at a fixed address.
    #[error("is no static 64-bit x86 executable")]
    NotX86Executable,
    /// No header where GRUB looks for one.
    #[error("has no Multiboot2 header in its first 32 KiB, so GRUB would not start it")]
    NoHeader,
}

/// Checks that `file` is an x86-64 executable with a Multiboot2 header where GRUB looks for one.
///
/// # Errors
///
/// [`Error`], one variant per cause.
pub fn check(file: &[u8]) -> Result<(), Error> {
    const ELF_CLASS_64: u8 = 2;
    const ELF_LITTLE_ENDIAN: u8 = 1;
    const ELF_EXECUTABLE: u16 = 2;
    const ELF_X86_64: u16 = 62;

    let (start, _) = ElfStart::read_from_prefix(file).map_err(|_| Error::NotElf)?;
    if start.magic != *b"\x7fELF" {
        return Err(Error::NotElf);
    }
    let format = (
        start.class,
        start.order,
        start.kind.get(),
        start.machine.get(),
    );
    if format != (ELF_CLASS_64, ELF_LITTLE_ENDIAN, ELF_EXECUTABLE, ELF_X86_64) {
        return Err(Error::NotX86Executable);
    }
    let searched = &file[..file.len().min(SEARCHED_BYTES)];
    if (0..searched.len())
        .step_by(ALIGNMENT_BYTES)
        .any(|at| has_header(&searched[at..]))
    {
        Ok(())
    } else {
        Err(Error::NoHeader)
    }
}

/// Does a whole header, its four words adding up to zero, begin at the first of these `bytes`?
fn has_header(bytes: &[u8]) -> bool {
    let Ok((header, _)) = Header::read_from_prefix(bytes) else {
        return false;
    };
    let sum = [
        header.magic,
        header.architecture,
        header.length_bytes,
        header.checksum,
    ]
    .iter()
    .fold(0u32, |sum, word| sum.wrapping_add(word.get()));
    header.magic == MAGIC
        && header.architecture == ARCHITECTURE_I386
        && sum == 0
        && header.length_bytes.get() as usize <= bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of `length` bytes that is an ELF executable with a Multiboot2 header at `offset`.
    fn kernel(length: usize, offset: usize) -> Vec<u8> {
        let mut file = vec![0; length];
        file[..20].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0");
        let header = [MAGIC, ARCHITECTURE_I386, 16, 0u32.wrapping_sub(MAGIC + 16)];
        for (index, word) in header.into_iter().enumerate() {
            file[offset + 4 * index..][..4].copy_from_slice(&word.to_le_bytes());
        }
        file
    }

    #[test]
    fn takes_a_header_anywhere_in_the_first_32_kib() {
        for offset in [24, 4096, SEARCHED_BYTES - 16] {
            assert_eq!(check(&kernel(65536, offset)), Ok(()), "at {offset}");
        }
    }

    #[test]
    fn refuses_a_header_where_grub_does_not_look() {
        for offset in [28, SEARCHED_BYTES - 8, SEARCHED_BYTES] {
            assert_eq!(
                check(&kernel(65536, offset)),
                Err(Error::NoHeader),
                "at {offset}"
            );
        }
    }

    #[test]
    fn refuses_a_header_with_one_bit_wrong() {
        for byte in 64..80 {
            let mut file = kernel(4096, 64);
            file[byte] ^= 1;
            assert_eq!(check(&file), Err(Error::NoHeader), "byte {byte}");
        }
    }

    #[test]
    fn refuses_what_is_no_x86_64_executable() {
        assert_eq!(check(b""), Err(Error::NotElf));
        assert_eq!(
            check(b"#!/bin/sh\n# long enough to hold a header"),
            Err(Error::NotElf)
        );
        for (byte, value) in [(4, 1), (5, 2), (16, 3), (18, 40)] {
            let mut file = kernel(4096, 64);
            file[byte] = value;
            assert_eq!(check(&file), Err(Error::NotX86Executable), "byte {byte}");
        }
    }
}
