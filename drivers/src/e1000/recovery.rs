//! Bringing back a card that does not work any more, a step for each look of housekeeping.
//!
//! A card is reset when it has frames to send and sends none, when it stopped receiving or sending
//! without having been told to, and when it comes back after nothing had answered at its registers.
//! While it is away its link is down: nothing is answered, and nothing is queued that would be sent,
//! stale, when it comes back. Which buffers there are does not change.
//!
//! The steps are those of `bring_up.rs`; the looks between them take longer than the waits there.

use core::fmt;

use pollux_net::device::{Link, Statistic};

use super::bring_up::{
    SETTLE_MICROSECONDS, calm, hand_over, holds_phy_for_reset, is_reset, queues_are_enabled,
    request_reset, rings_hold_frames, stop,
};
use super::ownership::say_kept;
use super::registers::{
    CTRL, FEXTNVM11, ONE_AT_A_TIME, RCTL, RXDCTL, ReceiveControl, STATUS, Status, TCTL, TDH, TDT,
    TransmitControl,
};
use super::{E1000, Format, Quirks};
use crate::registers::RegisterAccess;
use crate::supervision::{Faults, Progress};

/// How many looks a reset, or what follows it, may take until the card is reset again.
const RESET_LOOKS: u32 = 20;

/// How many looks firmware may keep the PHY until the card is reset nonetheless.
const PHY_LOOKS: u32 = 4;

/// Octets of the frame that flushes a ring; and the thresholds that flush the other: 31 to be fetched ahead, from one
/// that is free, in descriptors (both as Linux's e1000e has them, `e1000_flush_tx_ring` and `e1000_flush_rx_ring`).
const FLUSHING_FRAME: usize = 512;
const THRESHOLDS: u32 = 0x3fff;
const FLUSHING_THRESHOLDS: u32 = 1 << 24 | 1 << 8 | 31;

/// Why a card had to be reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// It has frames to send and makes no progress.
    Hangs,
    /// It does not receive, or does not send, though it was told to.
    Stopped,
    /// It came back after nothing had answered.
    CameBack,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hangs => "it has frames to send and sends none",
            Self::Stopped => "it was switched off, and not by us",
            Self::CameBack => "it is there again",
        })
    }
}

/// Where the card stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// At work.
    Runs,
    /// Told to send what is in its ring, so that it may be reset.
    FlushesTransmit,
    /// Told to receive no more, so that it may be told to flush its other ring.
    QuietsReceive,
    /// Told to take up what is in that one.
    FlushesReceive,
    /// Told to stop, so many looks ago.
    Stops(u32),
    /// Told to reset, so many looks ago.
    Resets(u32),
    /// Told to enable its queues, so many looks ago.
    Enables(u32),
    /// Nothing answers.
    Gone,
}

/// How far the recovery of a card is, and what happened so far.
#[derive(Debug)]
pub struct Recovery {
    phase: Phase,
    transmit: Progress,
    faults: Faults,
}

impl Recovery {
    /// For a card that was just taken over, and may have been left in use.
    pub const fn new(was_in_use: bool) -> Self {
        Self {
            phase: Phase::Runs,
            transmit: Progress::new(),
            faults: Faults::since_take_over(was_in_use),
        }
    }

    /// What happened so far.
    pub fn statistics(&self) -> impl Iterator<Item = Statistic> + use<> {
        self.faults.statistics()
    }
}

impl<R: RegisterAccess, F: Format> E1000<R, F> {
    /// Looks after the card: one step.
    pub(super) fn supervise(&mut self) {
        let status = self.registers.read(STATUS);
        match self.recovery.phase {
            Phase::Gone if self.is_absent(status) => {}
            _ if self.is_absent(status) => self.lose(),
            Phase::Gone => self.stop_for(Fault::CameBack),
            Phase::Runs => match self.find_fault(status) {
                Some(fault) => self.stop_for(fault),
                None => self.attend_to_link(status.link()),
            },
            Phase::FlushesTransmit if self.rings_hold_frames() => self.quiet_receive(),
            Phase::QuietsReceive => self.flush_receive(),
            Phase::FlushesTransmit | Phase::FlushesReceive => self.stop(),
            Phase::Stops(looks) => self.reset_once_allowed(looks),
            Phase::Resets(_) if is_reset(&self.registers) => self.resume(),
            Phase::Resets(looks) if looks < RESET_LOOKS => {
                self.recovery.phase = Phase::Resets(looks + 1);
            }
            Phase::Enables(_) if queues_are_enabled(self.card, &self.registers) => {
                self.recovery.phase = Phase::Runs;
                self.begin();
            }
            Phase::Enables(looks) if looks < RESET_LOOKS => {
                self.recovery.phase = Phase::Enables(looks + 1);
            }
            Phase::Resets(_) | Phase::Enables(_) => self.stop(),
        }
    }

    /// Whether nothing answers at the registers. A PCI bus has all ones then; QEMU, where a card was unplugged, zeros,
    /// which no card has in both of these: in one of them stands what the link is to be.
    fn is_absent(&self, status: Status) -> bool {
        status.is_gone() || status.is_empty() && self.registers.read(CTRL).is_empty()
    }

    fn find_fault(&mut self, status: Status) -> Option<Fault> {
        let receives = self.registers.read(RCTL).contains(ReceiveControl::EN);
        let sends = self.registers.read(TCTL).contains(TransmitControl::EN);
        if !receives || !sends || !queues_are_enabled(self.card, &self.registers) {
            return Some(Fault::Stopped);
        }
        // The head is read only when it matters. Who was asked to pause does not hang.
        let may_send = self.link.up && !status.contains(Status::TXOFF);
        let has_work = may_send && self.transmit.is_owed();
        let head = if has_work {
            self.registers.read(TDH)
        } else {
            0
        };
        let hangs = self.recovery.transmit.hangs(has_work, head);
        hangs.then_some(Fault::Hangs)
    }

    fn lose(&mut self) {
        self.leave_alone();
        self.recovery.phase = Phase::Gone;
        self.recovery.faults.count_loss();
        log::error!(
            "{} {}: nothing answers at its registers, it is gone",
            self.card.name,
            self.mac_address
        );
    }

    /// Uses the card no more, whatever it does from now on.
    fn leave_alone(&mut self) {
        self.runs = false;
        self.set_link(Link::default());
    }

    fn stop_for(&mut self, fault: Fault) {
        self.leave_alone();
        if self.recovery.faults.count(fault == Fault::Hangs) {
            log::warn!(
                "{} {}: {fault}; resetting it",
                self.card.name,
                self.mac_address
            );
        }
        if self.rings_hold_frames() {
            self.flush_transmit();
        } else {
            self.stop();
        }
    }

    /// Lets go of the card: it sends nothing, receives nothing and is used no more, until nothing was done for it for a
    /// while and it answers. `delay` waits for at least as many microseconds as it is given.
    pub fn let_go(&mut self, mut delay: impl FnMut(u32)) {
        self.leave_alone();
        if self.rings_hold_frames() {
            self.flush_transmit();
            delay(SETTLE_MICROSECONDS);
        }
        if self.rings_hold_frames() {
            self.quiet_receive();
            delay(SETTLE_MICROSECONDS);
            self.flush_receive();
            delay(SETTLE_MICROSECONDS);
        }
        self.stop();
        delay(SETTLE_MICROSECONDS);
        hand_over(self.card, &mut self.registers);
        self.recovery.phase = Phase::Gone;
    }

    /// Lets go of the card as [`let_go`](Self::let_go) does, and waits for nothing: it must be kept from memory next.
    pub fn let_go_at_once(&mut self) {
        self.let_go(|_| ());
    }

    fn stop(&mut self) {
        stop(self.card, &mut self.registers);
        self.recovery.phase = Phase::Stops(0);
    }

    /// Resets the card, which stopped so many looks ago, unless firmware speaks to its PHY and is to be waited for.
    fn reset_once_allowed(&mut self, looks: u32) {
        let may = holds_phy_for_reset(self.card, &mut self.registers);
        if !may && looks < PHY_LOOKS {
            self.recovery.phase = Phase::Stops(looks + 1);
            return;
        }
        if !may {
            say_kept(self.card, "it is reset nonetheless");
        }
        request_reset(self.card, &mut self.registers);
        self.recovery.phase = Phase::Resets(0);
    }

    /// Whether the card must not be reset as it is.
    fn rings_hold_frames(&self) -> bool {
        self.card.has(Quirks::RINGS_TO_FLUSH) && rings_hold_frames(&self.registers)
    }

    /// One more frame has the card take up those before.
    fn flush_transmit(&mut self) {
        let registers = &mut self.registers;
        let control = registers.read(FEXTNVM11);
        registers.write(FEXTNVM11, control | ONE_AT_A_TIME);
        let control = registers.read(TCTL);
        registers.write(TCTL, control | TransmitControl::EN);
        registers.write(TDT, self.transmit.queue_for_nobody(FLUSHING_FRAME));
        self.recovery.phase = Phase::FlushesTransmit;
    }

    /// Thresholds are changed while the receiver is off, and has been for a while (Linux waits for 100 us).
    fn quiet_receive(&mut self) {
        let registers = &mut self.registers;
        let control = registers.read(RCTL) - ReceiveControl::EN;
        registers.write(RCTL, control);
        registers.flush();
        self.recovery.phase = Phase::QuietsReceive;
    }

    /// Other thresholds have the card take up its receive descriptors, once its receiver is switched on for a moment.
    fn flush_receive(&mut self) {
        let registers = &mut self.registers;
        let control = registers.read(RCTL) - ReceiveControl::EN;
        let thresholds = registers.read(RXDCTL) & !THRESHOLDS;
        registers.write(RXDCTL, thresholds | FLUSHING_THRESHOLDS);
        registers.write(RCTL, control | ReceiveControl::EN);
        registers.flush();
        self.recovery.phase = Phase::FlushesReceive;
    }

    /// The card has been reset, and uses the rings no more: they begin anew.
    fn resume(&mut self) {
        calm(self.card, &mut self.registers);
        self.receive.restart();
        self.transmit.restart();
        self.recovery.transmit = Progress::new();
        // That it is gone is found by the next look.
        self.recovery.phase = Phase::Runs;
        if self.attach().is_err() {
            self.leave_alone();
        }
    }

    /// The card was told to enable its queues and has not done so yet: it goes on without us.
    pub(super) const fn await_queues(&mut self) {
        self.recovery.phase = Phase::Enables(0);
    }
}
