//! Where virtio devices stand that are on no bus (virtio 1.2 §4.2.3): by the command line's word
//! `virtio_mmio.device=SIZE@BASE:IRQ`, as Linux has it, and by ACPI's devices `LNRO0005`. A monitor gives
//! the one or the other.
//!
//! Nothing is read of the devices themselves here.

use crate::boot::options::Words;
use crate::firmware;
use core::fmt;
use heapless::Vec;

/// How many blocks of registers are looked at: QEMU has places for 24 devices.
pub const CAPACITY: usize = 64;

/// The word on the command line.
const WORD: &str = "virtio_mmio.device=";

/// The name by which ACPI has such a device, as a string with its end.
const HARDWARE_ID: &[u8] = b"LNRO0005\0";
/// A resource of 32-bit addresses that do not change, and how long it is behind its first three octets
/// (ACPI 6.5 §6.4.3.4).
const FIXED_MEMORY: [u8; 3] = [0x86, 9, 0];
/// How far behind the name the resource is looked for, in octets: QEMU's is 26 behind.
const RESOURCE_REACH: usize = 128;

/// Fewer registers than this do not make a device (virtio 1.2 §4.2.2).
const SMALLEST: u64 = 0x100;

/// A block of registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its physical address.
    pub base: u64,
    /// Octets.
    pub size: u32,
}

impl Block {
    fn new(base: u64, size: u64) -> Option<Self> {
        let size = u32::try_from(size).ok()?;
        let is_sound = base != 0
            && base.is_multiple_of(4)
            && base.checked_add(u64::from(size)).is_some()
            && u64::from(size) >= SMALLEST;
        is_sound.then_some(Self { base, size })
    }
}

/// A word that was not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadWord<'line>(&'line str);

impl fmt::Display for BadWord<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "boot command line: '{}' ignored: expected {WORD}SIZE@BASE:IRQ as in {WORD}512@0xfeb00000:5, with a size of {SMALLEST} or more and a base that is a multiple of 4",
            self.0
        )
    }
}

/// The blocks that are known, in the order in which they were named, each once.
#[derive(Debug, Default)]
pub struct Blocks {
    blocks: Vec<Block, CAPACITY>,
    left_out: usize,
}

impl Blocks {
    /// Those that the command line or the tables behind `rsdp` name.
    pub fn find(command_line: &str, rsdp: Option<u64>) -> Self {
        let mut blocks = Self::default();
        blocks.add_named(command_line, |word| log::warn!("{word}"));
        if let Some(tables) = rsdp.and_then(|rsdp| firmware::tables(rsdp).ok()) {
            // A machine without such tables has other ways to name its devices.
            let _ = firmware::look_at_code(&tables, |code| blocks.add_described(code));
        }
        if blocks.left_out > 0 {
            log::warn!(
                "virtio-mmio: {} places for devices are one too many each",
                blocks.left_out
            );
        }
        blocks
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Block> + '_ {
        self.blocks.iter().copied()
    }

    /// Adds a block, unless it is known.
    fn add(&mut self, block: Block) {
        if self.blocks.iter().any(|known| known.base == block.base) {
            return;
        }
        if self.blocks.push(block).is_err() {
            self.left_out += 1;
        }
    }

    fn add_named<'line>(&mut self, line: &'line str, mut report: impl FnMut(BadWord<'line>)) {
        for word in Words(line) {
            let Some(value) = word.strip_prefix(WORD) else {
                continue;
            };
            match parse(value) {
                Some(block) => self.add(block),
                None => report(BadWord(word)),
            }
        }
    }

    /// Adds the blocks that the code of ACPI describes, without a whole interpreter of its language: a
    /// device of this kind is a name and a constant resource on every machine that has one.
    fn add_described(&mut self, code: &[u8]) {
        let mut rest = code;
        while let Some(at) = position(rest, HARDWARE_ID) {
            rest = rest.get(at + HARDWARE_ID.len()..).unwrap_or_default();
            // What follows, up to the next device.
            let end = position(rest, HARDWARE_ID).unwrap_or(rest.len());
            let near = rest.get(..end.min(RESOURCE_REACH)).unwrap_or_default();
            if let Some(block) = fixed_memory(near) {
                self.add(block);
            }
        }
    }
}

/// `SIZE@BASE:IRQ[:ID]`, of which the interrupt is not used.
fn parse(value: &str) -> Option<Block> {
    let (size, place) = value.split_once('@')?;
    let (base, rest) = place.split_once(':')?;
    rest.split(':')
        .all(|number| number.parse::<u32>().is_ok())
        .then_some(())?;
    Block::new(number(base)?, number(size)?)
}

/// A number as Linux reads sizes: decimal, or hexadecimal behind `0x`, and perhaps K, M or G behind it.
fn number(word: &str) -> Option<u64> {
    let (digits, shift) = match word.as_bytes().last()? {
        b'K' | b'k' => (word.get(..word.len() - 1)?, 10),
        b'M' | b'm' => (word.get(..word.len() - 1)?, 20),
        b'G' | b'g' => (word.get(..word.len() - 1)?, 30),
        _ => (word, 0),
    };
    let value = match digits.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => digits.parse(),
    };
    value.ok()?.checked_mul(1 << shift)
}

/// The first fixed memory resource in `code`.
fn fixed_memory(code: &[u8]) -> Option<Block> {
    let at = position(code, &FIXED_MEMORY)?;
    // Behind the heading: whether it can be written, the base, the length.
    let fields = code.get(at + FIXED_MEMORY.len() + 1..)?;
    let (base, rest) = fields.split_first_chunk()?;
    let (length, _) = rest.split_first_chunk()?;
    Block::new(
        u64::from(u32::from_le_bytes(*base)),
        u64::from(u32::from_le_bytes(*length)),
    )
}

/// Where `pattern` begins in `code`.
fn position(code: &[u8], pattern: &[u8]) -> Option<usize> {
    code.windows(pattern.len())
        .position(|window| window == pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(line: &str) -> (std::vec::Vec<(u64, u32)>, std::vec::Vec<String>) {
        let (mut blocks, mut reports) = (Blocks::default(), std::vec::Vec::new());
        blocks.add_named(line, |word| reports.push(word.to_string()));
        let found = blocks.iter().map(|block| (block.base, block.size));
        (found.collect(), reports)
    }

    #[test]
    fn words_are_understood_as_linux_understands_them() {
        // QEMU's, Firecracker's, and one with all that may be there.
        let line = "quiet virtio_mmio.device=512@0xfeb02e00:12 virtio_mmio.device=4K@0xd0000000:5 \
                    pollux.test virtio_mmio.device=0x200@3G:7:0";
        let (blocks, reports) = named(line);
        assert_eq!(
            blocks,
            [(0xfeb0_2e00, 512), (0xd000_0000, 4096), (3 << 30, 512)]
        );
        assert_eq!(reports, [""; 0]);
    }

    #[test]
    fn a_block_named_twice_is_one() {
        let (blocks, _) = named("virtio_mmio.device=1K@4096:1 virtio_mmio.device=512@0x1000:2");
        assert_eq!(blocks, [(4096, 1024)]);
    }

    #[test]
    fn words_that_cannot_be_are_named_and_passed_over() {
        for value in [
            "",
            "512",
            "512@0xfeb00000",
            "512@:5",
            "@0xfeb00000:5",
            "512@0xfeb00000:",
            "512@0xfeb00000:x",
            "512@0xfeb00000:5:",
            "255@0xfeb00000:5",
            "512@0xfeb00002:5",
            "512@0:5",
            "4G@0xfeb00000:5",
            "-1@0xfeb00000:5",
            "512@0x1ffffffffffffffff:5",
            "512@0xffffffffffffff00:5",
            "17179869184G@4096:5",
        ] {
            let word = format!("virtio_mmio.device={value}");
            let (blocks, reports) = named(&word);
            assert_eq!(blocks, [], "{value}");
            let [report] = &reports[..] else {
                panic!("{value}: {reports:?}");
            };
            assert!(
                report.contains(&word) && report.contains("SIZE@BASE:IRQ"),
                "{report}"
            );
        }
    }

    /// A device as QEMU describes it: `_HID`, `_UID`, `_CCA`, `_CRS`.
    fn device(uid: u8, base: u32) -> std::vec::Vec<u8> {
        let mut code = b"\x5b\x82\x3fVR00\x08_HID\x0dLNRO0005\0\x08_UID\x0a".to_vec();
        code.push(uid);
        code.extend(b"\x08_CCA\x01\x08_CRS\x11\x1a\x0a\x17\x86\x09\x00\x01");
        code.extend(base.to_le_bytes());
        code.extend(512_u32.to_le_bytes());
        code.extend(b"\x89\x06\x00\x01\x01\x10\x00\x00\x00\x79\x00");
        code
    }

    fn described(code: &[u8]) -> std::vec::Vec<Block> {
        let mut blocks = Blocks::default();
        blocks.add_described(code);
        blocks.iter().collect()
    }

    #[test]
    fn devices_that_acpi_describes_are_found_in_their_order() {
        let mut code = b"\x10\x0f_SB_".to_vec();
        for (uid, base) in [(23, 0xfeb0_2e00), (22, 0xfeb0_2c00)] {
            code.extend(device(uid, base));
        }
        let block = |base| Block { base, size: 512 };
        assert_eq!(described(&code), [block(0xfeb0_2e00), block(0xfeb0_2c00)]);
    }

    #[test]
    fn a_device_does_not_take_the_resource_of_the_next() {
        let whole = device(1, 0x1000);
        let cut = whole.len() - 30;
        let code = [&whole[..cut], &device(2, 0x2000)].concat();
        let block = Block {
            base: 0x2000,
            size: 512,
        };
        assert_eq!(described(&code), [block]);
    }

    #[test]
    fn code_that_is_cut_short_or_damaged_does_no_harm() {
        let whole = [device(1, 0x1000), device(2, 0x2000)].concat();
        for length in 0..whole.len() {
            assert!(described(&whole[..length]).len() <= 2);
        }
        for place in 0..whole.len() {
            let mut code = whole.clone();
            code[place] ^= 0xff;
            assert!(described(&code).len() <= 2);
        }
        let many: std::vec::Vec<u8> = (1..=100)
            .flat_map(|uid| device(uid, u32::from(uid) << 12))
            .collect();
        assert_eq!(described(&many).len(), CAPACITY);
    }
}
