//! The PCI bus of this machine: by which ways its configuration space is reached, which functions there are in all of
//! it, and which addresses are left for those that have none.
//!
//! Where to look is read from firmware's tables once, at the start. Before that there is what ports alone show.

use crate::boot::Boot;
use crate::{aml, firmware, memory};
use alloc::vec::Vec;
use core::ops::RangeInclusive;
use core::ptr::NonNull;
use pci_types::PciAddress;
use pollux_drivers::pci::access::{ConfigPorts, ConfigSpace, Prefer, Region};
use pollux_drivers::pci::assign::{self, AddressRange, AssignError, Room};
use pollux_drivers::pci::{self, Function, numbers};
use spin::Once;

/// How many regions of configuration space in memory are kept: each host bridge of a large machine has one.
pub const REGIONS: usize = 64;
/// From here to 4 GiB are the interrupt controllers, the timers and firmware's own memory, on every PC.
const BOARD: AddressRange = AddressRange {
    start: 0xfec0_0000,
    end: 1 << 32,
};
/// Where addresses begin that nothing needs to be told of.
const FIRST_MIB: u64 = 1 << 20;
/// Where firmware does not say what the bus has, it begins at a multiple of this above memory: graphics cards on the
/// board take theirs from right behind memory's end.
const GAP_STEP: u64 = 256 << 20;

/// Configuration space of this machine.
pub type Space = ConfigSpace<'static, fn(u64) -> Option<NonNull<u32>>>;

/// Where to look.
struct Layout {
    regions: heapless::Vec<Region, REGIONS>,
    prefer: Prefer,
    /// The buses of segment 0 that no bridge leads to, or more.
    roots: RangeInclusive<u8>,
    /// Whether that is known to be so.
    has_one_host_bridge: bool,
    has_ports: bool,
}

static LAYOUT: Once<Layout> = Once::new();

/// Reads where to look from firmware's tables.
pub fn initialize(rsdp: Option<u64>, prefer: Prefer) {
    // SAFETY: as in `space`; a machine without PCI has nothing behind these ports.
    let has_ports = unsafe { ConfigPorts::new() }.are_there();
    let mut regions = heapless::Vec::new();
    let mut roots = None;
    if let Some(rsdp) = rsdp {
        firmware::configuration_regions(rsdp, |region| {
            if regions.push(region).is_err() {
                log::warn!("pci: {region:x?}: one region too many, its buses are not looked at");
            }
        });
        let code = firmware::tables(rsdp).ok();
        let _ = code.map(|tables| {
            firmware::look_at_code(&tables, |code| {
                roots = Some(aml::root_buses(code));
                if regions.is_empty() && !has_ports {
                    regions.extend(aml::configuration_base(code).map(|base| Region {
                        segment: 0,
                        first_bus: 0,
                        last_bus: u8::MAX,
                        base,
                    }));
                }
            })
        });
    }
    // Where nobody says, there may be several.
    let has_one_host_bridge = roots == Some(0..=0);
    LAYOUT.call_once(|| Layout {
        regions,
        prefer,
        roots: roots.unwrap_or(0..=0),
        has_one_host_bridge,
        has_ports,
    });
    if has_one_host_bridge {
        numbers::number_buses(&space(), |bridge, number| {
            log::info!(
                "pci {bridge}: the bus behind it is {number:02x} now, firmware gave it no number"
            );
        });
    }
}

/// Configuration space. Several may be held side by side.
pub fn space() -> Space {
    // SAFETY: this is a PC, or has nothing behind these ports; there is one processor, and it takes no interrupts, so that
    // nothing comes between the two steps of an access. Firmware says that the regions are configuration space, and they are
    // mapped for each access.
    unsafe {
        let ports = ConfigPorts::new();
        match LAYOUT.get() {
            None => ConfigSpace::new(Some(ports), &[], Prefer::Ports, memory::map_configuration),
            Some(layout) => ConfigSpace::new(
                layout.has_ports.then_some(ports),
                &layout.regions,
                layout.prefer,
                memory::map_configuration,
            ),
        }
    }
}

/// The ways to configuration space, for people.
pub fn ways(mut say: impl FnMut(core::fmt::Arguments<'_>)) {
    let Some(layout) = LAYOUT.get() else {
        return;
    };
    if layout.has_ports {
        say(format_args!("pci by ports 0xcf8 and 0xcfc"));
    }
    for region in &layout.regions {
        let Region {
            segment,
            first_bus,
            last_bus,
            base,
        } = region;
        say(format_args!(
            "pci segment {segment:04x} buses {first_bus:02x} to {last_bus:02x} by memory at {base:#x}"
        ));
    }
}

/// All functions of all segments.
pub fn functions(space: &Space) -> impl Iterator<Item = Function> + '_ {
    let (regions, roots): (&[Region], _) = match LAYOUT.get() {
        Some(layout) => (&layout.regions, layout.roots.clone()),
        None => (&[], 0..=0),
    };
    // Where the host bridges of a further segment have their buses is not known.
    let further = regions.iter().filter(|region| region.segment != 0);
    let further = further.flat_map(|region| {
        pci::functions_below(space, region.segment, region.first_bus..=region.last_bus)
    });
    pci::functions_below(space, 0, roots).chain(further)
}

/// Gives the function's registers addresses where firmware did not, and lets the bridges before it pass on what it
/// needs. Says so where it changed something.
///
/// # Errors
///
/// [`AssignError`], when there is no room.
pub fn prepare(boot: &Boot, space: &Space, address: PciAddress) -> Result<(), AssignError> {
    let functions: Vec<_> = functions(space).collect();
    let has_all = |slot: pci::Slot| slot.has_address() || matches!(slot.bar, pci::Bar::Io { .. });
    if !pci::slots(space, address).all(has_all) {
        if LAYOUT
            .get()
            .is_none_or(|layout| !layout.has_one_host_bridge)
        {
            log::warn!(
                "pci {address}: firmware gave its registers no address, and there may be several host bridges: what it gets need not lead to it"
            );
        }
        assign::assign(space, &functions, address, &room(boot), |index, start| {
            log::info!(
                "pci {address}: registers {index} are at {start:#x} now, firmware gave them no address"
            );
        })?;
    }
    assign::open_way(space, &functions, address);
    Ok(())
}

/// Which addresses of the bus can be given away.
fn room(boot: &Boot) -> Room {
    let ranges = boot.info.memory_regions.iter();
    let memory = ranges.map(|region| AddressRange {
        start: region.start,
        end: region.end,
    });
    let mut taken: Vec<_> = memory.filter(|range| range.start < range.end).collect();
    let mut described = Vec::new();
    let rsdp = boot.info.rsdp_addr.into_option();
    if let Some(tables) = rsdp.and_then(|rsdp| firmware::tables(rsdp).ok()) {
        let _ = firmware::look_at_code(&tables, |code| described.extend(aml::memory_windows(code)));
    }
    let apertures = apertures(&described, &taken);
    taken.push(BOARD);
    if let Some(layout) = LAYOUT.get() {
        let regions = layout.regions.iter().map(Region::range);
        taken.extend(regions.map(|(start, end)| AddressRange { start, end }));
    }
    Room { apertures, taken }
}

/// Where the bus has addresses below 4 GiB, which every card and every bridge can have: as firmware describes it, or
/// else between memory's end and the board's own.
fn apertures(described: &[AddressRange], memory: &[AddressRange]) -> Vec<AddressRange> {
    let described = described.iter().copied();
    let is_good = |range: &AddressRange| range.start >= FIRST_MIB && range.end <= BOARD.end;
    let described: Vec<_> = described.filter(is_good).collect();
    if !described.is_empty() {
        return described;
    }
    let below = memory.iter().filter(|range| range.end <= BOARD.start);
    let end = below.map(|range| range.end).max().unwrap_or(FIRST_MIB);
    [AddressRange {
        start: end.next_multiple_of(GAP_STEP),
        end: BOARD.start,
    }]
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn range(start: u64, end: u64) -> AddressRange {
        AddressRange { start, end }
    }

    #[test]
    fn addresses_are_given_where_firmware_says_or_else_behind_memory() {
        let memory = [
            range(0, 0xa_0000),
            range(FIRST_MIB, 0x7fd0_0000),
            range(1 << 32, 8 << 30),
        ];
        let described = [
            range(0xa_0000, 0xc_0000),
            range(0xc000_0000, 0xe000_0000),
            range(1 << 32, 5 << 32),
        ];
        assert_eq!(
            apertures(&described, &memory),
            [range(0xc000_0000, 0xe000_0000)]
        );
        assert_eq!(
            apertures(&described[..1], &memory),
            [range(0x8000_0000, 0xfec0_0000)]
        );
    }
}
