//! Bringing back a device that does not work any more, a step for each look of housekeeping.
//!
//! A device is reset when it asks for that, when it broke the rules of its queues, when it stands still
//! although it has work, and when somebody else has reset it. While it is away its link is down: nothing
//! is answered, and nothing is queued that would be sent, stale, when it comes back. Which buffers there
//! are does not change.

use core::fmt;

use pollux_net::device::{Link, Statistic};

use super::VirtioNet;
use super::bring_up::await_reset;
use super::error::VirtioError;
use super::features::Features;
use super::queue::{Breach, Virtqueue};
use super::transport::{Status, Transport};
use crate::supervision::{Faults, Progress};

/// How many looks a reset may take until it is asked for again: five seconds.
const RESET_LOOKS: u32 = 100;

/// Why a device had to be reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// It asked for it.
    NeedsReset,
    /// It broke the rules.
    Breach(Breach),
    /// It has work and makes no progress.
    Hangs,
    /// It was reset, but not by us.
    WasReset(Status),
    /// It came back after nothing had answered.
    CameBack,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeedsReset => f.write_str("it asks to be reset"),
            Self::Breach(breach) => write!(f, "{breach}"),
            Self::Hangs => f.write_str("it has work and makes no progress"),
            Self::WasReset(status) => {
                write!(f, "its status fell to {:#04x} by itself", status.bits())
            }
            Self::CameBack => f.write_str("it is there again"),
        }
    }
}

/// Where the device stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// At work.
    Runs,
    /// Told to reset, so many looks ago.
    Resets(u32),
    /// Nothing answers.
    Gone,
}

/// How far the recovery of a device is, and what happened so far.
#[derive(Debug)]
pub struct Recovery {
    phase: Phase,
    transmit: Progress,
    control: Progress,
    faults: Faults,
    /// Of these, those because it broke the rules.
    breaches: u64,
}

/// Whether a queue has work and makes no progress.
fn hangs(progress: &mut Progress, queue: &impl Virtqueue) -> bool {
    progress.hangs(queue.is_owed(), u32::from(queue.progress()))
}

impl Recovery {
    /// For a device that was just taken over, and may have been left in use.
    pub const fn new(was_in_use: bool) -> Self {
        Self {
            phase: Phase::Runs,
            transmit: Progress::new(),
            control: Progress::new(),
            faults: Faults::since_take_over(was_in_use),
            breaches: 0,
        }
    }

    /// What happened so far.
    pub fn statistics(&self) -> impl Iterator<Item = Statistic> + use<> {
        let breaches = Statistic {
            name: "protocol_errors",
            value: self.breaches,
        };
        self.faults.statistics().chain([breaches])
    }
}

impl<T: Transport, Q: Virtqueue> VirtioNet<T, Q> {
    /// Looks after the device: one step.
    pub(super) fn supervise(&mut self) {
        let status = self.transport.read_status();
        match self.recovery.phase {
            Phase::Gone => {
                if self.answers(status) {
                    self.reset(Fault::CameBack);
                }
            }
            _ if status.is_gone() => self.lose(),
            // Zeros are those of nothing, or of a device that somebody else has reset.
            Phase::Runs if status.is_empty() => {
                if self.answers(status) {
                    self.reset(Fault::WasReset(status));
                } else {
                    self.lose();
                }
            }
            Phase::Runs => match self.find_fault(status) {
                Some(fault) => self.reset(fault),
                None => self.read_link(),
            },
            Phase::Resets(_) if status.is_empty() => self.resume(),
            Phase::Resets(looks) if looks < RESET_LOOKS => {
                self.recovery.phase = Phase::Resets(looks + 1);
            }
            Phase::Resets(_) => {
                self.transport.write_status(Status::empty());
                self.recovery.phase = Phase::Resets(0);
            }
        }
    }

    /// Whether a device is there again that was gone: it keeps what is written to its status. Where nothing is, a PCI bus
    /// has all ones, and QEMU zeros.
    fn answers(&mut self, mut status: Status) -> bool {
        if status.is_empty() {
            self.transport.write_status(Status::ACKNOWLEDGE);
            status = self.transport.read_status();
        }
        !status.is_gone() && !status.is_empty()
    }

    fn find_fault(&mut self, status: Status) -> Option<Fault> {
        let queues = [
            self.receive.queue(),
            self.transmit.queue(),
            self.control.queue(),
        ];
        if status.contains(Status::NEEDS_RESET) {
            return Some(Fault::NeedsReset);
        }
        if let Some(breach) = queues.into_iter().find_map(Q::breach) {
            return Some(Fault::Breach(breach));
        }
        if !status.contains(Status::DRIVER_OK) {
            return Some(Fault::WasReset(status));
        }
        let recovery = &mut self.recovery;
        let sends_nothing = self.link.up && hangs(&mut recovery.transmit, self.transmit.queue());
        let obeys_nothing = self.features.contains(Features::CTRL_VQ)
            && hangs(&mut recovery.control, self.control.queue());
        (sends_nothing || obeys_nothing).then_some(Fault::Hangs)
    }

    /// Stops using the device, whatever it does from now on.
    fn stop(&mut self) {
        self.runs = false;
        self.set_link(Link::default());
    }

    /// Lets go of the device: it is reset, and used no more until it answers again after that. `delay` waits for at least as many
    /// microseconds as it is given.
    pub fn let_go(&mut self, delay: impl FnMut(u32)) {
        self.let_go_at_once();
        let _ = await_reset(&self.transport, delay);
    }

    /// Lets go of the device as [`let_go`](Self::let_go) does, and does not wait until its reset is done: it must be kept
    /// from memory next.
    pub fn let_go_at_once(&mut self) {
        self.stop();
        self.transport.write_status(Status::empty());
        self.recovery.phase = Phase::Gone;
    }

    fn lose(&mut self) {
        self.stop();
        self.recovery.phase = Phase::Gone;
        self.recovery.faults.count_loss();
        log::error!(
            "virtio-net {}: nothing answers at its registers, it is gone",
            self.mac_address
        );
    }

    /// The device may go on using memory until its status reads as zero: the queues are left alone
    /// until then.
    fn reset(&mut self, fault: Fault) {
        self.stop();
        let recovery = &mut self.recovery;
        if let Fault::Breach(_) = fault {
            recovery.breaches = recovery.breaches.saturating_add(1);
        }
        recovery.phase = Phase::Resets(0);
        if recovery.faults.count(fault == Fault::Hangs) {
            log::warn!("virtio-net {}: {fault}; resetting it", self.mac_address);
        }
        self.transport.write_status(Status::empty());
    }

    fn resume(&mut self) {
        let address = self.mac_address;
        let attached = self.attach();
        if let (Ok(()), true) = (attached, self.mac_address != address) {
            // Its neighbors would be told one address and frames come from another.
            log::warn!("virtio-net {address}: it is {} now", self.mac_address);
        }
        self.mac_address = address;
        match attached {
            Ok(()) => {
                self.recovery.phase = Phase::Runs;
                self.recovery.transmit = Progress::new();
                self.recovery.control = Progress::new();
            }
            Err(VirtioError::Gone) => self.lose(),
            Err(error) => self.give_up_for_now(error),
        }
    }

    /// Asks for another reset, and looks again after a while.
    fn give_up_for_now(&mut self, error: VirtioError) {
        self.stop();
        self.recovery.phase = Phase::Resets(0);
        if self.recovery.faults.count(false) {
            log::error!("virtio-net {}: not back at work: {error}", self.mac_address);
        }
        self.transport.write_status(Status::empty());
    }
}
