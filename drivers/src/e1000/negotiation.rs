//! Making sure that the PHY negotiates a link, on cards where nobody else may have told it to.
//!
//! A PHY negotiates by itself once it has power, unless firmware has it switched off, or waiting; and that of
//! QEMU's 82576 waits until it is told to. So a card whose link is down after it was brought to work has its PHY
//! asked whether it has negotiated, and if not, told to, once. One that is negotiating meanwhile begins anew,
//! which costs it what it had done so far. Registers of a PHY are reached by messages that take some 30 µs: each
//! step is done at a look of housekeeping that finds the one before done. The PHY is given back when no message to it is
//! under way, or when one was not answered for a second.

use super::Card;
use super::ownership::{release_phy, say_kept, take_phy};
use super::registers::{MDIC, Registers, phy};
use crate::registers::RegisterAccess;

/// How many looks firmware may keep the PHY until it is left to it, and how many the PHY may take to answer: a second.
const PHY_LOOKS: u32 = 20;

/// How far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Negotiation {
    /// The link has been down since the card was brought to work, and nothing was done about it.
    #[default]
    Unknown,
    /// Firmware had the PHY, at so many looks in a row.
    Waits(u32),
    /// The PHY is ours and was asked for its status; at so many looks it had not answered.
    Asked(u32),
    /// The PHY is ours and was told to negotiate; at so many looks it had not answered.
    Told(u32),
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
        }
        *self = match *self {
            Self::Unknown | Self::Waits(_) if link_is_up => Self::Settled,
            Self::Unknown => Self::ask(0, card, registers),
            Self::Waits(looks) => Self::ask(looks, card, registers),
            Self::Asked(_) | Self::Told(_) => self.answer(card, registers, link_is_up),
            Self::Settled => Self::Settled,
        };
    }

    /// Asks the PHY for its status, unless firmware has it, as it had at the last `looks`.
    fn ask<R: RegisterAccess>(looks: u32, card: &Card, registers: &mut Registers<R>) -> Self {
        if take_phy(card, registers) {
            registers.write(MDIC, phy::READ | phy::STATUS);
            Self::Asked(0).answer(card, registers, false)
        } else if looks < PHY_LOOKS {
            Self::Waits(looks + 1)
        } else {
            say_kept(card, "whether it negotiates a link is left to that");
            Self::Settled
        }
    }

    /// Does what the PHY's answer asks for, if it has answered.
    fn answer<R: RegisterAccess>(
        self,
        card: &Card,
        registers: &mut Registers<R>,
        link_is_up: bool,
    ) -> Self {
        let answer = registers.read(MDIC);
        let is_ready = answer & phy::READY != 0;
        let is_wanted = !link_is_up && answer & (phy::ERROR | phy::NEGOTIATED) == 0;
        match self {
            Self::Asked(looks) if !is_ready && looks < PHY_LOOKS => return Self::Asked(looks + 1),
            Self::Told(looks) if !is_ready && looks < PHY_LOOKS => return Self::Told(looks + 1),
            Self::Asked(_) if is_ready && is_wanted => {
                registers.write(MDIC, phy::WRITE | phy::CONTROL | phy::NEGOTIATE);
                return Self::Told(0);
            }
            _ if !is_ready => log::warn!(
                "{}: its PHY does not answer; whether it negotiates a link is left to it",
                card.name
            ),
            _ => {}
        }
        release_phy(card, registers);
        Self::Settled
    }
}
