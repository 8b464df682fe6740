//! Whose the PHY is: software and firmware share it, and each asks before it uses it.
//!
//! The 82574, the 82583 and the cards of chip sets have one bit for that ([`Quirks::PHY_SEMAPHORE`]). The 82576 and all with
//! advanced descriptors have a bit of software's and one of firmware's for each function's PHY, in a register that in its turn is
//! guarded by two bits ([`Quirks::SHARED_PHY`]; 82576 datasheet §4.7.1, as Intel's own driver does it). Nothing here waits: who does
//! not get it asks again later, so often as is its business, and goes on without it in the end: firmware that keeps it for long has
//! lost it.

use super::registers::*;
use super::{Card, Quirks};
use crate::registers::RegisterAccess;

/// How often the bits before the register are asked for at once. Firmware has them for some accesses only.
const GUARD_POLLS: u32 = 10;
/// Where firmware's bits of [`SW_FW_SYNC`] are, from software's on.
const FIRMWARE: u32 = 16;
/// Of the PHYs of four functions, software's bits there (82576 datasheet §8.6.3; I350 datasheet, the last two).
const PHYS: [u32; 4] = [1 << 1, 1 << 2, 1 << 5, 1 << 6];

/// Asks for the PHY. Returns whether it is ours, as it is where nobody shares it.
pub fn take_phy<R: RegisterAccess>(card: &Card, registers: &mut Registers<R>) -> bool {
    if card.has(Quirks::PHY_SEMAPHORE) {
        let control = registers.read(EXTCNF_CTRL);
        registers.write(EXTCNF_CTRL, control | PHY_IS_OURS);
        return registers.read(EXTCNF_CTRL) & PHY_IS_OURS != 0;
    }
    if !card.has(Quirks::SHARED_PHY) {
        return true;
    }
    let phy = phy_of(registers);
    guarded(registers, |sync| {
        (sync & phy << FIRMWARE == 0).then_some(sync | phy)
    })
}

/// Gives the PHY back.
pub fn release_phy<R: RegisterAccess>(card: &Card, registers: &mut Registers<R>) {
    if card.has(Quirks::PHY_SEMAPHORE) {
        let control = registers.read(EXTCNF_CTRL);
        registers.write(EXTCNF_CTRL, control & !PHY_IS_OURS);
    }
    if card.has(Quirks::SHARED_PHY) {
        let phy = phy_of(registers);
        let is_ours = registers.read(SW_FW_SYNC) & phy != 0;
        if is_ours && !guarded(registers, |sync| Some(sync & !phy)) {
            // Without its guard, lest firmware waits for ever. Others have had time to change it meanwhile.
            let sync = registers.read(SW_FW_SYNC);
            registers.write(SW_FW_SYNC, sync & !phy);
        }
    }
}

/// Forgets what software of before may have left taken, once, at the start (as Intel's own driver does).
pub fn forget_owners<R: RegisterAccess>(card: &Card, registers: &mut Registers<R>) {
    if card.has(Quirks::SHARED_PHY) {
        drop_guard(registers);
    }
}

/// Says that firmware kept the PHY for too long.
pub fn say_kept(card: &Card, what_follows: &str) {
    log::warn!(
        "{}: its firmware does not let go of the PHY; {what_follows}",
        card.name
    );
}

/// Software's bit for the PHY of this function of the card.
fn phy_of<R: RegisterAccess>(registers: &Registers<R>) -> u32 {
    let function = registers.read(STATUS).bits() >> 2 & 3;
    let [first, second, third, fourth] = PHYS;
    match function {
        0 => first,
        1 => second,
        2 => third,
        _ => fourth,
    }
}

/// Changes [`SW_FW_SYNC`] while nobody else does. Returns whether it was changed.
fn guarded<R: RegisterAccess>(
    registers: &mut Registers<R>,
    change: impl FnOnce(u32) -> Option<u32>,
) -> bool {
    // Who reads the first bit as zero has it: reading sets it.
    let has_first = (0..GUARD_POLLS).any(|_| registers.read(SWSM) & GUARD_OF_SOFTWARE == 0);
    if !has_first {
        return false;
    }
    let has_second = (0..GUARD_POLLS).any(|_| {
        let guard = registers.read(SWSM);
        registers.write(SWSM, guard | GUARD_OF_FIRMWARE);
        registers.read(SWSM) & GUARD_OF_FIRMWARE != 0
    });
    let changed = has_second.then(|| change(registers.read(SW_FW_SYNC)));
    let changed = changed.flatten();
    if let Some(sync) = changed {
        registers.write(SW_FW_SYNC, sync);
    }
    drop_guard(registers);
    changed.is_some()
}

fn drop_guard<R: RegisterAccess>(registers: &mut Registers<R>) {
    let guard = registers.read(SWSM);
    registers.write(SWSM, guard & !(GUARD_OF_SOFTWARE | GUARD_OF_FIRMWARE));
}
