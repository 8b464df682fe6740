//! Takes an object file apart, and links the first socket filter in it: its function, those that it calls,
//! its maps and its variables.
//!
//! The file may come from anybody: every number in it is checked before it is used, and what cannot be
//! linked is refused by its name.

use crate::btf::Types;
use crate::encoding::{CALL, CALL_LOCAL, SLOT_SIZE, Slot, WIDE, wide};
use crate::error::LoadError;
use crate::map::{Map, MapDefinition, MapError};
use crate::program::{
    MAXIMUM_INSTRUCTIONS, MAXIMUM_MAP_OCTETS, MAXIMUM_MAPS, MAXIMUM_OBJECT, at_most,
};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::Write;
use core::ops::Range;
use elf::abi;
use elf::endian::LittleEndian;
use elf::file::Class;
use elf::{ElfBytes, ParseError};

/// Octets of a definition in section `maps`: five numbers.
const LEGACY_DEFINITION: usize = 20;
/// Relocation of a 64-bit immediate, `R_BPF_64_64`.
const RELOCATE_WIDE: u32 = 1;
/// Relocation of a call, `R_BPF_64_32`.
const RELOCATE_CALL: u32 = 10;
/// The most functions of a program.
const MAXIMUM_FUNCTIONS: usize = 128;
/// The most sections and symbols that are looked at.
const MAXIMUM_ENTRIES: usize = 16_384;

/// A program whose parts are together, but not checked.
#[derive(Debug)]
pub struct Linked {
    pub name: String,
    pub section: String,
    pub license: String,
    pub slots: Vec<Slot>,
    pub maps: Vec<Map>,
}

/// Links the first socket filter of an object file.
///
/// # Errors
///
/// What was wrong with the file, by its name.
pub fn link(octets: &[u8], seed: u64) -> Result<Linked, LoadError> {
    let object = Object::read(octets)?;
    let (index, program) = object.program()?;
    let name = program.name.clone();
    let mut linker = Linker {
        object: &object,
        seed,
        slots: Vec::new(),
        pieces: Vec::new(),
        maps: Vec::new(),
        origins: Vec::new(),
    };
    linker.define_maps()?;
    linker.add(index, program.octets)?;
    let mut linked = 0;
    while let Some(piece) = linker.pieces.get(linked).cloned() {
        linker.link(&piece)?;
        linked = linked.saturating_add(1);
    }
    Ok(Linked {
        name,
        section: object.name_of(index),
        license: object.license(),
        slots: linker.slots,
        maps: linker.maps,
    })
}

/// Makes a map, or says which one there cannot be.
///
/// # Errors
///
/// There cannot be such a map.
pub fn make_map(definition: MapDefinition, seed: u64) -> Result<Map, LoadError> {
    let name = definition.name.clone();
    Map::new(definition, seed).map_err(|problem| LoadError::Map { name, problem })
}

fn malformed(what: &'static str) -> impl Fn(ParseError) -> LoadError {
    move |error| {
        let mut problem = String::new();
        // A string takes everything. (`format!` does not link without the standard library's unwinding.)
        let _ = write!(problem, "{error}");
        LoadError::Malformed { what, problem }
    }
}

#[derive(Debug)]
struct Section<'data> {
    name: &'data str,
    kind: u32,
    flags: u64,
    /// What a relocation section is for.
    information: u32,
    /// As it will be in memory, if that is larger than in the file.
    size: u64,
    data: &'data [u8],
}

#[derive(Debug)]
struct Symbol<'data> {
    name: &'data str,
    kind: u8,
    section: usize,
    value: u64,
    size: u64,
}

/// A place that an instruction refers to.
#[derive(Debug)]
struct Relocation {
    /// In the section, in octets.
    offset: u64,
    kind: u32,
    symbol: u32,
}

#[derive(Debug)]
struct Object<'data> {
    sections: Vec<Section<'data>>,
    symbols: Vec<Symbol<'data>>,
    types: Option<Types<'data>>,
}

/// A function: its name, and where it is in its section, in octets.
#[derive(Debug)]
struct Function {
    name: String,
    octets: Range<u64>,
}

impl<'data> Object<'data> {
    fn read(octets: &'data [u8]) -> Result<Self, LoadError> {
        if octets.len() > MAXIMUM_OBJECT {
            return Err(LoadError::TooLarge {
                octets: octets.len(),
            });
        }
        let file = ElfBytes::<LittleEndian>::minimal_parse(octets)
            .map_err(malformed("little-endian object file"))?;
        if file.ehdr.class != Class::ELF64 || file.ehdr.e_machine != abi::EM_BPF {
            return Err(LoadError::NotBpf {
                machine: file.ehdr.e_machine,
            });
        }
        if file.ehdr.e_type != abi::ET_REL {
            return Err(LoadError::NotRelocatable);
        }
        let sections = Self::read_sections(&file)?;
        let symbols = Self::read_symbols(&file)?;
        let mut informative = sections.iter().filter(|section| section.name == ".BTF");
        let types = informative
            .next()
            .and_then(|section| Types::read(section.data));
        Ok(Self {
            sections,
            symbols,
            types,
        })
    }

    fn read_sections(
        file: &ElfBytes<'data, LittleEndian>,
    ) -> Result<Vec<Section<'data>>, LoadError> {
        let headers = file
            .section_headers_with_strtab()
            .map_err(malformed("table of sections"))?;
        let (Some(headers), Some(names)) = headers else {
            return Err(LoadError::NoProgram);
        };
        at_most("sections", headers.len(), MAXIMUM_ENTRIES)?;
        let mut sections = Vec::new();
        for header in headers.iter() {
            let name = names
                .get(header.sh_name as usize)
                .map_err(malformed("name of a section"))?;
            let (data, compression) = file
                .section_data(&header)
                .map_err(malformed("data of a section"))?;
            // Those of debug information may be compressed; none that is used here may.
            let data = if compression.is_some() { &[] } else { data };
            sections.push(Section {
                name,
                kind: header.sh_type,
                flags: header.sh_flags,
                information: header.sh_info,
                size: header.sh_size,
                data,
            });
        }
        Ok(sections)
    }

    fn read_symbols(file: &ElfBytes<'data, LittleEndian>) -> Result<Vec<Symbol<'data>>, LoadError> {
        let table = file.symbol_table().map_err(malformed("table of symbols"))?;
        let Some((table, names)) = table else {
            return Ok(Vec::new());
        };
        at_most("symbols", table.len(), MAXIMUM_ENTRIES)?;
        let mut symbols = Vec::new();
        for symbol in table.iter() {
            let name = names
                .get(symbol.st_name as usize)
                .map_err(malformed("name of a symbol"))?;
            symbols.push(Symbol {
                name,
                kind: symbol.st_symtype(),
                section: usize::from(symbol.st_shndx),
                value: symbol.st_value,
                size: symbol.st_size,
            });
        }
        Ok(symbols)
    }

    fn name_of(&self, index: usize) -> String {
        let section = self.sections.get(index);
        String::from(section.map_or("", |section| section.name))
    }

    fn license(&self) -> String {
        let mut found = self.sections.iter().filter(|it| it.name == "license");
        let octets = found.next().map_or(&[][..], |section| section.data);
        let text = octets.split(|octet| *octet == 0).next().unwrap_or_default();
        String::from_utf8_lossy(text.get(..64).unwrap_or(text)).into_owned()
    }

    /// The first function of the first section for socket filters.
    fn program(&self) -> Result<(usize, Function), LoadError> {
        let is_filter = |section: &Section<'_>| {
            let kind = section.name.split('/').next();
            matches!(kind, Some("socket" | "filter"))
                && section.kind == abi::SHT_PROGBITS
                && section.flags & u64::from(abi::SHF_EXECINSTR) != 0
        };
        let index = self.sections.iter().position(is_filter);
        let index = index.ok_or(LoadError::NoProgram)?;
        let functions = self
            .symbols
            .iter()
            .filter(|symbol| symbol.section == index && symbol.kind == abi::STT_FUNC);
        let first = functions.min_by_key(|symbol| symbol.value);
        let function = first.map_or_else(
            || Function {
                name: self.name_of(index),
                octets: 0..u64::MAX,
            },
            Function::of_symbol,
        );
        Ok((index, function))
    }

    /// The function at `offset` in a section.
    fn function_at(&self, section: usize, offset: u64) -> Option<Function> {
        let functions = self.symbols.iter().filter(|symbol| {
            symbol.section == section && symbol.kind == abi::STT_FUNC && symbol.value == offset
        });
        functions.map(Function::of_symbol).next()
    }

    /// The relocations of a section.
    fn relocations(&self, section: usize) -> Result<Vec<Relocation>, LoadError> {
        let mut relocations = Vec::new();
        let tables = self.sections.iter().filter(|it| {
            matches!(it.kind, abi::SHT_REL | abi::SHT_RELA) && it.information as usize == section
        });
        for table in tables {
            let (entries, rest) = table.data.as_chunks::<16>();
            if table.kind == abi::SHT_RELA || !rest.is_empty() {
                return Err(LoadError::Section {
                    name: String::from(table.name),
                    problem: "its relocations are not of the kind that BPF has",
                });
            }
            relocations.extend(entries.iter().map(|entry| {
                let [offset, information] = [0, 8].map(|at| {
                    let octets = entry.get(at..).and_then(|rest| rest.first_chunk());
                    u64::from_le_bytes(octets.copied().unwrap_or_default())
                });
                Relocation {
                    offset,
                    kind: information as u32,
                    symbol: (information >> 32) as u32,
                }
            }));
        }
        Ok(relocations)
    }
}

impl Function {
    fn of_symbol(symbol: &Symbol<'_>) -> Self {
        let end = match symbol.size {
            0 => u64::MAX,
            size => symbol.value.saturating_add(size),
        };
        Self {
            name: String::from(symbol.name),
            octets: symbol.value..end,
        }
    }
}

/// A function that is part of the program.
#[derive(Clone, Debug)]
struct Piece {
    section: usize,
    /// Where in the section, in octets.
    octets: Range<u64>,
    /// Its first slot in the program.
    first: usize,
}

struct Linker<'object> {
    object: &'object Object<'object>,
    seed: u64,
    slots: Vec<Slot>,
    pieces: Vec<Piece>,
    maps: Vec<Map>,
    /// Where each map was defined: its section, and where in it; variables are at 0.
    origins: Vec<(usize, u64)>,
}

impl Linker<'_> {
    /// Makes all maps that are defined in the object.
    fn define_maps(&mut self) -> Result<(), LoadError> {
        for symbol in &self.object.symbols {
            let section = self.object.sections.get(symbol.section);
            let Some(section) = section.filter(|_| symbol.kind == abi::STT_OBJECT) else {
                continue;
            };
            let definition = match section.name {
                ".maps" => {
                    let types = self.object.types.as_ref();
                    types.map_or(Err(MapError::Undefined), |types| types.map(symbol.name))
                }
                "maps" => legacy_definition(section, symbol).ok_or(MapError::Undefined),
                _ => continue,
            };
            let definition = definition.map_err(|problem| LoadError::Map {
                name: String::from(symbol.name),
                problem,
            })?;
            let map = make_map(definition, self.seed)?;
            self.keep_map(map, (symbol.section, symbol.value))?;
        }
        Ok(())
    }

    fn keep_map(&mut self, map: Map, origin: (usize, u64)) -> Result<usize, LoadError> {
        let index = self.maps.len();
        at_most("maps", index.saturating_add(1), MAXIMUM_MAPS)?;
        self.maps.push(map);
        self.origins.push(origin);
        let octets = self.maps.iter().map(Map::octets_taken);
        let octets = octets.fold(0, usize::saturating_add);
        at_most("octets in maps", octets, MAXIMUM_MAP_OCTETS)?;
        Ok(index)
    }

    /// Adds part of a section to the program. Returns its first slot.
    fn add(&mut self, section: usize, octets: Range<u64>) -> Result<usize, LoadError> {
        let wrong = |problem| LoadError::Section {
            name: self.object.name_of(section),
            problem,
        };
        let data = self.object.sections.get(section).map(|it| it.data);
        let data = data.unwrap_or_default();
        let end = octets.end.min(data.len() as u64);
        let range = octets.start as usize..end as usize;
        let part = data
            .get(range)
            .filter(|part| !part.is_empty())
            .ok_or_else(|| wrong("it ends before its function does"))?;
        if octets.end != u64::MAX && octets.end > data.len() as u64 {
            return Err(wrong("it ends before its function does"));
        }
        let slots = Slot::list(part)
            .ok_or_else(|| wrong("its length is no whole number of instructions"))?;
        let first = self.slots.len();
        let pieces = self.pieces.len().saturating_add(1);
        at_most("functions", pieces, MAXIMUM_FUNCTIONS)?;
        self.slots.extend(slots);
        at_most("instructions", self.slots.len(), MAXIMUM_INSTRUCTIONS)?;
        self.pieces.push(Piece {
            section,
            octets: octets.start..end,
            first,
        });
        Ok(first)
    }

    /// Makes the instructions of a piece refer to where things are in the program.
    fn link(&mut self, piece: &Piece) -> Result<(), LoadError> {
        let relocations = self.object.relocations(piece.section)?;
        let mut linked = vec![false; self.slots.len().saturating_sub(piece.first)];
        for relocation in &relocations {
            if !piece.octets.contains(&relocation.offset) {
                continue;
            }
            let distance = relocation.offset.wrapping_sub(piece.octets.start) as usize;
            let number = piece.first.saturating_add(distance / SLOT_SIZE);
            let symbol = self.object.symbols.get(relocation.symbol as usize);
            let symbol = symbol.ok_or_else(|| LoadError::Section {
                name: self.object.name_of(piece.section),
                problem: "a relocation refers to a symbol that is not there",
            })?;
            self.relocate(number, relocation.kind, symbol)?;
            if let Some(mark) = linked.get_mut(distance / SLOT_SIZE) {
                *mark = true;
            }
        }
        // Calls within a section need no relocation; functions may have changed places.
        let length = piece.octets.end.saturating_sub(piece.octets.start) as usize / SLOT_SIZE;
        for distance in 0..length {
            let number = piece.first.saturating_add(distance);
            let slot = self.slots.get(number).copied();
            let Some(slot) = slot.filter(|it| it.opcode == CALL && it.source == CALL_LOCAL) else {
                continue;
            };
            if linked.get(distance) == Some(&true) {
                continue;
            }
            let here = piece.octets.start >> SLOT_SIZE.trailing_zeros();
            let next = here.saturating_add(distance as u64).saturating_add(1);
            let target = next.checked_add_signed(i64::from(slot.immediate));
            let octets = target.and_then(|target| target.checked_mul(SLOT_SIZE as u64));
            self.link_call(number, piece.section, octets, "a call")?;
        }
        Ok(())
    }

    fn relocate(&mut self, number: usize, kind: u32, symbol: &Symbol<'_>) -> Result<(), LoadError> {
        let wrong = |problem| LoadError::Symbol {
            name: match symbol.kind {
                abi::STT_SECTION => self.object.name_of(symbol.section),
                _ => String::from(symbol.name),
            },
            problem,
        };
        if symbol.section == usize::from(abi::SHN_UNDEF) {
            return Err(wrong("it is not defined in the object file"));
        }
        let slot = self.slots.get(number).copied();
        let slot = slot.ok_or_else(|| wrong("it is used outside the program"))?;
        match (kind, slot.opcode) {
            (RELOCATE_WIDE, WIDE) => {
                let (kind, map, offset) = self.place_of(&slot, symbol)?;
                let [first, second] = [number, number.saturating_add(1)];
                if let Some(slot) = self.slots.get_mut(first) {
                    slot.source = kind;
                    slot.immediate = map as i32;
                }
                if let Some(slot) = self.slots.get_mut(second) {
                    slot.immediate = offset as i32;
                }
                Ok(())
            }
            (RELOCATE_CALL, CALL) => {
                let slots = i64::from(slot.immediate).saturating_add(1);
                let distance = slots.saturating_mul(SLOT_SIZE as i64);
                let target = symbol.value.checked_add_signed(distance);
                self.link_call(number, symbol.section, target, symbol.name)
            }
            _ => Err(wrong("it is used in a way that cannot be linked")),
        }
    }

    /// What a 64-bit immediate stands for: its kind, the index of its map, an offset in a value.
    fn place_of(
        &mut self,
        slot: &Slot,
        symbol: &Symbol<'_>,
    ) -> Result<(u8, usize, u32), LoadError> {
        let is_section = symbol.kind == abi::STT_SECTION;
        let wrong = |name: &str, problem| LoadError::Symbol {
            name: String::from(if is_section { name } else { symbol.name }),
            problem,
        };
        let Some(section) = self.object.sections.get(symbol.section) else {
            return Err(wrong("", "it is in no section"));
        };
        let offset = symbol
            .value
            .saturating_add(u64::from(slot.immediate as u32));
        let origin_of = |place| {
            let mut origins = self.origins.iter();
            origins.position(|origin| *origin == (symbol.section, place))
        };
        let kind = section.name.split('.').nth(1);
        match (section.name, kind) {
            (".maps" | "maps", _) => {
                let index = origin_of(offset);
                let index = index.ok_or_else(|| wrong(section.name, "there is no map"))?;
                Ok((wide::MAP, index, 0))
            }
            (_, Some("rodata" | "data" | "bss")) => {
                let index = match origin_of(0) {
                    Some(index) => index,
                    None => self.define_variables(symbol.section)?,
                };
                let outside = |_| wrong(section.name, "it is outside its section");
                let offset = u32::try_from(offset).map_err(outside)?;
                Ok((wide::MAP_VALUE, index, offset))
            }
            _ => Err(wrong(
                section.name,
                "it is neither a map nor a variable of the program",
            )),
        }
    }

    /// Makes a map of a section of variables.
    fn define_variables(&mut self, index: usize) -> Result<usize, LoadError> {
        let name = self.object.name_of(index);
        let section = self.object.sections.get(index);
        let Some(section) = section else {
            return Err(LoadError::NoProgram);
        };
        if !self.object.relocations(index)?.is_empty() {
            return Err(LoadError::Section {
                name,
                problem: "variables that hold addresses are not supported",
            });
        }
        let zeros;
        let octets = if section.kind == abi::SHT_NOBITS {
            let size = usize::try_from(section.size).unwrap_or(usize::MAX);
            at_most("octets of variables", size, MAXIMUM_OBJECT)?;
            zeros = vec![0; size];
            &zeros
        } else {
            section.data
        };
        let is_read_only = section.name.starts_with(".rodata");
        let map = Map::of_variables(name.clone(), octets, is_read_only);
        let map = map.map_err(|problem| LoadError::Map { name, problem })?;
        self.keep_map(map, (index, 0))
    }

    /// Makes the call at `number` one of the function that is at `target`, in octets, in a section.
    fn link_call(
        &mut self,
        number: usize,
        section: usize,
        target: Option<u64>,
        name: &str,
    ) -> Result<(), LoadError> {
        let wrong = |problem| LoadError::Symbol {
            name: String::from(name),
            problem,
        };
        let target = target.ok_or_else(|| wrong("it leads out of its section"))?;
        let known = self
            .pieces
            .iter()
            .find(|piece| piece.section == section && piece.octets.start == target);
        let first = match known.map(|piece| piece.first) {
            Some(first) => first,
            None => {
                let function = self.object.function_at(section, target);
                let function =
                    function.ok_or_else(|| wrong("no function begins where it leads"))?;
                self.add(section, function.octets)?
            }
        };
        let distance = (first as i64)
            .saturating_sub(number as i64)
            .saturating_sub(1);
        if let Some(slot) = self.slots.get_mut(number) {
            slot.source = CALL_LOCAL;
            slot.immediate = distance as i32;
        }
        Ok(())
    }
}

/// The definition of a map in section `maps`, as `struct bpf_map_def` of older programs.
fn legacy_definition(section: &Section<'_>, symbol: &Symbol<'_>) -> Option<MapDefinition> {
    let from = section.data.get(usize::try_from(symbol.value).ok()?..)?;
    let definition = from.first_chunk::<LEGACY_DEFINITION>()?;
    let (words, _) = definition.as_chunks::<4>();
    let mut words = words.iter().map(|word| u32::from_le_bytes(*word));
    Some(MapDefinition {
        name: String::from(symbol.name),
        kind: words.next()?,
        key_size: words.next()?,
        value_size: words.next()?,
        maximum_entries: words.next()?,
        flags: words.next()?,
    })
}
