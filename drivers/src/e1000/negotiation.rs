//! Making sure that the PHY negotiates a link, on cards where nobody else may have told it to.
//!
//! A PHY negotiates by itself once it has power, unless firmware has it switched off, or waiting; and that of
//! QEMU's 82576 waits until it is told to. So a card whose link is down after it was brought to work has its PHY
//! asked whether it has negotiated, and if not, told to, once. One that is negotiating meanwhile begins anew,
//! which costs it what it had done so far. Registers of a PHY are reached by messages that take some 30 µs: each
//! step is done at a look of housekeeping that finds the one before done.

use super::Card;
use super::ownership::{release_phy, say_kept, take_phy};
use super::registers::{MDIC, Registers, phy};
use crate::registers::RegisterAccess;

/// How many looks firmware may keep the PHY until it is left to it: a second.
const PHY_LOOKS: u32 = 20;

/// How far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Negotiation {
    /// The link has been down since the card was brought to work, and nothing was done about it.
    #[default]
    Unknown,
    /// Firmware had the PHY, at so many looks in a row.
    Waits(u32),
    /// The PHY was asked for its status.
    Asked,
    /// The link came up, or the PHY was told to negotiate, or is the business of others.
    Settled,
}

impl Negotiation {
    /// Does what can be done without waiting.
    pub fn proceed<R: RegisterAccess>(
        &mut self,
        card: &Card,
        registers: &mut Registers<R>,
        link_is_up: bool,
    ) {
        if !card.is_advanced() {
            *self = Self::Settled;
        } else if link_is_up && *self != Self::Settled {
            self.settle(card, registers);
        }
        let waited = match *self {
            Self::Unknown => 0,
            Self::Waits(looks) => looks,
            Self::Asked => return self.answer(card, registers),
            Self::Settled => return,
        };
        if take_phy(card, registers) {
            registers.write(MDIC, phy::READ | phy::STATUS);
            *self = Self::Asked;
            self.answer(card, registers);
        } else if waited < PHY_LOOKS {
            *self = Self::Waits(waited + 1);
        } else {
            say_kept(card, "whether it negotiates a link is left to that");
            *self = Self::Settled;
        }
    }

    /// Does what the PHY's answer asks for, if it has answered.
    fn answer<R: RegisterAccess>(&mut self, card: &Card, registers: &mut Registers<R>) {
        let answer = registers.read(MDIC);
        if answer & phy::READY == 0 {
            return;
        }
        if answer & (phy::ERROR | phy::NEGOTIATED) == 0 {
            registers.write(MDIC, phy::WRITE | phy::CONTROL | phy::NEGOTIATE);
        }
        self.settle(card, registers);
    }

    /// Nothing is left to do. The PHY is given back where we had it.
    fn settle<R: RegisterAccess>(&mut self, card: &Card, registers: &mut Registers<R>) {
        if *self == Self::Asked {
            release_phy(card, registers);
        }
        *self = Self::Settled;
    }
}
