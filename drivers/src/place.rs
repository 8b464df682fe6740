//! Places in a ring of slots.

/// How far a ring of `SLOTS` slots has come, in octets: each of its tables has entries of `SIZE` octets, so that an entry is found
/// by adding the place to where the table begins, and nothing is multiplied. It does not go back to zero at
/// the ring's end: one place is behind another where it is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub struct Place<const SLOTS: usize, const SIZE: usize>(usize);

impl<const SLOTS: usize, const SIZE: usize> Place<SLOTS, SIZE> {
    /// Where a ring begins.
    pub const START: Self = Self(0);

    /// The octets from where a table begins to where the entry does.
    const OFFSET: usize = {
        assert!(SLOTS.is_power_of_two() && SIZE.is_power_of_two());
        (SLOTS - 1) * SIZE
    };

    /// The slot there.
    #[inline]
    pub const fn slot(self) -> usize {
        (self.0 & Self::OFFSET) / SIZE
    }

    /// The place so many slots further on.
    #[inline]
    pub const fn after(self, slots: usize) -> Self {
        Self(self.0.wrapping_add(slots.wrapping_mul(SIZE)))
    }

    /// The place one slot before.
    #[inline]
    pub const fn before(self) -> Self {
        Self(self.0.wrapping_sub(SIZE))
    }

    /// The slot's entry in a table.
    #[inline]
    pub const fn of<T>(self, table: &[T; SLOTS]) -> &T {
        const { assert!(size_of::<T>() == SIZE) };
        let first = core::ptr::from_ref(table).cast::<T>();
        // SAFETY: a multiple of an entry's size, and less than the table's, so that an entry begins there. It is borrowed
        // as the table is.
        unsafe { &*first.byte_add(self.0 & Self::OFFSET) }
    }

    /// The slot's entry in a table, to change it.
    #[inline]
    pub const fn of_mut<T>(self, table: &mut [T; SLOTS]) -> &mut T {
        const { assert!(size_of::<T>() == SIZE) };
        let first = core::ptr::from_mut(table).cast::<T>();
        // SAFETY: as for [`Self::of`].
        unsafe { &mut *first.byte_add(self.0 & Self::OFFSET) }
    }
}

#[cfg(test)]
mod tests {
    type Place = super::Place<4, 8>;

    #[test]
    fn a_place_goes_round_the_tables_and_on() {
        let mut table = [0_u64, 10, 20, 30];
        let mut place = Place::START;
        for turn in 0..3 {
            for slot in 0..4 {
                assert_eq!(place.slot(), slot);
                assert_eq!(*place.of(&table), slot as u64 * 10 + turn);
                *place.of_mut(&mut table) += 1;
                assert!(place < place.after(1) && place.after(7) > place.after(6));
                assert_eq!(place.after(5).before(), place.after(4));
                place = place.after(1);
            }
        }
        assert_eq!(Place::START.before().slot(), 3);
    }
}
