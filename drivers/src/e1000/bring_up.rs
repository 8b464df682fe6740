//! From whatever state firmware left a card in to one that receives and sends.
//!
//! Two steps, so that the card is never allowed to reach memory while rings of firmware's may still
//! be live: [`Quiet::reset`] stops it and needs its registers only; then the caller lets it reach
//! memory, and [`Quiet::start`] gives it its rings. Every register that matters is programmed, and
//! none trusted to come out of the reset with its default: some models of the card (QEMU's among
//! them) keep everything.

use pollux_net::device::Link;
use pollux_net::vlan::VlanSet;
use pollux_net::wire::ethernet::{EtherType, MacAddress};

use super::registers::*;
use super::ring::{Placement, ReceiveRing, TransmitRing};
use super::statistics::Statistics;
use super::{Card, E1000, E1000Error};
use crate::dma::DmaRegion;
use crate::exchange::Exchange;
use crate::registers::RegisterAccess;

/// How long frames under way may take to finish once both directions are off, and the EEPROM to be
/// read again after a reset (both as Intel's own driver has it for this family).
const SETTLE_MICROSECONDS: u32 = 10_000;
const RELOAD_MICROSECONDS: u32 = 5_000;
/// How often the reset bit is looked at after that, and how long is waited in between.
const RESET_POLLS: u32 = 20;
const RESET_POLL_MICROSECONDS: u32 = 1_000;
/// The same for a word of the EEPROM, which takes some 100 µs.
const EEPROM_POLLS: u32 = 1_000;
const EEPROM_POLL_MICROSECONDS: u32 = 10;

/// Inter-packet gap for copper: IPGT 10, IPGR1 8, IPGR2 6 (82540EM SDM §13.4.34).
const COPPER_GAP: u32 = 10 | 8 << 10 | 6 << 20;
/// Write received descriptors back one by one, and count in descriptors, not cache lines
/// (82540EM SDM §13.4.46: GRAN, WTHRESH 1).
const RECEIVE_THRESHOLDS: u32 = 1 << 24 | 1 << 16;
/// The same for sent ones; a write-back threshold other than 0 corrupts descriptors on some cards
/// (82540EM SDM §13.4.43: GRAN, WTHRESH 0; 82543GC erratum 35).
const TRANSMIT_THRESHOLDS: u32 = 1 << 24;
/// 0 is not allowed there (82540EM SDM §13.4.41); no descriptor asks for the delay anyway.
const SHORTEST_TRANSMIT_DELAY: u32 = 1;

/// What receives: no promiscuous mode, no bad frames, no frames of more than 1,522 octets, VLANs by
/// the table, and not by their drop eligible bit. Buffers of 2,048 octets are the value 0.
const RECEIVE: ReceiveControl = ReceiveControl::EN
    .union(ReceiveControl::BAM)
    .union(ReceiveControl::VFE)
    .union(ReceiveControl::SECRC);
const TRANSMIT: TransmitControl = TransmitControl::EN
    .union(TransmitControl::PSP)
    .union(TransmitControl::CT_15)
    .union(TransmitControl::COLD_64);

/// A card that has been reset: it sends nothing, receives nothing and touches no memory.
#[derive(Debug)]
pub struct Quiet<R> {
    card: &'static Card,
    registers: Registers<R>,
    mac_address: MacAddress,
}

impl<R: RegisterAccess> Quiet<R> {
    /// Stops and resets the card behind `registers`, and reads its address. `delay` waits for at
    /// least as many microseconds as it is given; all in all some 15 ms.
    ///
    /// # Errors
    ///
    /// [`E1000Error`], when the card is not there, stays in its reset, or has no address.
    pub fn reset(
        card: &'static Card,
        registers: R,
        mut delay: impl FnMut(u32),
    ) -> Result<Self, E1000Error> {
        let mut registers = Registers(registers);
        refuse_gone(&registers)?;

        registers.write(IMC, u32::MAX);
        registers.write(RCTL, ReceiveControl::empty());
        registers.write(TCTL, TransmitControl::PSP);
        registers.flush();
        delay(SETTLE_MICROSECONDS);

        let control = registers.read(CTRL);
        registers.write(CTRL, control | Control::RST);
        delay(RELOAD_MICROSECONDS);
        wait_for_reset(&registers, &mut delay)?;

        // The card is not to answer ARP requests itself, nor to keep them from us. Then once more
        // what the reset may have brought back.
        let management = registers.read(MANC);
        registers.write(MANC, management - Management::ARP_EN);
        registers.write(IMC, u32::MAX);
        let _ = registers.read(ICR);

        let mac_address = read_mac_address(&mut registers, &mut delay)?;
        Ok(Self {
            card,
            registers,
            mac_address,
        })
    }

    /// Gives the card rings and buffers from `memory` and the filter `vlans`, and lets it receive and
    /// send. It must be allowed to reach memory by now.
    ///
    /// The card may come up with its link still down: [`pollux_net::device::Device::refresh_link`]
    /// finds out when it is up.
    ///
    /// # Errors
    ///
    /// [`E1000Error`], when `memory` has no room for [`E1000::MEMORY`] octets, or the card is gone.
    pub fn start(self, memory: &mut DmaRegion, vlans: &VlanSet) -> Result<E1000<R>, E1000Error> {
        let Self {
            card,
            mut registers,
            mac_address,
        } = self;
        let receive = ReceiveRing::new(memory)?;
        let transmit = TransmitRing::new(memory)?;
        let exchange = Exchange::new(memory)?;

        set_link_up(&mut registers);
        disable_what_is_not_used(&mut registers);
        set_filters(&mut registers, mac_address, vlans);
        set_rings(&mut registers, &receive, &transmit);
        let statistics = Statistics::start(&registers);
        refuse_gone(&registers)?;

        registers.write(TIPG, COPPER_GAP);
        registers.write(TCTL, TRANSMIT);
        // Once, and last: QEMU's model receives nothing for a second after any write to it.
        registers.write(RCTL, RECEIVE);
        registers.flush();

        let mut device = E1000 {
            registers,
            receive,
            transmit,
            link: Link::default(),
            exchange,
            gone: false,
            card,
            mac_address,
            vlans: vlans.clone(),
            statistics,
        };
        device.read_link();
        Ok(device)
    }
}

/// All ones in a register that cannot hold them: nothing answers there.
fn refuse_gone<R: RegisterAccess>(registers: &Registers<R>) -> Result<(), E1000Error> {
    if registers.read(STATUS).is_gone() {
        return Err(E1000Error::Gone);
    }
    Ok(())
}

fn wait_for_reset<R: RegisterAccess>(
    registers: &Registers<R>,
    delay: &mut impl FnMut(u32),
) -> Result<(), E1000Error> {
    for _ in 0..RESET_POLLS {
        if !registers.read(CTRL).contains(Control::RST) {
            return Ok(());
        }
        delay(RESET_POLL_MICROSECONDS);
    }
    refuse_gone(registers)?;
    Err(E1000Error::StuckInReset)
}

/// The address that the card filters by already, or else the one in its EEPROM (words 0 to 2, the
/// first octet lowest: 82540EM SDM §5.6.1).
fn read_mac_address<R: RegisterAccess>(
    registers: &mut Registers<R>,
    delay: &mut impl FnMut(u32),
) -> Result<MacAddress, E1000Error> {
    let low = registers.read(RAL.first());
    let high = registers.read(RAH.first());
    let [a, b, c, d] = low.to_le_bytes();
    let [e, f, ..] = high.to_le_bytes();
    let loaded = MacAddress([a, b, c, d, e, f]);
    if high & ADDRESS_VALID != 0 && loaded.is_station() {
        return Ok(loaded);
    }
    let mut read = |word| read_eeprom(registers, word, delay).map(u16::to_le_bytes);
    let ([a, b], [c, d], [e, f]) = (read(0)?, read(1)?, read(2)?);
    let stored = MacAddress([a, b, c, d, e, f]);
    if stored.is_station() {
        Ok(stored)
    } else {
        Err(E1000Error::InvalidMacAddress(stored))
    }
}

fn read_eeprom<R: RegisterAccess>(
    registers: &mut Registers<R>,
    word: u8,
    delay: &mut impl FnMut(u32),
) -> Result<u16, E1000Error> {
    let address = EepromRead::from_bits_retain(u32::from(word) << 8);
    registers.write(EERD, address | EepromRead::START);
    for _ in 0..EEPROM_POLLS {
        let answer = registers.read(EERD);
        if answer.contains(EepromRead::DONE) {
            return Ok((answer.bits() >> 16) as u16);
        }
        delay(EEPROM_POLL_MICROSECONDS);
    }
    Err(E1000Error::EepromTimeout { word })
}

/// Lets MAC and PHY agree on speed and duplex by themselves. No flow control, no VLAN tags taken
/// out; of what was set before, only what the board's wiring needs is kept.
fn set_link_up<R: RegisterAccess>(registers: &mut Registers<R>) {
    let wiring = registers.read(CTRL) & Control::SOFTWARE_PINS;
    registers.write(CTRL, wiring | Control::SLU | Control::ASDE);
}

/// Flow control, interrupts and their delays, throttles, checksums, waking up.
fn disable_what_is_not_used<R: RegisterAccess>(registers: &mut Registers<R>) {
    for register in [
        FCAL, FCAH, FCT, FCTTV, FCRTL, FCRTH, ITR, RDTR, RADV, TADV, AIT, RXCSUM, WUC, WUFC,
    ] {
        registers.write(register, 0);
    }
    registers.write(TIDV, SHORTEST_TRANSMIT_DELAY);
}

/// Our address, no others, no groups; and the VLANs. VET must be written: only some models preset it.
fn set_filters<R: RegisterAccess>(
    registers: &mut Registers<R>,
    mac_address: MacAddress,
    vlans: &VlanSet,
) {
    let [a, b, c, d, e, f] = mac_address.0;
    let low = u32::from_le_bytes([a, b, c, d]);
    let high = u32::from_le_bytes([e, f, 0, 0]) | ADDRESS_VALID;
    for (index, (low_register, high_register)) in RAL.iter().zip(RAH.iter()).enumerate() {
        let (low, high) = if index == 0 { (low, high) } else { (0, 0) };
        registers.write(low_register, low);
        registers.flush();
        registers.write(high_register, high);
        registers.flush();
    }
    registers.write_table(&MTA, core::iter::repeat(0));
    registers.write_table(&VFTA, vlans.words_u32());
    registers.write(VET, u32::from(EtherType::VLAN.0));
}

fn set_rings<R: RegisterAccess>(
    registers: &mut Registers<R>,
    receive: &ReceiveRing,
    transmit: &TransmitRing,
) {
    let Placement { physical, length } = receive.placement();
    registers.write(RDBAL, physical as u32);
    registers.write(RDBAH, (physical >> 32) as u32);
    registers.write(RDLEN, length);
    registers.write(RDH, 0);
    registers.write(RDT, receive.first_tail());
    registers.write(RXDCTL, RECEIVE_THRESHOLDS);

    let Placement { physical, length } = transmit.placement();
    registers.write(TDBAL, physical as u32);
    registers.write(TDBAH, (physical >> 32) as u32);
    registers.write(TDLEN, length);
    registers.write(TDH, 0);
    registers.write(TDT, 0);
    registers.write(TXDCTL, TRANSMIT_THRESHOLDS);
}
