//! The definitions of maps, as far as an object file has them in its type information (section `.BTF`;
//! Linux, Documentation/bpf/btf.rst). Everything else in there is passed over.
//!
//! A definition is a variable in `.maps` whose type is a structure; its members say by their types what
//! the map is to be: a number is the length of an array to which a member points.

use crate::map::{MapDefinition, MapError};
use alloc::string::String;
use alloc::vec::Vec;

const MAGIC: u16 = 0xeb9f;
/// How many steps lead from a type to the one it stands for, at most.
const STEPS: usize = 16;

mod kind {
    pub const INT: u32 = 1;
    pub const PTR: u32 = 2;
    pub const ARRAY: u32 = 3;
    pub const STRUCT: u32 = 4;
    pub const UNION: u32 = 5;
    pub const ENUM: u32 = 6;
    pub const FWD: u32 = 7;
    pub const TYPEDEF: u32 = 8;
    pub const VOLATILE: u32 = 9;
    pub const CONST: u32 = 10;
    pub const RESTRICT: u32 = 11;
    pub const FUNC: u32 = 12;
    pub const FUNC_PROTO: u32 = 13;
    pub const VAR: u32 = 14;
    pub const DATASEC: u32 = 15;
    pub const FLOAT: u32 = 16;
    pub const DECL_TAG: u32 = 17;
    pub const TYPE_TAG: u32 = 18;
    pub const ENUM64: u32 = 19;
}

/// One type: its kind, and what stands in its description.
#[derive(Clone, Copy, Debug)]
struct Type<'data> {
    kind: u32,
    name: u32,
    /// Its size, or the type to which it refers.
    size_or_type: u32,
    /// What is described behind it: members, the length of an array.
    rest: &'data [u8],
}

/// The types of an object file.
#[derive(Debug)]
pub struct Types<'data> {
    types: Vec<Type<'data>>,
    strings: &'data [u8],
}

impl<'data> Types<'data> {
    /// Reads the types; `None` when they make no sense.
    pub fn read(data: &'data [u8]) -> Option<Self> {
        if u16::from_le_bytes(*data.first_chunk()?) != MAGIC {
            return None;
        }
        let part = |at: usize| {
            let header = word(data, 4)? as usize;
            let begin = header.checked_add(word(data, at)? as usize)?;
            data.get(begin..)?
                .get(..word(data, at.checked_add(4)?)? as usize)
        };
        let (mut rest, strings) = (part(8)?, part(16)?);
        let mut types = Vec::new();
        while !rest.is_empty() {
            let information = word(rest, 4)?;
            let members = (information & 0xffff) as usize;
            let kind = information >> 24 & 0x1f;
            let length = match kind {
                kind::INT | kind::VAR | kind::DECL_TAG => 4,
                kind::ARRAY => 12,
                kind::STRUCT | kind::UNION | kind::DATASEC | kind::ENUM64 => {
                    members.checked_mul(12)?
                }
                kind::ENUM | kind::FUNC_PROTO => members.checked_mul(8)?,
                kind::PTR
                | kind::FWD
                | kind::TYPEDEF
                | kind::VOLATILE
                | kind::CONST
                | kind::RESTRICT
                | kind::FUNC
                | kind::FLOAT
                | kind::TYPE_TAG => 0,
                _ => return None,
            };
            let behind = rest.get(12..)?;
            types.push(Type {
                kind,
                name: word(rest, 0)?,
                size_or_type: word(rest, 8)?,
                rest: behind.get(..length)?,
            });
            rest = behind.get(length..)?;
        }
        Some(Self { types, strings })
    }

    /// The definition of the map that is called `name`.
    ///
    /// # Errors
    ///
    /// There is none, or it has members that mean something that there is not.
    pub fn map(&self, name: &str) -> Result<MapDefinition, MapError> {
        let mut variables = self.types.iter().filter(|found| found.kind == kind::VAR);
        let variable = variables.find(|found| self.string(found.name) == Some(name.as_bytes()));
        let variable = variable.ok_or(MapError::Undefined)?;
        let structure = self
            .resolve(variable.size_or_type)
            .filter(|found| found.kind == kind::STRUCT)
            .ok_or(MapError::Undefined)?;
        let mut definition = MapDefinition {
            name: String::from(name),
            kind: 0,
            key_size: 0,
            value_size: 0,
            maximum_entries: 0,
            flags: 0,
        };
        for member in structure.rest.chunks_exact(12) {
            self.read_member(member, &mut definition)
                .ok_or(MapError::Undefined)??;
        }
        Ok(definition)
    }

    fn read_member(
        &self,
        member: &[u8],
        definition: &mut MapDefinition,
    ) -> Option<Result<(), MapError>> {
        let pointer = self.resolve(word(member, 4)?)?;
        let meant = pointer.size_or_type;
        let number = || {
            let array = self.resolve(meant).filter(|it| it.kind == kind::ARRAY)?;
            word(array.rest, 8)
        };
        let place = match self.string(word(member, 0)?)? {
            b"type" => &mut definition.kind,
            b"key_size" => &mut definition.key_size,
            b"value_size" => &mut definition.value_size,
            b"max_entries" => &mut definition.maximum_entries,
            b"map_flags" => &mut definition.flags,
            b"key" => {
                definition.key_size = self.size(meant)?;
                return Some(Ok(()));
            }
            b"value" => {
                definition.value_size = self.size(meant)?;
                return Some(Ok(()));
            }
            b"pinning" => return Some(Err(MapError::Attribute("pinning"))),
            b"values" => return Some(Err(MapError::Attribute("values"))),
            b"map_extra" => return Some(Err(MapError::Attribute("map_extra"))),
            b"numa_node" => return Some(Err(MapError::Attribute("numa_node"))),
            _ => return None,
        };
        if pointer.kind != kind::PTR {
            return None;
        }
        *place = number()?;
        Some(Ok(()))
    }

    /// The type with this number, without what only qualifies or names it.
    fn resolve(&self, number: u32) -> Option<&Type<'data>> {
        let mut number = number;
        for _ in 0..STEPS {
            let index = usize::try_from(number).ok()?.checked_sub(1)?;
            let found = self.types.get(index)?;
            match found.kind {
                kind::TYPEDEF | kind::VOLATILE | kind::CONST | kind::RESTRICT | kind::TYPE_TAG => {
                    number = found.size_or_type;
                }
                _ => return Some(found),
            }
        }
        None
    }

    /// How many octets a thing of this type has.
    fn size(&self, number: u32) -> Option<u32> {
        let mut number = number;
        let mut count = 1_u32;
        for _ in 0..STEPS {
            let found = self.resolve(number)?;
            let octets = match found.kind {
                kind::INT
                | kind::STRUCT
                | kind::UNION
                | kind::ENUM
                | kind::ENUM64
                | kind::FLOAT => found.size_or_type,
                kind::PTR => 8,
                kind::ARRAY => {
                    count = count.checked_mul(word(found.rest, 8)?)?;
                    number = word(found.rest, 0)?;
                    continue;
                }
                _ => return None,
            };
            return octets.checked_mul(count);
        }
        None
    }

    fn string(&self, offset: u32) -> Option<&'data [u8]> {
        let from = self.strings.get(offset as usize..)?;
        from.split(|octet| *octet == 0).next()
    }
}

/// The number at `offset`.
fn word(data: &[u8], offset: usize) -> Option<u32> {
    let octets = data.get(offset..)?.first_chunk()?;
    Some(u32::from_le_bytes(*octets))
}
