//! The registers of the 82540EM and its family, as far as this driver uses them.
//!
//! Sections are those of Intel's "PCI/PCI-X Family of Gigabit Ethernet Controllers Software
//! Developer's Manual" (317453), here "82540EM SDM". Nothing here decides anything: the order in
//! which registers are written is in `bring_up.rs`.

use core::marker::PhantomData;

use bitflags::bitflags;

use crate::registers::RegisterAccess;

/// The octets of registers that the cards of this family have in memory (82540EM SDM §4.1).
pub const REGISTERS_LENGTH: u32 = 0x2_0000;

/// Device control (82540EM SDM §13.4.1).
pub const CTRL: Register<Control> = Register::at(0x0000);
/// Device status (82540EM SDM §13.4.2).
pub const STATUS: Register<Status> = Register::at(0x0008);
/// EEPROM read (82540EM SDM §13.4.4).
pub const EERD: Register<EepromRead> = Register::at(0x0014);
/// A message to the PHY, and its answer (82540EM SDM §13.4.7). See [`phy`].
pub const MDIC: Register<u32> = Register::at(0x0020);
/// Flow control address, lower part (82540EM SDM §13.4.8).
pub const FCAL: Register<u32> = Register::at(0x0028);
/// Flow control address, upper part (82540EM SDM §13.4.9).
pub const FCAH: Register<u32> = Register::at(0x002c);
/// Flow control type (82540EM SDM §13.4.10).
pub const FCT: Register<u32> = Register::at(0x0030);
/// The EtherType by which VLAN tags are known (82540EM SDM §13.4.11).
pub const VET: Register<u32> = Register::at(0x0038);
/// Flow control transmit timer value (82540EM SDM §13.4.12).
pub const FCTTV: Register<u32> = Register::at(0x0170);
/// Extended device control (82574 datasheet §10.2.2.3; 82540EM SDM §13.4.6).
pub const CTRL_EXT: Register<u32> = Register::at(0x0018);
/// Who may use the PHY, software or firmware (82574 datasheet §10.2.2.5).
pub const EXTCNF_CTRL: Register<u32> = Register::at(0x0f00);
/// What guards the next register (82576 datasheet §8.6.1): reading it sets its first bit.
pub const SWSM: Register<u32> = Register::at(0x5b50);
/// What of the card is software's, and what firmware's (82576 datasheet §8.6.3).
pub const SW_FW_SYNC: Register<u32> = Register::at(0x5b5c);
/// Receive filters of PCI Express cards (82574 datasheet §10.2.5.3).
pub const RFCTL: Register<u32> = Register::at(0x5008);
/// PCI Express control (82574 datasheet §10.2.2.16).
pub const GCR: Register<u32> = Register::at(0x5b00);
/// More of it.
pub const GCR2: Register<u32> = Register::at(0x5b64);
/// What a chip set's card takes from its nonvolatile memory, the eleventh of such registers (Linux's e1000e,
/// `E1000_FEXTNVM11`; no datasheet has it).
pub const FEXTNVM11: Register<u32> = Register::at(0x5bbc);
/// Interrupt causes, cleared by reading (82540EM SDM §13.4.17).
pub const ICR: Register<u32> = Register::at(0x00c0);
/// Interrupt throttling (82540EM SDM §13.4.18).
pub const ITR: Register<u32> = Register::at(0x00c4);
/// Interrupt mask clear (82540EM SDM §13.4.21).
pub const IMC: Register<u32> = Register::at(0x00d8);
/// Receive control (82540EM SDM §13.4.22).
pub const RCTL: Register<ReceiveControl> = Register::at(0x0100);
/// Transmit control (82540EM SDM §13.4.33).
pub const TCTL: Register<TransmitControl> = Register::at(0x0400);
/// Transmit inter-packet gap (82540EM SDM §13.4.34).
pub const TIPG: Register<u32> = Register::at(0x0410);
/// Adaptive inter-frame spacing throttle (82540EM SDM §13.4.35).
pub const AIT: Register<u32> = Register::at(0x0458);
/// Flow control receive threshold, low (82540EM SDM §13.4.23).
pub const FCRTL: Register<u32> = Register::at(0x2160);
/// Flow control receive threshold, high (82540EM SDM §13.4.24).
pub const FCRTH: Register<u32> = Register::at(0x2168);
/// Receive descriptor base address, lower part (82540EM SDM §13.4.25).
pub const RDBAL: Register<u32> = Register::at(0x2800);
/// Receive descriptor base address, upper part (82540EM SDM §13.4.26).
pub const RDBAH: Register<u32> = Register::at(0x2804);
/// Octets of the receive ring (82540EM SDM §13.4.27).
pub const RDLEN: Register<u32> = Register::at(0x2808);
/// Receive descriptor head (82540EM SDM §13.4.28).
pub const RDH: Register<u32> = Register::at(0x2810);
/// Receive descriptor tail (82540EM SDM §13.4.29).
pub const RDT: Register<u32> = Register::at(0x2818);
/// Receive interrupt delay (82540EM SDM §13.4.30).
pub const RDTR: Register<u32> = Register::at(0x2820);
/// Receive descriptor control: prefetch and write-back thresholds (82540EM SDM §13.4.46).
pub const RXDCTL: Register<u32> = Register::at(0x2828);
/// Receive absolute interrupt delay (82540EM SDM §13.4.31).
pub const RADV: Register<u32> = Register::at(0x282c);
/// Transmit descriptor base address, lower part (82540EM SDM §13.4.36).
pub const TDBAL: Register<u32> = Register::at(0x3800);
/// Transmit descriptor base address, upper part (82540EM SDM §13.4.37).
pub const TDBAH: Register<u32> = Register::at(0x3804);
/// Octets of the transmit ring (82540EM SDM §13.4.38).
pub const TDLEN: Register<u32> = Register::at(0x3808);
/// Transmit descriptor head (82540EM SDM §13.4.39).
pub const TDH: Register<u32> = Register::at(0x3810);
/// Transmit descriptor tail (82540EM SDM §13.4.40).
pub const TDT: Register<u32> = Register::at(0x3818);
/// Transmit interrupt delay (82540EM SDM §13.4.41).
pub const TIDV: Register<u32> = Register::at(0x3820);
/// Transmit descriptor control: prefetch and write-back thresholds (82540EM SDM §13.4.43).
pub const TXDCTL: Register<u32> = Register::at(0x3828);
/// Transmit absolute interrupt delay (82540EM SDM §13.4.44).
pub const TADV: Register<u32> = Register::at(0x382c);
/// Receive checksum control (82540EM SDM §13.4.47).
pub const RXCSUM: Register<u32> = Register::at(0x5000);
/// Multicast table array, one bit for each of 4,096 hashes (82540EM SDM §13.5.1).
pub const MTA: RegisterArray<128> = RegisterArray::at(0x5200, 4);
/// Receive addresses, lower four octets (82540EM SDM §13.5.2).
pub const RAL: RegisterArray<16> = RegisterArray::at(0x5400, 8);
/// Receive addresses, upper two octets and [`ADDRESS_VALID`] (82540EM SDM §13.5.3).
pub const RAH: RegisterArray<16> = RegisterArray::at(0x5404, 8);
/// VLAN filter table array, one bit for each VID (82540EM SDM §13.5.4).
pub const VFTA: RegisterArray<128> = RegisterArray::at(0x5600, 4);
/// Wake-up control (82540EM SDM §13.6.1).
pub const WUC: Register<u32> = Register::at(0x5800);
/// Wake-up filter control (82540EM SDM §13.6.2).
pub const WUFC: Register<u32> = Register::at(0x5808);
/// Management control (82540EM SDM table 13-2).
pub const MANC: Register<Management> = Register::at(0x5820);

/// More receive addresses, lower four octets (82576 datasheet §8.10.17).
pub const RAL_MORE: RegisterArray<16> = RegisterArray::at(0x54e0, 8);
/// More receive addresses, upper two octets (82576 datasheet §8.10.18).
pub const RAH_MORE: RegisterArray<16> = RegisterArray::at(0x54e4, 8);
/// Split and replication receive control of the first queue, by the address that it shares with the cards
/// of before, as do all registers of that queue (82576 datasheet §8.10.2).
pub const SRRCTL: Register<u32> = Register::at(0x280c);
/// Where the first queue's transmit head is written to, lower part (82576 datasheet §8.12.16).
pub const TDWBAL: Register<u32> = Register::at(0x3838);
/// The upper part of it.
pub const TDWBAH: Register<u32> = Register::at(0x383c);
/// Extended interrupt mask clear (82576 datasheet §8.8.4).
pub const EIMC: Register<u32> = Register::at(0x1528);
/// Multiple receive queues command (82576 datasheet §8.10.9).
pub const MRQC: Register<u32> = Register::at(0x5818);
/// Virtual machines' control (82576 datasheet §8.14.1).
pub const VT_CTL: Register<u32> = Register::at(0x581c);
/// Table of further stations to receive for (82576 datasheet §8.10.21).
pub const UTA: RegisterArray<128> = RegisterArray::at(0xa000, 4);
/// PHY power management (I210 datasheet §8.27.3).
pub const PHPM: Register<u32> = Register::at(0x0e14);
/// Receive packet buffer size (I210 datasheet §8.3.1).
pub const RXPBS: Register<u32> = Register::at(0x2404);
/// Transmit packet buffer size (I210 datasheet §8.3.2).
pub const TXPBS: Register<u32> = Register::at(0x3404);

/// In [`RXDCTL`] and [`TXDCTL`] of cards with advanced descriptors: the queue is enabled, or is to be (82576
/// datasheet §8.10.8, §8.12.14).
pub const QUEUE_ENABLE: u32 = 1 << 25;
/// In [`SRRCTL`]: advanced descriptors of one buffer each, which takes 2 KiB.
pub const ONE_BUFFER: u32 = 1 << 25 | 2;
/// In [`PHPM`]: leave the link down.
pub const GO_LINK_DISCONNECT: u32 = 1 << 5;
/// In [`RXPBS`] and [`TXPBS`]: how power-on divides the memory.
pub const RECEIVE_BUFFER_DEFAULT: u32 = 0xa2;
/// See [`RECEIVE_BUFFER_DEFAULT`].
pub const TRANSMIT_BUFFER_DEFAULT: u32 = 0x0400_0014;
/// In [`CTRL_EXT`] of cards with advanced descriptors: a driver has the card, and firmware leaves it to it.
pub const DRIVER_LOADED: u32 = 1 << 28;
/// In [`RFCTL`] of cards with advanced descriptors: look at no extension headers of IPv6 (82576 datasheet
/// §8.10.3).
pub const NO_IPV6_EXTENSIONS: u32 = 1 << 16 | 1 << 17;

/// In [`EXTCNF_CTRL`]: the PHY is software's (82574 datasheet §10.2.2.5).
pub const PHY_IS_OURS: u32 = 1 << 5;
/// In [`SWSM`]: some software has it (SMBI).
pub const GUARD_OF_SOFTWARE: u32 = 1 << 0;
/// In [`SWSM`]: software has it, and firmware has not (SWESMBI); it stays as it is where firmware has.
pub const GUARD_OF_FIRMWARE: u32 = 1 << 1;
/// In [`FEXTNVM11`]: fetch no several descriptors at a time, so that a ring can be flushed (`DISABLE_MULR_FIX`
/// there).
pub const ONE_AT_A_TIME: u32 = 1 << 13;
/// Where in an I219's configuration space it says how its rings are, and the bit that they hold frames
/// (`PCICFG_DESC_RING_STATUS` there).
pub const RING_STATUS: u16 = 0xe4;
/// See [`RING_STATUS`].
pub const RINGS_HOLD_FRAMES: u32 = 1 << 8;
/// In [`RXCSUM`]: add up IPv4 headers, and TCP and UDP behind them (82574 datasheet §10.2.5.15 IPOFLD, TUOFLD).
pub const VERIFY_CHECKSUMS: u32 = 1 << 8 | 1 << 9;
/// In [`RFCTL`]: look at no acknowledgments of TCP, and at no extension headers of IPv6, over whose
/// malformed ones the receiver of some cards hangs (82574 datasheet §10.2.5.3; as Intel's own driver).
pub const NO_PARSING: u32 = 1 << 12 | 1 << 16 | 1 << 17;

/// In [`RAH`]: compare this address with what arrives (82540EM SDM §13.5.3).
pub const ADDRESS_VALID: u32 = 1 << 31;

/// What [`MDIC`] holds: a register's number and what is to be done with it, for the PHY at address 1, where all of
/// the family have it (82540EM SDM §13.4.7; the PHY's registers are those of IEEE 802.3 §22.2.4).
pub mod phy {
    /// Write the value in bits 15:0.
    pub const WRITE: u32 = 1 << 26 | 1 << 21;
    /// Read.
    pub const READ: u32 = 2 << 26 | 1 << 21;
    /// It is done, and what was read stands in bits 15:0.
    pub const READY: u32 = 1 << 28;
    /// It could not be done.
    pub const ERROR: u32 = 1 << 30;

    /// The control register: [`NEGOTIATE`].
    pub const CONTROL: u32 = 0;
    /// The status register: [`NEGOTIATED`].
    pub const STATUS: u32 = 1 << 16;

    /// Power on, and begin to negotiate.
    pub const NEGOTIATE: u32 = 1 << 12 | 1 << 9;
    /// Negotiation is complete.
    pub const NEGOTIATED: u32 = 1 << 5;
}

bitflags! {
    /// What [`CTRL`] holds.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Control: u32 {
        /// Full duplex, where it is not negotiated.
        const FD = 1 << 0;
        /// On PCI Express: reach memory no more.
        const GIO_MASTER_DISABLE = 1 << 2;
        /// Link reset.
        const LRST = 1 << 3;
        /// Take the speed from the PHY.
        const ASDE = 1 << 5;
        /// Set link up: let the MAC talk to the PHY.
        const SLU = 1 << 6;
        /// Invert loss of signal.
        const ILOS = 1 << 7;
        /// Force the speed of bits 9:8.
        const FRCSPD = 1 << 11;
        /// Force the duplex of `FD`.
        const FRCDPX = 1 << 12;
        /// Values and directions of the software-definable pins, which the board's wiring needs.
        const SOFTWARE_PINS = 0xff << 18;
        /// Reset everything but the PHY and the PCI side; clears itself.
        const RST = 1 << 26;
        /// Obey pause frames.
        const RFCE = 1 << 27;
        /// Send pause frames.
        const TFCE = 1 << 28;
        /// Take VLAN tags out of frames received, and put them into frames sent.
        const VME = 1 << 30;
        /// Hold the PHY in reset.
        const PHY_RST = 1 << 31;
    }

    /// What [`STATUS`] holds.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Status: u32 {
        /// Full duplex.
        const FD = 1 << 0;
        /// Link up.
        const LU = 1 << 1;
        /// It was asked for a pause, and sends nothing until that ends.
        const TXOFF = 1 << 4;
        /// On PCI Express: the card may reach memory, or still does.
        const GIO_MASTER_ENABLE = 1 << 19;
        /// 100 Mbit/s, unless the next bit says otherwise; 10 Mbit/s where neither is set.
        const SPEED_100 = 1 << 6;
        /// 1,000 Mbit/s, whatever the bit before says.
        const SPEED_1000 = 1 << 7;
    }

    /// What [`EERD`] holds, besides the address, whose place differs, and the word read in bits 31:16.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct EepromRead: u32 {
        /// Read the word at the address.
        const START = 1 << 0;
        /// The word is there, on cards of [`Eeprom::Late`](super::cards::Eeprom::Late).
        const DONE_LATE = 1 << 1;
        /// The word is there, on cards of [`Eeprom::Early`](super::cards::Eeprom::Early).
        const DONE_EARLY = 1 << 4;
    }

    /// What [`RCTL`] holds. A buffer of 2,048 octets is the value 0 of BSIZE and BSEX.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct ReceiveControl: u32 {
        /// Receive.
        const EN = 1 << 1;
        /// Store bad frames.
        const SBP = 1 << 2;
        /// Receive every frame that is addressed to a station.
        const UPE = 1 << 3;
        /// Receive every frame that is addressed to a group.
        const MPE = 1 << 4;
        /// Receive frames of more than 1,522 octets.
        const LPE = 1 << 5;
        /// Receive frames that are addressed to all.
        const BAM = 1 << 15;
        /// Discard tagged frames whose VID has no bit in [`VFTA`].
        const VFE = 1 << 18;
        /// Discard tagged frames by their canonical form (now drop eligible) bit.
        const CFIEN = 1 << 19;
        /// Leave the check sequence out of the buffer and of the length.
        const SECRC = 1 << 26;
    }

    /// What [`TCTL`] holds.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct TransmitControl: u32 {
        /// Transmit.
        const EN = 1 << 1;
        /// Pad short frames.
        const PSP = 1 << 3;
        /// Collision threshold: 15 attempts, as recommended.
        const CT_15 = 0xf << 4;
        /// Collision distance: 64 octets, as recommended for full duplex.
        const COLD_64 = 0x40 << 12;
    }

    /// What [`MANC`] holds.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Management: u32 {
        /// The card answers or swallows ARP requests itself.
        const ARP_EN = 1 << 13;
    }
}

/// A register at a fixed offset that holds a `T`.
#[derive(Debug)]
pub struct Register<T> {
    offset: u32,
    holds: PhantomData<T>,
}

impl<T> Register<T> {
    pub(super) const fn at(offset: u32) -> Self {
        assert!(offset.is_multiple_of(4) && offset < REGISTERS_LENGTH);
        Self {
            offset,
            holds: PhantomData,
        }
    }

    /// Where the register is, in octets.
    pub const fn offset(&self) -> u32 {
        self.offset
    }
}

/// `N` registers of a kind, `stride` octets apart.
#[derive(Debug)]
pub struct RegisterArray<const N: usize> {
    offset: u32,
    stride: u32,
}

impl<const N: usize> RegisterArray<N> {
    const fn at(offset: u32, stride: u32) -> Self {
        assert!(offset.is_multiple_of(4) && offset + N as u32 * stride <= REGISTERS_LENGTH);
        Self { offset, stride }
    }

    /// The registers, in order.
    pub fn iter(&self) -> impl Iterator<Item = Register<u32>> + use<N> {
        let Self { offset, stride } = *self;
        (0..N as u32).map(move |index| Register {
            offset: offset + index * stride,
            holds: PhantomData,
        })
    }

    /// The first of the registers.
    pub const fn first(&self) -> Register<u32> {
        Register::at(self.offset)
    }
}

/// What a register can hold.
pub trait Value {
    /// From what the device says; bits without a name are kept.
    fn from_register(bits: u32) -> Self;
    /// What the device is told.
    fn into_register(self) -> u32;
}

impl Value for u32 {
    fn from_register(bits: u32) -> Self {
        bits
    }

    fn into_register(self) -> u32 {
        self
    }
}

macro_rules! flags_are_values {
    ($($flags:ty),*) => {$(
        impl Value for $flags {
            fn from_register(bits: u32) -> Self {
                Self::from_bits_retain(bits)
            }

            fn into_register(self) -> u32 {
                self.bits()
            }
        }
    )*};
}

flags_are_values!(
    Control,
    Status,
    EepromRead,
    ReceiveControl,
    TransmitControl,
    Management
);

/// A card's registers, by type instead of by offset.
#[derive(Debug)]
pub struct Registers<R>(pub R);

impl<R: RegisterAccess> Registers<R> {
    /// Reads a register.
    #[inline]
    pub fn read<T: Value>(&self, register: Register<T>) -> T {
        T::from_register(self.0.read(register.offset))
    }

    /// Writes a register.
    #[inline]
    pub fn write<T: Value>(&mut self, register: Register<T>, value: T) {
        self.0.write(register.offset, value.into_register());
    }

    /// Makes sure that the device has seen what was written, by reading a register that reading does
    /// not change.
    pub fn flush(&self) {
        let _ = self.read(STATUS);
    }

    /// Writes a table, each word seen by the device before the next: bridges may merge writes to
    /// neighbouring words, and the tables take words only (82540EM SDM §13.5.1).
    pub fn write_table<const N: usize>(
        &mut self,
        table: &RegisterArray<N>,
        words: impl IntoIterator<Item = u32>,
    ) {
        for (register, word) in table.iter().zip(words) {
            self.write(register, word);
            self.flush();
        }
    }
}
