//! From whatever state firmware left a card in to one that receives and sends.
//!
//! Two steps, so that the card is never allowed to reach memory while rings of firmware's may still
//! be live: [`Quiet::reset`] stops it and needs its registers only; then the caller lets it reach
//! memory, and [`Quiet::start`] gives it its rings. Every register that matters is programmed, and
//! none trusted to come out of the reset with its default: some models of the card (QEMU's among
//! them) keep everything.

use pollux_net::device::{FlowControl, Link};
use pollux_net::vlan::VlanSet;
use pollux_net::wire::ethernet::{EtherType, MacAddress};

use super::cards::{Eeprom, Quirks};
use super::negotiation::Negotiation;
use super::ownership::{forget_owners, release_phy, say_kept, take_phy};
use super::recovery::Recovery;
use super::registers::*;
use super::ring::{Placement, ReceiveRing, TransmitRing};
use super::statistics::Statistics;
use super::{Card, E1000, E1000Error, Format};
use crate::dma::DmaRegion;
use crate::exchange::Exchange;
use crate::registers::RegisterAccess;

/// How long frames under way may take to finish once both directions are off, and the EEPROM to be
/// read again after a reset (both as Intel's own driver has it for this family).
pub(super) const SETTLE_MICROSECONDS: u32 = 10_000;
const RELOAD_MICROSECONDS: u32 = 5_000;
/// How often the reset bit is looked at after that, and how long is waited in between.
const RESET_POLLS: u32 = 20;
const RESET_POLL_MICROSECONDS: u32 = 1_000;
/// The same for the PHY, which firmware may be using (Intel's own driver waits for 10 ms to a second).
const PHY_POLLS: u32 = 100;
const PHY_POLL_MICROSECONDS: u32 = 1_000;
/// The same for a word of the EEPROM, which takes some 100 µs.
const EEPROM_POLLS: u32 = 1_000;
const EEPROM_POLL_MICROSECONDS: u32 = 10;

/// How often queues are looked at whether they are enabled, before that is left to housekeeping: some
/// microseconds.
const ENABLE_POLLS: u32 = 5;

/// Inter-packet gap for copper: IPGT 10, IPGR1 8, IPGR2 6 (82540EM SDM §13.4.34).
const COPPER_GAP: u32 = 10 | 8 << 10 | 6 << 20;
/// Write received descriptors back one by one, and count in descriptors, not cache lines
/// (82540EM SDM §13.4.46: GRAN, WTHRESH 1).
const RECEIVE_THRESHOLDS: u32 = 1 << 24 | 1 << 16;
/// The same for sent ones; a write-back threshold other than 0 corrupts descriptors on some cards
/// (82540EM SDM §13.4.43: GRAN, WTHRESH 0; 82543GC erratum 35).
const TRANSMIT_THRESHOLDS: u32 = 1 << 24;
/// On cards with [`Quirks::COMPLETIONS`], a bit next to them that must be set.
const COUNT_DESCRIPTORS: u32 = 1 << 22;
/// The same on cards with advanced descriptors, which count in descriptors only; and fetch some ahead (82576
/// datasheet §8.10.8, §8.12.14: PTHRESH 8, HTHRESH 8 and 1, as Intel's own driver has them).
const ADVANCED_RECEIVE_THRESHOLDS: u32 = 1 << 16 | 8 << 8 | 8;
const ADVANCED_TRANSMIT_THRESHOLDS: u32 = 1 << 8 | 8;
/// 0 is not allowed there (82540EM SDM §13.4.41); no descriptor asks for the delay anyway.
const SHORTEST_TRANSMIT_DELAY: u32 = 1;

/// Frames that ask for a pause: to whom they go and what they are (IEEE 802.3 §31.4.1; 82540EM SDM §13.4.8 to §13.4.10).
const PAUSE_ADDRESS_LOW: u32 = 0x00c2_8001;
const PAUSE_ADDRESS_HIGH: u32 = 0x0100;
const PAUSE_TYPE: u32 = 0x8808;
/// For how long they ask, in units of 512 bits: the longest there is, as Intel's own driver does, for a frame ends it.
const PAUSE_TIME: u32 = 0xffff;
/// With how many octets waiting in the card it asks for a pause, and with how many it ends it. Every card of the family
/// has 20 KiB or more for frames received; what is under way when it asks must fit in what is left.
const PAUSE_BEGIN: u32 = 16 << 10;
const PAUSE_END: u32 = 12 << 10;
const END_PAUSE_BY_FRAME: u32 = 1 << 31;

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
    was_in_use: bool,
}

impl<R: RegisterAccess> Quiet<R> {
    /// Stops and resets the card behind `registers`, and reads its address. `delay` waits for at
    /// least as many microseconds as it is given; all in all some 15 ms, and 100 more
    /// where firmware does not let go of the PHY.
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
        let was_in_use = registers.read(RCTL).contains(ReceiveControl::EN);
        if card.has(Quirks::RINGS_TO_FLUSH) && rings_hold_frames(&registers) {
            // They lie in memory that was another's and may be ours by now. To flush them the card would send what stands
            // there and write what it receives. Linux resets first as well (e1000e's `e1000_probe`), and flushes its own only.
            log::warn!(
                "{}: who had it before left frames in its rings; if it stays silent, switch power off for a moment",
                card.name
            );
        }
        forget_owners(card, &mut registers);
        stop(card, &mut registers);
        delay(SETTLE_MICROSECONDS);
        if !(0..PHY_POLLS).any(|_| may_reset(card, &mut registers, &mut delay)) {
            say_kept(card, "it is reset nonetheless");
        }
        request_reset(card, &mut registers);
        delay(RELOAD_MICROSECONDS);
        wait_for_reset(&registers, &mut delay)?;
        calm(card, &mut registers);
        let mac_address = read_mac_address(card, &mut registers, &mut delay)?;
        if was_in_use {
            log::info!(
                "{} {mac_address}: who had it before left it receiving; it was reset",
                card.name
            );
        }
        Ok(Self {
            card,
            registers,
            mac_address,
            was_in_use,
        })
    }

    /// Gives the card rings and buffers from `memory` and the filter `vlans`, and lets it receive and
    /// send. It must be allowed to reach memory by now; `F` is what its [`Card::descriptors`] says.
    ///
    /// The card may come up with its link still down: [`pollux_net::device::Device::refresh_link`]
    /// finds out when it is up.
    ///
    /// # Errors
    ///
    /// [`E1000Error`], when `memory` has no room for [`E1000::MEMORY`] octets, or the card is gone.
    pub fn start<F: Format>(
        self,
        memory: &mut DmaRegion,
        vlans: &VlanSet,
    ) -> Result<E1000<R, F>, E1000Error> {
        let mut device = E1000 {
            receive: ReceiveRing::new(memory)?,
            transmit: TransmitRing::new(memory)?,
            link: Link::default(),
            runs: false,
            exchange: Exchange::new(memory)?,
            statistics: Statistics::start(&self.registers),
            registers: self.registers,
            card: self.card,
            mac_address: self.mac_address,
            vlans: vlans.clone(),
            written: [0; super::VLAN_WORDS],
            filter_is_behind: false,
            recovery: Recovery::new(self.was_in_use),
            negotiation: Negotiation::default(),
            flow_control: FlowControl::default(),
        };
        device.attach()?;
        Ok(device)
    }
}

impl<R: RegisterAccess, F: Format> E1000<R, F> {
    /// Brings the card, which has been reset and whose rings begin at their first slots, to work. Done
    /// again after each reset.
    ///
    /// # Errors
    ///
    /// [`E1000Error::Gone`], when the card is gone.
    pub(super) fn attach(&mut self) -> Result<(), E1000Error> {
        let (card, registers) = (self.card, &mut self.registers);
        set_link_up(card, registers);
        disable_what_is_not_used(card, registers);
        write_flow_control(registers, self.flow_control);
        write_checksum_verification(card, registers);
        set_filters(card, registers, self.mac_address, &self.vlans);
        for (written, word) in self.written.iter_mut().zip(self.vlans.words_u32()) {
            *written = word;
        }
        self.filter_is_behind = false;
        set_rings(card, registers, &self.receive, &self.transmit);
        refuse_gone(registers)?;
        registers.write(TCTL, TRANSMIT);
        // Once, and last: QEMU's model of the 8254x receives nothing for a second after any write to it.
        registers.write(RCTL, RECEIVE);
        registers.flush();
        if (0..ENABLE_POLLS).any(|_| queues_are_enabled(card, registers)) {
            self.begin();
        } else {
            self.await_queues();
        }
        Ok(())
    }

    /// Goes to work, now that the queues are enabled: before, the tails of those that are to be must not be
    /// written (82576 datasheet §4.5.9).
    pub(super) fn begin(&mut self) {
        if self.card.is_advanced() {
            self.registers.write(RDT, self.receive.first_tail());
        }
        self.runs = true;
        self.negotiation = Negotiation::default();
        self.attend_to_link(self.registers.read(STATUS).link());
    }

    /// Takes note of the link's state, and has it negotiated where it was not.
    pub(super) fn attend_to_link(&mut self, link: Link) {
        self.set_link(link);
        self.negotiation
            .proceed(self.card, &mut self.registers, link.up);
    }

    /// Takes note of the link's state: frames are queued while it is up.
    pub(super) fn set_link(&mut self, link: Link) {
        self.link = link;
        self.transmit.open(link.up);
    }
}

/// Whether the queues are enabled, on cards where that takes its time.
pub(super) fn queues_are_enabled<R: RegisterAccess>(card: &Card, registers: &Registers<R>) -> bool {
    let is_enabled = |register| registers.read(register) & QUEUE_ENABLE != 0;
    !card.is_advanced() || is_enabled(RXDCTL) && is_enabled(TXDCTL)
}

/// Whether the card says that its rings hold frames, where it has rings.
pub(super) fn rings_hold_frames<R: RegisterAccess>(registers: &Registers<R>) -> bool {
    let status = registers.0.configuration(RING_STATUS);
    status != u32::MAX && status & RINGS_HOLD_FRAMES != 0 && registers.read(TDLEN) != 0
}

/// Keeps the card from receiving, sending and interrupting. What is under way may take
/// [`SETTLE_MICROSECONDS`] to finish.
pub(super) fn stop<R: RegisterAccess>(card: &Card, registers: &mut Registers<R>) {
    mask_interrupts(card, registers);
    registers.write(RCTL, ReceiveControl::empty());
    registers.write(TCTL, TransmitControl::PSP);
    if card.has(Quirks::EXPRESS) {
        let control = registers.read(CTRL);
        registers.write(CTRL, control | Control::GIO_MASTER_DISABLE);
    }
    registers.flush();
}

/// Whether a card is ready to be reset, which nobody may do while firmware speaks to its PHY. Waits a little if not.
fn may_reset<R: RegisterAccess>(
    card: &Card,
    registers: &mut Registers<R>,
    delay: &mut impl FnMut(u32),
) -> bool {
    let may = holds_phy_for_reset(card, registers);
    if !may {
        delay(PHY_POLL_MICROSECONDS);
    }
    may
}

/// Asks for what must be held across a reset. Returns whether it is.
pub(super) fn holds_phy_for_reset<R: RegisterAccess>(
    card: &Card,
    registers: &mut Registers<R>,
) -> bool {
    !card.has(Quirks::PHY_SEMAPHORE) || take_phy(card, registers)
}

/// Resets the card, which has been stopped. It takes [`RELOAD_MICROSECONDS`] and longer.
pub(super) fn request_reset<R: RegisterAccess>(card: &Card, registers: &mut Registers<R>) {
    if card.has(Quirks::EXPRESS) && registers.read(STATUS).contains(Status::GIO_MASTER_ENABLE) {
        log::warn!("{}: it is still reaching for memory when reset", card.name);
    }
    let control = registers.read(CTRL);
    registers.write(CTRL, control | Control::RST);
}

/// Whether the reset has ended.
pub(super) fn is_reset<R: RegisterAccess>(registers: &Registers<R>) -> bool {
    !registers.read(CTRL).contains(Control::RST)
}

/// What the reset may have brought back is taken away: interrupts, and the card's own answers to ARP
/// requests, which would be kept from us.
pub(super) fn calm<R: RegisterAccess>(card: &Card, registers: &mut Registers<R>) {
    release_phy(card, registers);
    let management = registers.read(MANC);
    registers.write(MANC, management - Management::ARP_EN);
    mask_interrupts(card, registers);
    let _ = registers.read(ICR);
}

/// Says to firmware, where that was told otherwise, that the card is its own again, and lets go of the PHY.
pub(super) fn hand_over<R: RegisterAccess>(card: &Card, registers: &mut Registers<R>) {
    if card.is_advanced() {
        let control = registers.read(CTRL_EXT);
        registers.write(CTRL_EXT, control & !DRIVER_LOADED);
    }
    release_phy(card, registers);
    registers.flush();
}

fn mask_interrupts<R: RegisterAccess>(card: &Card, registers: &mut Registers<R>) {
    registers.write(IMC, u32::MAX);
    if card.is_advanced() {
        registers.write(EIMC, u32::MAX);
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
        if is_reset(registers) {
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
    card: &Card,
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
    let (shift, done) = match card.eeprom {
        Eeprom::Early => (8, EepromRead::DONE_EARLY),
        Eeprom::Late => (2, EepromRead::DONE_LATE),
        Eeprom::None => return Err(E1000Error::InvalidMacAddress(loaded)),
    };
    let mut read = |word: u8| {
        let address = EepromRead::from_bits_retain(u32::from(word) << shift);
        registers.write(EERD, address | EepromRead::START);
        read_eeprom(registers, word, done, delay).map(u16::to_le_bytes)
    };
    let ([a, b], [c, d], [e, f]) = (read(0)?, read(1)?, read(2)?);
    let stored = MacAddress([a, b, c, d, e, f]);
    if stored.is_station() {
        Ok(stored)
    } else {
        Err(E1000Error::InvalidMacAddress(stored))
    }
}

/// Waits for the word that was asked for.
fn read_eeprom<R: RegisterAccess>(
    registers: &Registers<R>,
    word: u8,
    done: EepromRead,
    delay: &mut impl FnMut(u32),
) -> Result<u16, E1000Error> {
    for _ in 0..EEPROM_POLLS {
        let answer = registers.read(EERD);
        if answer.contains(done) {
            return Ok((answer.bits() >> 16) as u16);
        }
        delay(EEPROM_POLL_MICROSECONDS);
    }
    Err(E1000Error::EepromTimeout { word })
}

/// Has the card obey pauses and ask for them, or not, whatever the link's other end can do: what was negotiated about
/// them is not asked of the PHY.
pub(super) fn write_flow_control<R: RegisterAccess>(
    registers: &mut Registers<R>,
    flow_control: FlowControl,
) {
    let FlowControl { receive, transmit } = flow_control;
    let when = |is: bool, value: u32| if is { value } else { 0 };
    for (register, value) in [
        (FCAL, when(receive || transmit, PAUSE_ADDRESS_LOW)),
        (FCAH, when(receive || transmit, PAUSE_ADDRESS_HIGH)),
        (FCT, when(receive || transmit, PAUSE_TYPE)),
        (FCTTV, when(transmit, PAUSE_TIME)),
        (FCRTL, when(transmit, PAUSE_END | END_PAUSE_BY_FRAME)),
        (FCRTH, when(transmit, PAUSE_BEGIN)),
    ] {
        registers.write(register, value);
    }
    let mut control = registers.read(CTRL);
    control.set(Control::RFCE, receive);
    control.set(Control::TFCE, transmit);
    registers.write(CTRL, control);
    registers.flush();
}

/// Lets MAC and PHY agree on speed and duplex by themselves. No flow control, no VLAN tags taken
/// out; of what was set before, only what the board's wiring needs is kept.
fn set_link_up<R: RegisterAccess>(card: &Card, registers: &mut Registers<R>) {
    if card.has(Quirks::LINK_DISCONNECT) {
        let power = registers.read(PHPM);
        registers.write(PHPM, power & !GO_LINK_DISCONNECT);
    }
    let wiring = registers.read(CTRL) & Control::SOFTWARE_PINS;
    // Speed is always the PHY's on cards with advanced descriptors, and the bit reserved.
    let speed = if card.is_advanced() {
        Control::empty()
    } else {
        Control::ASDE
    };
    registers.write(CTRL, wiring | Control::SLU | speed);
}

/// Has the card add up checksums, where that is of use. Written while its receiver is off only, as the datasheets of the 82574
/// (§10.2.5.15) and of the 82575 and its successors (82575 SDM §14.3.61) ask for: what is believed of what it says can
/// change later, the register does not.
fn write_checksum_verification<R: RegisterAccess>(card: &Card, registers: &mut Registers<R>) {
    let verified = match card.has(Quirks::CHECKSUMS_UNKNOWN) {
        true => 0,
        false => VERIFY_CHECKSUMS,
    };
    registers.write(RXCSUM, verified);
}

/// Interrupts and their delays, throttles, waking up.
fn disable_what_is_not_used<R: RegisterAccess>(card: &Card, registers: &mut Registers<R>) {
    for register in [WUC, WUFC] {
        registers.write(register, 0);
    }
    if card.is_advanced() {
        disable_further_queues(card, registers);
        return;
    }
    for register in [ITR, RDTR, RADV, TADV, AIT] {
        registers.write(register, 0);
    }
    registers.write(TIDV, SHORTEST_TRANSMIT_DELAY);
    registers.write(TIPG, COPPER_GAP);
    if card.has(Quirks::EXPRESS) {
        registers.write(RFCTL, NO_PARSING);
    }
    if card.has(Quirks::COMPLETIONS) {
        let control = registers.read(CTRL_EXT);
        registers.write(CTRL_EXT, control & !(1 << 23) | 1 << 22);
        let control = registers.read(GCR);
        registers.write(GCR, control | 1 << 22);
        let control = registers.read(GCR2);
        registers.write(GCR2, control | 1);
    }
}

/// All that a card with advanced descriptors can do with several queues, or for several systems.
fn disable_further_queues<R: RegisterAccess>(card: &Card, registers: &mut Registers<R>) {
    for register in [MRQC, VT_CTL, TDWBAL, TDWBAH] {
        registers.write(register, 0);
    }
    registers.write(RFCTL, NO_IPV6_EXTENSIONS);
    let control = registers.read(CTRL_EXT);
    registers.write(CTRL_EXT, control | DRIVER_LOADED);
    if card.has(Quirks::PACKET_BUFFERS) {
        registers.write(RXPBS, RECEIVE_BUFFER_DEFAULT);
        registers.write(TXPBS, TRANSMIT_BUFFER_DEFAULT);
    }
}

/// Our address, no others, no groups; and the VLANs. VET must be written: only some models preset it.
fn set_filters<R: RegisterAccess>(
    card: &Card,
    registers: &mut Registers<R>,
    mac_address: MacAddress,
    vlans: &VlanSet,
) {
    let [a, b, c, d, e, f] = mac_address.0;
    let low = u32::from_le_bytes([a, b, c, d]);
    let high = u32::from_le_bytes([e, f, 0, 0]) | ADDRESS_VALID;
    let lower = RAL.iter().chain(RAL_MORE.iter());
    let upper = RAH.iter().chain(RAH_MORE.iter());
    let addresses = lower.zip(upper).take(card.receive_addresses);
    for (index, (low_register, high_register)) in addresses.enumerate() {
        let (low, high) = if index == 0 { (low, high) } else { (0, 0) };
        registers.write(low_register, low);
        registers.flush();
        registers.write(high_register, high);
        registers.flush();
    }
    registers.write_table(&MTA, core::iter::repeat_n(0, card.multicast_words));
    if card.is_advanced() {
        registers.write_table(&UTA, core::iter::repeat(0));
    }
    // In rising order, so that a quirk which changes the word before leaves each as it was written.
    for (index, word) in vlans.words_u32().enumerate() {
        write_vlan_word(card, registers, index, word);
    }
    registers.write(VET, u32::from(EtherType::VLAN.0));
}

/// How often a word of the VLAN table is written.
const fn vlan_word_writes(card: &Card) -> usize {
    if card.has(Quirks::VLAN_WORDS_GET_LOST) {
        10
    } else {
        1
    }
}

/// How many registers [`write_vlan_word`] writes and reads.
pub(super) const fn vlan_word_accesses(card: &Card, index: usize) -> usize {
    // One read sees to it that what was written has arrived.
    let accesses = vlan_word_writes(card) + 1;
    if index & 1 == 1 && card.has(Quirks::VLAN_WORDS_IN_PAIRS) {
        // The one before is read first and written after it.
        2 * accesses + 1
    } else {
        accesses
    }
}

/// Writes one word of the VLAN table.
pub(super) fn write_vlan_word<R: RegisterAccess>(
    card: &Card,
    registers: &mut Registers<R>,
    index: usize,
    word: u32,
) {
    let times = vlan_word_writes(card);
    let write = |registers: &mut Registers<R>, register: Register<u32>, word| {
        for _ in 0..times {
            registers.0.write(register.offset(), word);
        }
        registers.flush();
    };
    let mut pair = VFTA.iter().skip(index & !1);
    let (even, odd) = (pair.next(), pair.next());
    match (even, odd) {
        (Some(even), _) if index & 1 == 0 => write(registers, even, word),
        (Some(even), Some(odd)) if card.has(Quirks::VLAN_WORDS_IN_PAIRS) => {
            let before = registers.0.read(even.offset());
            write(registers, odd, word);
            write(registers, even, before);
        }
        (_, Some(odd)) => write(registers, odd, word),
        _ => {}
    }
}

fn set_rings<R: RegisterAccess, F: Format>(
    card: &Card,
    registers: &mut Registers<R>,
    receive: &ReceiveRing<F>,
    transmit: &TransmitRing<F>,
) {
    let Placement { physical, length } = receive.placement();
    registers.write(RDBAL, physical as u32);
    registers.write(RDBAH, (physical >> 32) as u32);
    registers.write(RDLEN, length);
    registers.write(RDH, 0);
    if card.is_advanced() {
        registers.write(RDT, 0);
        registers.write(SRRCTL, ONE_BUFFER);
        registers.write(RXDCTL, ADVANCED_RECEIVE_THRESHOLDS | QUEUE_ENABLE);
    } else {
        registers.write(RDT, receive.first_tail());
        registers.write(RXDCTL, RECEIVE_THRESHOLDS);
    }

    let Placement { physical, length } = transmit.placement();
    registers.write(TDBAL, physical as u32);
    registers.write(TDBAH, (physical >> 32) as u32);
    registers.write(TDLEN, length);
    registers.write(TDH, 0);
    registers.write(TDT, 0);
    let control = if card.is_advanced() {
        ADVANCED_TRANSMIT_THRESHOLDS | QUEUE_ENABLE
    } else if card.has(Quirks::COMPLETIONS) {
        TRANSMIT_THRESHOLDS | COUNT_DESCRIPTORS
    } else {
        TRANSMIT_THRESHOLDS
    };
    registers.write(TXDCTL, control);
}
