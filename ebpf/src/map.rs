//! Maps: what a program keeps from frame to frame, and what it shares with the console.
//!
//! All room for a map is taken when its program is loaded. A value stays where it is for as long as its
//! entry exists, so that an address handed to the program stays what it was while it runs.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

/// The longest key, in octets.
const MAXIMUM_KEY: usize = 64;
/// The octets that all values of a map may take together.
const MAXIMUM_VALUES: usize = 1 << 20;
/// Marks a place of the index at which nothing stands.
const VACANT: u32 = u32::MAX;

/// What a map is. The numbers are those of `linux/bpf.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapKind {
    /// `BPF_MAP_TYPE_HASH`: values by their keys.
    Hash,
    /// `BPF_MAP_TYPE_ARRAY`: values by their numbers, four octets as the machine has them.
    Array,
}

/// What a map is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapDefinition {
    /// Its name.
    pub name: String,
    /// Number of its kind, as `linux/bpf.h` has it.
    pub kind: u32,
    /// Octets of a key.
    pub key_size: u32,
    /// Octets of a value.
    pub value_size: u32,
    /// The most entries that it can have.
    pub maximum_entries: u32,
    /// Flags, as `linux/bpf.h` has them.
    pub flags: u32,
}

/// When a value may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateRule {
    /// In any case: `BPF_ANY`.
    Any,
    /// When the key is new: `BPF_NOEXIST`.
    New,
    /// When the key is there: `BPF_EXIST`.
    Existing,
}

impl UpdateRule {
    /// The rule with this number in `linux/bpf.h`.
    pub const fn numbered(number: u64) -> Option<Self> {
        match number {
            0 => Some(Self::Any),
            1 => Some(Self::New),
            2 => Some(Self::Existing),
            _ => None,
        }
    }
}

/// Why a map was refused, or something could not be done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapError {
    /// A kind that there is not.
    Kind(u32),
    /// Flags that mean something that there is not.
    Flags(u32),
    /// A key that is too long, too short or, in an array, not of four octets.
    KeySize(usize),
    /// A value that is empty, too long, or not as long as the map's.
    ValueSize(usize),
    /// No entries, or too many for the room that there is.
    Entries(u32),
    /// There is no definition that can be read.
    Undefined,
    /// Its definition says something that is not supported.
    Attribute(&'static str),
    /// There is no such entry.
    NoEntry,
    /// There is such an entry already.
    Exists,
    /// There is no room for another entry.
    Full,
    /// Entries of an array cannot be deleted.
    CannotDelete,
    /// The program's constants.
    ReadOnly,
}

impl MapError {
    /// What the helpers return for it, a negative error number of Linux.
    pub const fn number(self) -> i64 {
        match self {
            Self::ReadOnly => -1,
            Self::NoEntry => -2,
            Self::Full => -7,
            Self::Exists => -17,
            _ => -22,
        }
    }
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind(kind) => match KIND_NAMES.get(*kind as usize) {
                Some(name) => write!(f, "kind {kind}, {name}, is not supported; hash and array are"),
                None => write!(f, "there is no kind {kind}"),
            },
            Self::Flags(flags) => write!(f, "flags {flags:#x} are not supported"),
            Self::KeySize(size) => write!(f, "its keys cannot have {size} octets"),
            Self::ValueSize(size) => write!(f, "its values cannot have {size} octets"),
            Self::Entries(count) => write!(f, "there is no room for {count} entries"),
            Self::Undefined => f.write_str(
                "its definition cannot be read; maps in section .maps need debug information (clang -g)",
            ),
            Self::Attribute(name) => write!(f, "{name} in its definition is not supported"),
            Self::NoEntry => f.write_str("there is no such entry"),
            Self::Exists => f.write_str("the entry is there already"),
            Self::Full => f.write_str("there is no room for another entry"),
            Self::CannotDelete => f.write_str("entries of an array cannot be deleted"),
            Self::ReadOnly => f.write_str("it is read-only"),
        }
    }
}

/// Kinds of maps by their numbers.
const KIND_NAMES: [&str; 34] = [
    "unspec",
    "hash",
    "array",
    "prog_array",
    "perf_event_array",
    "percpu_hash",
    "percpu_array",
    "stack_trace",
    "cgroup_array",
    "lru_hash",
    "lru_percpu_hash",
    "lpm_trie",
    "array_of_maps",
    "hash_of_maps",
    "devmap",
    "sockmap",
    "cpumap",
    "xskmap",
    "sockhash",
    "cgroup_storage",
    "reuseport_sockarray",
    "percpu_cgroup_storage",
    "queue",
    "stack",
    "sk_storage",
    "devmap_hash",
    "struct_ops",
    "ringbuf",
    "inode_storage",
    "task_storage",
    "bloom_filter",
    "user_ringbuf",
    "cgrp_storage",
    "arena",
];

/// A map.
#[derive(Clone, Debug)]
pub struct Map {
    name: String,
    kind: MapKind,
    key_size: usize,
    value_size: usize,
    entries: u32,
    is_read_only: bool,
    /// Values stand two to the power of this apart.
    stride_bits: u32,
    values: Box<[u8]>,
    table: Option<Table>,
}

/// What finds the values of a hash map.
#[derive(Clone, Debug)]
struct Table {
    seed: u64,
    /// Numbers of values, each at the place of its key's hash or behind it; twice as many places as
    /// there can be entries, at least, so that a search ends soon.
    index: Box<[u32]>,
    keys: Box<[u8]>,
    used: Box<[bool]>,
    /// Numbers of values that nobody uses; as large as it gets from the start.
    free: Vec<u32>,
}

impl Map {
    /// A map without entries or, if it is an array, of zeros. `seed` makes the places of its entries
    /// unpredictable. Allocates.
    ///
    /// # Errors
    ///
    /// There cannot be such a map.
    pub fn new(definition: MapDefinition, seed: u64) -> Result<Self, MapError> {
        const NO_PREALLOC: u32 = 1;
        let kind = match definition.kind {
            1 => MapKind::Hash,
            2 => MapKind::Array,
            other => return Err(MapError::Kind(other)),
        };
        // All room is taken in advance, whatever the program says of it.
        if definition.flags & !NO_PREALLOC != 0 {
            return Err(MapError::Flags(definition.flags));
        }
        let (key_size, value_size) = (definition.key_size as usize, definition.value_size as usize);
        let is_key = match kind {
            MapKind::Array => key_size == 4,
            MapKind::Hash => (1..=MAXIMUM_KEY).contains(&key_size),
        };
        if !is_key {
            return Err(MapError::KeySize(key_size));
        }
        if value_size == 0 || value_size > MAXIMUM_VALUES {
            return Err(MapError::ValueSize(value_size));
        }
        let entries = definition.maximum_entries;
        let stride_bits = value_size.next_power_of_two().trailing_zeros();
        let octets = (entries as usize).checked_shl(stride_bits).unwrap_or(0);
        // The upper half is far from where a shift loses bits.
        if entries == 0 || entries > MAXIMUM_VALUES as u32 || octets > MAXIMUM_VALUES {
            return Err(MapError::Entries(entries));
        }
        let table = (kind == MapKind::Hash).then(|| Table::new(entries, key_size, seed));
        Ok(Self {
            name: definition.name,
            kind,
            key_size,
            value_size,
            entries,
            is_read_only: false,
            stride_bits,
            values: vec![0; octets].into(),
            table,
        })
    }

    /// A program's variables: an array of one value, which begins as `octets`.
    pub(crate) fn of_variables(
        name: String,
        octets: &[u8],
        is_read_only: bool,
    ) -> Result<Self, MapError> {
        let definition = MapDefinition {
            name,
            kind: 2,
            key_size: 4,
            value_size: u32::try_from(octets.len())
                .map_err(|_| MapError::ValueSize(octets.len()))?,
            maximum_entries: 1,
            flags: 0,
        };
        let mut map = Self::new(definition, 0)?;
        for (to, from) in map.values.iter_mut().zip(octets) {
            *to = *from;
        }
        map.is_read_only = is_read_only;
        Ok(map)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is.
    pub const fn kind(&self) -> MapKind {
        self.kind
    }

    /// Octets of a key.
    pub const fn key_size(&self) -> usize {
        self.key_size
    }

    /// Octets of a value.
    pub const fn value_size(&self) -> usize {
        self.value_size
    }

    /// The most entries that it can have.
    pub const fn maximum_entries(&self) -> u32 {
        self.entries
    }

    /// Whether the program cannot write to it. The console can.
    pub const fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    /// How many entries it has.
    pub fn len(&self) -> usize {
        match &self.table {
            Some(table) => (self.entries as usize).saturating_sub(table.free.len()),
            None => self.entries as usize,
        }
    }

    /// Whether it has no entries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its values and their keys: those of an array in their order, without keys.
    pub fn entries(&self) -> impl Iterator<Item = (Option<&[u8]>, &[u8])> + '_ {
        (0..self.entries).filter_map(|place| self.entry(place))
    }

    /// The value at a place below [`Map::maximum_entries`], and its key, which in an array is the place;
    /// `None` where no entry is.
    pub fn entry(&self, place: u32) -> Option<(Option<&[u8]>, &[u8])> {
        let key = match &self.table {
            Some(table) => Some(table.used_key(place, self.key_size)?),
            None => None,
        };
        Some((key, self.value_at(place)?))
    }

    /// The value of `key`.
    pub fn value(&self, key: &[u8]) -> Option<&[u8]> {
        let (place, _) = self.find(key)?;
        self.value_at(place)
    }

    /// Writes a value from outside the program.
    ///
    /// # Errors
    ///
    /// Wrong sizes, no room, or `rule` forbids it.
    pub fn set(&mut self, key: &[u8], value: &[u8], rule: UpdateRule) -> Result<(), MapError> {
        self.update(key, value, rule).map(|_| ())
    }

    /// Takes an entry out of a hash map.
    ///
    /// # Errors
    ///
    /// There is no such entry, or the map is an array.
    pub fn delete(&mut self, key: &[u8]) -> Result<(), MapError> {
        let key_size = self.key_size;
        let table = self.table.as_mut().ok_or(MapError::CannotDelete)?;
        table.delete(key, key_size).ok_or(MapError::NoEntry)
    }

    /// The octets of memory that it takes, for the most part.
    pub(crate) fn octets_taken(&self) -> usize {
        let keys = self.table.as_ref().map_or(0, |table| table.keys.len());
        self.values.len().saturating_add(keys)
    }

    /// Where the value at `place` begins among all values.
    pub(crate) const fn address_of(&self, place: u32) -> u32 {
        place.wrapping_shl(self.stride_bits)
    }

    /// Whether the octet at `offset` belongs to the first value.
    pub(crate) const fn has_octet_of_first_value(&self, offset: u64) -> bool {
        // One further is where a loop over an array ends.
        self.table.is_none() && offset <= self.value_size as u64
    }

    /// Where the value of `key` is, and how many places were looked at.
    #[inline]
    pub(crate) fn find(&self, key: &[u8]) -> Option<(u32, u32)> {
        match &self.table {
            Some(table) => table.find(key, self.key_size),
            None => {
                let number = u32::from_ne_bytes(key.try_into().ok()?);
                (number < self.entries).then_some((number, 1))
            }
        }
    }

    /// Writes a value; returns how many places were looked at.
    pub(crate) fn update(
        &mut self,
        key: &[u8],
        value: &[u8],
        rule: UpdateRule,
    ) -> Result<u32, MapError> {
        if key.len() != self.key_size {
            return Err(MapError::KeySize(key.len()));
        }
        if value.len() != self.value_size {
            return Err(MapError::ValueSize(value.len()));
        }
        let (place, looks) = match (self.find(key), &mut self.table) {
            (Some(_), _) if rule == UpdateRule::New => return Err(MapError::Exists),
            (Some(found), _) => found,
            (None, None) => return Err(MapError::Full),
            (None, Some(_)) if rule == UpdateRule::Existing => return Err(MapError::NoEntry),
            (None, Some(table)) => table.insert(key, self.key_size).ok_or(MapError::Full)?,
        };
        let first = self.address_of(place) as usize;
        let room = self.values.get_mut(first..).unwrap_or_default();
        for (to, from) in room.iter_mut().zip(value) {
            *to = *from;
        }
        Ok(looks)
    }

    fn value_at(&self, place: u32) -> Option<&[u8]> {
        self.octets(self.address_of(place), self.value_size)
    }

    /// `length` octets at `offset`, which all belong to one value.
    #[inline]
    pub(crate) fn octets(&self, offset: u32, length: usize) -> Option<&[u8]> {
        if !self.is_inside(offset, length) {
            return None;
        }
        self.values.get(offset as usize..)?.get(..length)
    }

    /// `length` octets at `offset`, which all belong to one value, to be written by the program.
    #[inline]
    pub(crate) fn octets_mut(&mut self, offset: u32, length: usize) -> Option<&mut [u8]> {
        if self.is_read_only || !self.is_inside(offset, length) {
            return None;
        }
        self.values.get_mut(offset as usize..)?.get_mut(..length)
    }

    #[inline]
    fn is_inside(&self, offset: u32, length: usize) -> bool {
        let mask = 1_u32.wrapping_shl(self.stride_bits).wrapping_sub(1);
        let within = (offset & mask) as usize;
        within.saturating_add(length) <= self.value_size
    }
}

impl Table {
    fn new(entries: u32, key_size: usize, seed: u64) -> Self {
        let places = (entries as usize).saturating_mul(2).next_power_of_two();
        Self {
            seed,
            index: vec![VACANT; places].into(),
            keys: vec![0; (entries as usize).saturating_mul(key_size)].into(),
            used: vec![false; entries as usize].into(),
            free: (0..entries).rev().collect(),
        }
    }

    fn key(&self, place: u32, key_size: usize) -> Option<&[u8]> {
        let first = (place as usize).checked_mul(key_size)?;
        self.keys.get(first..)?.get(..key_size)
    }

    fn used_key(&self, place: u32, key_size: usize) -> Option<&[u8]> {
        let is_used = self.used.get(place as usize).copied()?;
        is_used.then(|| self.key(place, key_size))?
    }

    /// The first place of the index at which `key` may be.
    fn home(&self, key: &[u8]) -> usize {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        let (words, rest) = key.as_chunks::<8>();
        let last = rest
            .iter()
            .fold(0_u64, |word, octet| word << 8 | u64::from(*octet));
        let words = words.iter().map(|word| u64::from_le_bytes(*word));
        let hash = words
            .chain(core::iter::once(last))
            .fold(self.seed, |hash, word| {
                // The upper half of a product depends on all bits of both.
                let product = u128::from(hash ^ word).wrapping_mul(u128::from(ODD));
                product as u64 ^ (product >> 64) as u64
            });
        (hash >> 32) as usize & self.mask()
    }

    fn mask(&self) -> usize {
        self.index.len().wrapping_sub(1)
    }

    /// Where in the index `key` is, the number of its value, and how many places were looked at; or the
    /// vacant place at which the search ended.
    fn search(&self, key: &[u8], key_size: usize) -> Result<(usize, u32, u32), (usize, u32)> {
        let mut at = self.home(key);
        let mut looks = 1_u32;
        loop {
            match self.index.get(at) {
                None | Some(&VACANT) => return Err((at, looks)),
                Some(&place) if self.key(place, key_size) == Some(key) => {
                    return Ok((at, place, looks));
                }
                Some(_) => {}
            }
            at = at.wrapping_add(1) & self.mask();
            looks = looks.saturating_add(1);
        }
    }

    fn find(&self, key: &[u8], key_size: usize) -> Option<(u32, u32)> {
        let (_, place, looks) = self.search(key, key_size).ok()?;
        Some((place, looks))
    }

    /// Makes an entry for a key that has none.
    fn insert(&mut self, key: &[u8], key_size: usize) -> Option<(u32, u32)> {
        let (at, looks) = self.search(key, key_size).err()?;
        let place = self.free.pop()?;
        *self.index.get_mut(at)? = place;
        *self.used.get_mut(place as usize)? = true;
        let first = (place as usize).checked_mul(key_size)?;
        for (to, from) in self.keys.get_mut(first..)?.iter_mut().zip(key) {
            *to = *from;
        }
        Some((place, looks))
    }

    fn delete(&mut self, key: &[u8], key_size: usize) -> Option<()> {
        let (mut hole, place, _) = self.search(key, key_size).ok()?;
        *self.used.get_mut(place as usize)? = false;
        self.free.push(place);
        // What stands behind the hole, and was put there because its home was taken, moves up.
        let mut at = hole;
        loop {
            at = at.wrapping_add(1) & self.mask();
            let moved = match self.index.get(at) {
                None | Some(&VACANT) => break,
                Some(&moved) => moved,
            };
            let home = self.home(self.key(moved, key_size)?);
            let from_home = at.wrapping_sub(home) & self.mask();
            let from_hole = at.wrapping_sub(hole) & self.mask();
            if from_home >= from_hole {
                *self.index.get_mut(hole)? = moved;
                hole = at;
            }
        }
        *self.index.get_mut(hole)? = VACANT;
        Some(())
    }
}
