//! Which physical memory is free: the loader's map, less what is in use.

use crate::boot::PhysicalRange;
use bootloader_api::info::{MemoryRegion, MemoryRegionKind};

/// Nothing below is ever taken: firmware and loaders keep their own affairs in the first MiB.
const LOWEST: u64 = 0x10_0000;
/// Nothing above is taken: the entry stub mapped this much, and every card can reach it.
const HIGHEST: u64 = 1 << 32;

/// The lowest free range of `size` octets that begins at a multiple of `alignment` (a power of two),
/// or `None` when there is none.
pub fn find_free(
    regions: &[MemoryRegion],
    in_use: &[PhysicalRange],
    size: u64,
    alignment: u64,
) -> Option<PhysicalRange> {
    regions
        .iter()
        .filter(|region| region.kind == MemoryRegionKind::Usable)
        .filter_map(|region| {
            let end = region.end.min(HIGHEST);
            let mut start = region.start.max(LOWEST);
            loop {
                start = start.checked_next_multiple_of(alignment)?;
                let range = PhysicalRange {
                    start,
                    end: start.checked_add(size).filter(|&last| last <= end)?,
                };
                // A region that firmware calls usable can overlap one that it does not.
                match first_overlap(regions, in_use, range) {
                    None => return Some(range),
                    Some(behind) => start = behind,
                }
            }
        })
        .min_by_key(|range| range.start)
}

/// Whether all of `range` is usable memory that nothing uses.
pub fn is_free(regions: &[MemoryRegion], in_use: &[PhysicalRange], range: PhysicalRange) -> bool {
    let holds = |region: &MemoryRegion| {
        region.kind == MemoryRegionKind::Usable
            && region.start <= range.start
            && range.end <= region.end
    };
    regions.iter().any(holds) && first_overlap(regions, in_use, range).is_none()
}

/// The end of something in use that overlaps `range`.
fn first_overlap(
    regions: &[MemoryRegion],
    in_use: &[PhysicalRange],
    range: PhysicalRange,
) -> Option<u64> {
    let taken = regions
        .iter()
        .filter(|region| region.kind != MemoryRegionKind::Usable)
        .map(|region| (region.start, region.end));
    in_use
        .iter()
        .map(|range| (range.start, range.end))
        .chain(taken)
        .find(|&(start, end)| start < range.end && end > range.start)
        .map(|(_, end)| end)
}

/// Octets of usable memory.
pub fn usable_octets(regions: &[MemoryRegion]) -> u64 {
    regions
        .iter()
        .filter(|region| region.kind == MemoryRegionKind::Usable)
        .map(|region| region.end.saturating_sub(region.start))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(start: u64, end: u64, kind: MemoryRegionKind) -> MemoryRegion {
        let mut region = MemoryRegion::empty();
        region.start = start;
        region.end = end;
        region.kind = kind;
        region
    }

    const MIB: u64 = 1 << 20;

    #[test]
    fn takes_the_lowest_aligned_range_that_nothing_uses() {
        let regions = [
            region(0, 640 << 10, MemoryRegionKind::Usable),
            region(MIB, 128 * MIB, MemoryRegionKind::Usable),
        ];
        let in_use = [
            PhysicalRange {
                start: 2 * MIB,
                end: 3 * MIB + 5,
            },
            PhysicalRange {
                start: 8 * MIB,
                end: 9 * MIB,
            },
        ];
        let find =
            |size| find_free(&regions, &in_use, size, 2 * MIB).map(|range| range.start / MIB);
        assert_eq!(find(4 * MIB), Some(4));
        assert_eq!(find(5 * MIB), Some(10));
        assert_eq!(find(118 * MIB), Some(10));
        assert_eq!(find(119 * MIB), None);
    }

    #[test]
    fn never_takes_the_first_mebibyte_nor_what_is_beyond_4_gib() {
        let regions = [
            region(0, MIB, MemoryRegionKind::Usable),
            region(4096 * MIB, 8192 * MIB, MemoryRegionKind::Usable),
        ];
        assert_eq!(find_free(&regions, &[], 4096, 4096), None);
    }

    #[test]
    fn a_reserved_region_inside_a_usable_one_wins() {
        let regions = [
            region(MIB, 16 * MIB, MemoryRegionKind::Usable),
            region(4 * MIB, 12 * MIB, MemoryRegionKind::UnknownBios(2)),
        ];
        let found = find_free(&regions, &[], 4 * MIB, MIB);
        assert_eq!(
            found,
            Some(PhysicalRange {
                start: 12 * MIB,
                end: 16 * MIB
            })
        );
        assert_eq!(usable_octets(&regions), 15 * MIB);
    }

    #[test]
    fn a_page_is_free_where_memory_is_usable_and_nothing_uses_it() {
        let regions = [
            region(MIB, 32 * MIB, MemoryRegionKind::Usable),
            region(30 * MIB, 31 * MIB, MemoryRegionKind::UnknownBios(2)),
        ];
        let in_use = [PhysicalRange {
            start: 4 * MIB,
            end: 5 * MIB + 1,
        }];
        let is_free = |start| {
            let end = start + 4096;
            is_free(&regions, &in_use, PhysicalRange { start, end })
        };
        assert!(is_free(28 * MIB));
        assert!(is_free(4 * MIB - 4096));
        for taken in [0, 5 * MIB, 30 * MIB, 32 * MIB - 1, 64 * MIB] {
            assert!(!is_free(taken), "{taken:#x}");
        }
    }

    #[test]
    fn an_absurd_map_finds_nothing_and_ends() {
        let regions = [
            region(u64::MAX - 5, u64::MAX, MemoryRegionKind::Usable),
            region(9 * MIB, 2 * MIB, MemoryRegionKind::Usable),
        ];
        assert_eq!(find_free(&regions, &[], MIB, MIB), None);
        assert_eq!(find_free(&[], &[], MIB, MIB), None);
    }
}
