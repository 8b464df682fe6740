//! Configuration space with the functions that a test puts there.

use super::{ConfigRegionAccess, PciAddress, functions};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::vec::Vec;

/// The space.
#[derive(Default)]
pub struct FakeSpace {
    functions: RefCell<BTreeMap<PciAddress, FakeFunction>>,
}

#[derive(Clone, Default)]
struct FakeFunction {
    words: BTreeMap<u16, u32>,
    /// Which bits of a register can be written; all, where nothing is said.
    writable: BTreeMap<u16, u32>,
    /// Which bits of a register are cleared by writing them.
    clearable: BTreeMap<u16, u32>,
    /// Nothing may be written to it.
    is_forbidden: bool,
}

impl ConfigRegionAccess for FakeSpace {
    unsafe fn read(&self, address: PciAddress, offset: u16) -> u32 {
        match self.functions.borrow().get(&address) {
            Some(function) => function.words.get(&offset).copied().unwrap_or(0),
            None => u32::MAX,
        }
    }

    unsafe fn write(&self, address: PciAddress, offset: u16, value: u32) {
        if let Some(function) = self.functions.borrow_mut().get_mut(&address) {
            assert!(!function.is_forbidden, "{address} was written to");
            let decoding = function.words.get(&0x04).copied().unwrap_or(0) & 0b11 != 0;
            assert!(
                !(decoding && (0x10..0x28).contains(&offset)),
                "a base address register was changed while the function decodes"
            );
            let writable = function.writable.get(&offset).copied().unwrap_or(u32::MAX);
            let clearable = function.clearable.get(&offset).copied().unwrap_or(0);
            let word = function.words.entry(offset).or_default();
            *word = (*word & !writable | value & writable) & !(value & clearable);
        }
    }
}

impl FakeSpace {
    pub fn put(&self, bus: u8, device: u8, function: u8, words: &[(u16, u32)]) -> PciAddress {
        let address = PciAddress::new(0, bus, device, function);
        let fake = FakeFunction {
            words: words.iter().copied().collect(),
            ..FakeFunction::default()
        };
        self.functions.borrow_mut().insert(address, fake);
        address
    }

    pub fn make_writable(&self, address: PciAddress, offset: u16, bits: u32) {
        let mut functions = self.functions.borrow_mut();
        let function = functions.get_mut(&address).unwrap();
        function.writable.insert(offset, bits);
    }

    pub fn make_clearable(&self, address: PciAddress, offset: u16, bits: u32) {
        let mut functions = self.functions.borrow_mut();
        let function = functions.get_mut(&address).unwrap();
        function.clearable.insert(offset, bits);
    }

    pub fn set(&self, address: PciAddress, offset: u16, word: u32) {
        let mut functions = self.functions.borrow_mut();
        let function = functions.get_mut(&address).unwrap();
        function.words.insert(offset, word);
    }

    /// From now on a write to it is an error.
    pub fn forbid(&self, address: PciAddress) {
        let mut functions = self.functions.borrow_mut();
        functions.get_mut(&address).unwrap().is_forbidden = true;
    }

    pub fn word(&self, address: PciAddress, offset: u16) -> u32 {
        self.functions.borrow()[&address].words[&offset]
    }

    pub fn found(&self) -> Vec<PciAddress> {
        functions(self).map(|function| function.address).collect()
    }
}

pub const E1000: u32 = 0x100e_8086;
pub const BRIDGE_HEADER: u32 = 0x0001_0000;
pub const MULTIPLE: u32 = 0x0080_0000;
