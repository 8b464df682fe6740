//! The network cards of this machine, whichever driver is theirs: found, quieted and brought up.
//!
//! [`Nic`] is what the poll loop drives. It decides between the drivers once for a look and the batch that
//! follows it, not once for a frame. A further driver is a variant of [`Nic`] and one of [`Kind`].

use alloc::vec::Vec;
use core::fmt;
use core::ptr::NonNull;

use crate::boot::Boot;
use crate::bus::{self, Space};
use crate::clock::Clock;
use crate::memory;
use crate::virtio_mmio::{self, Blocks};
use pci_types::{ConfigRegionAccess, PciAddress};
use pollux_drivers::dma::DmaRegion;
use pollux_drivers::e1000::{self, Advanced, Card, Descriptors, E1000, E1000Error, Legacy};
use pollux_drivers::mmio::Mmio;
use pollux_drivers::pci::assign::AssignError;
use pollux_drivers::pci::{self, Bar, Class, Function};
use pollux_drivers::registers::RegisterAccess;
use pollux_drivers::virtio::legacy::LegacyTransport;
use pollux_drivers::virtio::mmio::{MmioTransport, Occupant};
use pollux_drivers::virtio::packed::PackedQueue;
use pollux_drivers::virtio::pci::{Location, Mapped, PciTransport, Structures};
use pollux_drivers::virtio::registers::Window;
use pollux_drivers::virtio::split::{LegacyQueue, SplitQueue};
use pollux_drivers::virtio::transport::{Status, Transport};
use pollux_drivers::virtio::{self, Attachment, VirtioError, VirtioNet};
use pollux_net::device::{
    BUFFER_SIZE, Batch, Device, FlowControl, Link, Receiver, Statistic, TransmitError,
};
use pollux_net::vlan::VlanSet;
use pollux_net::wire::ethernet::MacAddress;

/// Octets of DMA memory that a virtio device needs, whatever the format of its queues, if it can be told how long these are.
const VIRTIO_MEMORY: usize = {
    let split = VirtioNet::<Attachment, SplitQueue>::MEMORY;
    let packed = VirtioNet::<Attachment, PackedQueue>::MEMORY;
    let legacy = VirtioNet::<Attachment, LegacyQueue>::MEMORY;
    let modern = if split > packed { split } else { packed };
    if modern > legacy { modern } else { legacy }
};

/// How many cards are driven at once. There is no heap yet when they are counted.
const MAXIMUM_CARDS: usize = 32;

/// A card at work. Of which kind it is stands in an octet of its own, so that the loop's question is the shortest.
#[repr(u8)]
pub enum Nic {
    /// One of Intel's.
    E1000(E1000<CardRegisters, Legacy>),
    /// One of Intel's with advanced descriptors.
    Advanced(E1000<CardRegisters, Advanced>),
    /// A hypervisor's.
    Virtio(VirtioNet<Attachment, SplitQueue>),
    /// The same with packed queues.
    VirtioPacked(VirtioNet<Attachment, PackedQueue>),
    /// One from before version 1.0.
    VirtioLegacy(VirtioNet<Attachment, LegacyQueue>),
}

/// Does the same with whichever card it is.
macro_rules! with_card {
    ($nic:expr, $card:ident => $work:expr) => {
        match $nic {
            Nic::E1000($card) => $work,
            Nic::Advanced($card) => $work,
            Nic::Virtio($card) => $work,
            Nic::VirtioPacked($card) => $work,
            Nic::VirtioLegacy($card) => $work,
        }
    };
}

impl Nic {
    /// The driver's name.
    pub const fn driver(&self) -> &'static str {
        match self {
            Self::E1000(_) | Self::Advanced(_) => "e1000",
            Self::Virtio(_) | Self::VirtioPacked(_) | Self::VirtioLegacy(_) => "virtio-net",
        }
    }

    /// Lets go of the card: it sends nothing, receives nothing and is used no more until it comes back. `delay` waits for
    /// at least as many microseconds as it is given.
    pub fn let_go(&mut self, delay: impl FnMut(u32)) {
        with_card!(self, card => card.let_go(delay));
    }

    /// Lets go of the card without waiting until it obeys: for one that is kept from memory next, or is gone.
    pub fn let_go_at_once(&mut self) {
        with_card!(self, card => card.let_go_at_once());
    }
}

impl Device for Nic {
    fn model(&self) -> &'static str {
        with_card!(self, card => card.model())
    }

    fn mac_address(&self) -> MacAddress {
        with_card!(self, card => card.mac_address())
    }

    fn maximum_mtu(&self) -> u16 {
        with_card!(self, card => card.maximum_mtu())
    }

    #[inline]
    fn process(&mut self, batch: Batch, receiver: &mut impl Receiver) -> Option<Batch> {
        with_card!(self, card => card.process(batch, receiver))
    }

    fn process_deferred(&mut self, budget: usize, receiver: &mut impl Receiver) {
        with_card!(self, card => card.process_deferred(budget, receiver));
    }

    #[inline]
    fn deferred(&self) -> usize {
        with_card!(self, card => card.deferred())
    }

    fn transmit(
        &mut self,
        compose: impl FnOnce(&mut [u8; BUFFER_SIZE]) -> usize,
    ) -> Result<(), TransmitError> {
        with_card!(self, card => card.transmit(compose))
    }

    #[inline]
    fn ring_doorbells(&mut self) {
        with_card!(self, card => card.ring_doorbells());
    }

    fn refresh_link(&mut self) -> Link {
        with_card!(self, card => card.refresh_link())
    }

    fn refresh_statistics(&mut self) {
        with_card!(self, card => card.refresh_statistics());
    }

    fn statistics(&self) -> impl Iterator<Item = Statistic> + '_ {
        let (mut intel, mut advanced) = (None, None);
        let (mut virtio, mut packed, mut legacy) = (None, None, None);
        match self {
            Self::E1000(card) => intel = Some(card.statistics()),
            Self::Advanced(card) => advanced = Some(card.statistics()),
            Self::Virtio(card) => virtio = Some(card.statistics()),
            Self::VirtioPacked(card) => packed = Some(card.statistics()),
            Self::VirtioLegacy(card) => legacy = Some(card.statistics()),
        }
        let intel = intel.into_iter().flatten();
        let advanced = advanced.into_iter().flatten();
        let virtio = virtio.into_iter().flatten();
        let packed = packed.into_iter().flatten();
        let legacy = legacy.into_iter().flatten();
        let modern = virtio.chain(packed);
        intel.chain(advanced).chain(modern).chain(legacy)
    }

    fn has_flow_control(&self) -> bool {
        with_card!(self, card => card.has_flow_control())
    }

    fn set_flow_control(&mut self, flow_control: FlowControl) {
        with_card!(self, card => card.set_flow_control(flow_control));
    }

    fn can_verify_checksums(&self) -> bool {
        with_card!(self, card => card.can_verify_checksums())
    }

    fn set_checksum_verification(&mut self, on: bool) {
        with_card!(self, card => card.set_checksum_verification(on));
    }

    fn filters_vlans(&self) -> bool {
        with_card!(self, card => card.filters_vlans())
    }

    fn set_vlan_filter(&mut self, set: &VlanSet) {
        with_card!(self, card => card.set_vlan_filter(set));
    }

    fn advance_vlan_filter(&mut self) -> bool {
        with_card!(self, card => card.advance_vlan_filter())
    }
}

/// The registers of a card on the PCI bus.
pub struct CardRegisters {
    mmio: Mmio<{ e1000::registers::REGISTERS_LENGTH as usize }>,
    address: PciAddress,
}

impl RegisterAccess for CardRegisters {
    #[inline]
    fn read(&self, offset: u32) -> u32 {
        self.mmio.read(offset)
    }

    #[inline]
    fn write(&mut self, offset: u32, value: u32) {
        self.mmio.write(offset, value);
    }

    fn configuration(&self, offset: u16) -> u32 {
        // SAFETY: reading it has no effect on any card that asks for it.
        unsafe { bus::space().read(self.address, offset) }
    }
}

/// Where a card is.
#[derive(Clone, Copy)]
pub enum Place {
    /// On the PCI bus.
    Pci(PciAddress),
    /// On no bus, behind registers of virtio-mmio.
    Mmio(virtio_mmio::Block),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pci(address) => write!(f, "pci {address}"),
            Self::Mmio(block) => write!(f, "mmio {:#x}", block.base),
        }
    }
}

/// What kind of card it is.
#[derive(Clone, Copy)]
enum Kind {
    E1000(&'static Card),
    Virtio {
        /// Octets of DMA memory that it needs besides what each of them does.
        further_memory: usize,
    },
}

impl Kind {
    /// What kind of card a function is, which is kept from memory.
    fn find(access: &Space, function: &Function) -> Option<Self> {
        let (vendor, device) = (function.vendor, function.device);
        if virtio::pci::is_network_device(vendor, device) {
            let further_memory = match Structures::find(access, function.address) {
                Some(_) => 0,
                // One without an address gets none for its ports later, either.
                None => virtio_legacy_at(access, function.address)
                    .map_or(0, |mut ports| virtio::further_memory(&mut ports)),
            };
            return Some(Self::Virtio { further_memory });
        }
        Card::find(vendor, device).map(Self::E1000)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::E1000(card) => card.name,
            Self::Virtio { .. } => "virtio-net",
        }
    }

    /// Octets of DMA memory that one needs.
    const fn memory(self) -> usize {
        match self {
            Self::E1000(_) => <E1000<CardRegisters>>::MEMORY,
            Self::Virtio { further_memory } => VIRTIO_MEMORY + further_memory,
        }
    }
}

/// The cards that were found.
pub struct Found {
    access: Space,
    cards: heapless::Vec<(Place, Kind), MAXIMUM_CARDS>,
    packed_queues: bool,
}

impl Found {
    /// Looks for cards, and keeps every network card from writing to memory: firmware may have left
    /// it receiving. `packed_queues` says whether virtio devices are to have these where they offer them.
    pub fn search(boot: &Boot, packed_queues: bool) -> Self {
        let mut found = Self {
            access: bus::space(),
            cards: heapless::Vec::new(),
            packed_queues,
        };
        let rsdp = boot.info.rsdp_addr.into_option();
        found.search_pci();
        found.search_mmio(&Blocks::find(boot.command_line, rsdp));
        found
    }

    fn search_pci(&mut self) {
        for function in bus::functions(&self.access) {
            if function.class.base != Class::ETHERNET.base {
                continue;
            }
            pci::disable_bus_master(&self.access, function.address);
            match Kind::find(&self.access, &function) {
                Some(kind) => add(&mut self.cards, Place::Pci(function.address), kind),
                None => log::warn!(
                    "pci {}: network card {:04x}:{:04x} is not one that is known",
                    function.address,
                    function.vendor,
                    function.device
                ),
            }
        }
    }

    fn search_mmio(&mut self, blocks: &Blocks) {
        for block in blocks.iter() {
            let place = Place::Mmio(block);
            match virtio_mmio_at(block) {
                Ok(mut device) => {
                    device.write_status(Status::empty());
                    add(&mut self.cards, place, Kind::Virtio { further_memory: 0 });
                }
                Err(Failure::Occupant(Occupant::Placeholder | Occupant::Other { .. })) => {}
                Err(error) => log::warn!("{place}: {error}"),
            }
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.cards.len()
    }

    /// Octets of DMA memory that all of them need.
    pub fn dma_octets(&self) -> u64 {
        self.cards
            .iter()
            .map(|(_, kind)| kind.memory() as u64)
            .sum()
    }

    /// Brings the cards up, in the order of their places on the bus and, behind these, in the order in which
    /// they are named that are on no bus; and hands each to `take`. One that does not come up is reported and
    /// left out.
    pub fn bring_up(
        self,
        boot: &Boot,
        dma: &mut DmaRegion,
        clock: &Clock,
        mut take: impl FnMut(Place, Nic),
    ) {
        let (access, packed_queues) = (&self.access, self.packed_queues);
        // All before the first is at work: while room is found for one, the others answer at no address.
        let prepare = |place| match place {
            Place::Pci(address) => bus::prepare(boot, access, address),
            Place::Mmio(_) => Ok(()),
        };
        let prepared: Vec<_> = self
            .cards
            .iter()
            .map(|&(place, _)| prepare(place))
            .collect();
        for ((place, kind), prepared) in self.cards.into_iter().zip(prepared) {
            let prepared = prepared.map_err(Failure::NoAddress);
            // No more than was set aside for it: a device that wants more than it said when it was found gets nothing,
            // and the others get theirs.
            let nic = prepared.and_then(|()| {
                let mut dma = dma.region(kind.memory()).map_err(VirtioError::from)?;
                let dma = &mut dma;
                match place {
                    Place::Pci(address) => {
                        let mut start = Start {
                            access,
                            address,
                            dma,
                            clock,
                            packed_queues,
                        };
                        start.bring_up(kind)
                    }
                    Place::Mmio(block) => bring_up_mmio(block, dma, clock, packed_queues),
                }
            });
            match nic {
                Ok(nic) => take(place, nic),
                Err(error) => log::error!("{place}: {}: {error}", kind.name()),
            }
        }
    }
}

/// Notes a card, if there is room.
fn add(cards: &mut heapless::Vec<(Place, Kind), MAXIMUM_CARDS>, place: Place, kind: Kind) {
    if cards.push((place, kind)).is_err() {
        log::warn!("{place}: one card too many");
    }
}

/// The network device behind a block of registers.
fn virtio_mmio_at(block: virtio_mmio::Block) -> Result<MmioTransport<Window>, Failure> {
    let start = map(block.base, u64::from(block.size))?;
    // SAFETY: the block is mapped there, for as long as the value is in use: for good once our own tables are;
    // and it is this device's alone. Its address is a multiple of four.
    let registers = unsafe { Window::new(start, block.size) };
    MmioTransport::new(registers).map_err(Failure::Occupant)
}

fn bring_up_mmio(
    block: virtio_mmio::Block,
    dma: &mut DmaRegion,
    clock: &Clock,
    packed_queues: bool,
) -> Result<Nic, Failure> {
    let attachment = Attachment::Mmio(virtio_mmio_at(block)?);
    let quiet = virtio::Quiet::reset(attachment, |microseconds| clock.wait(microseconds))?;
    Ok(start_virtio(quiet, dma, packed_queues)?)
}

/// Gives the device split queues, with which a frame takes fewer instructions (docs/nics.md), unless packed
/// ones are asked for and it offers them.
fn start_virtio(
    mut quiet: virtio::Quiet<Attachment>,
    dma: &mut DmaRegion,
    packed_queues: bool,
) -> Result<Nic, VirtioError> {
    let vlans = VlanSet::new();
    if quiet.is_legacy() {
        quiet.start(dma, &vlans).map(Nic::VirtioLegacy)
    } else if packed_queues && quiet.offers_packed_queues() {
        quiet.start(dma, &vlans).map(Nic::VirtioPacked)
    } else {
        quiet.start(dma, &vlans).map(Nic::Virtio)
    }
}

/// Why a card did not come up.
enum Failure {
    NoRegisters,
    TooFewRegisters { length: u64, needed: u64 },
    NoAddress(AssignError),
    CannotMap(memory::MapError),
    Occupant(Occupant),
    E1000(E1000Error),
    Virtio(VirtioError),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRegisters => write!(f, "firmware gave its registers no address"),
            Self::TooFewRegisters { length, needed } => write!(
                f,
                "its registers are {length} octets, and {needed} are needed"
            ),
            Self::NoAddress(error) => write!(f, "{error}"),
            Self::CannotMap(error) => write!(f, "its registers cannot be mapped: {error}"),
            Self::Occupant(occupant) => write!(f, "{occupant}"),
            Self::E1000(error) => write!(f, "{error}"),
            Self::Virtio(error) => write!(f, "{error}"),
        }
    }
}

impl From<E1000Error> for Failure {
    fn from(error: E1000Error) -> Self {
        Self::E1000(error)
    }
}

impl From<VirtioError> for Failure {
    fn from(error: VirtioError) -> Self {
        Self::Virtio(error)
    }
}

/// What it takes to bring one card on the PCI bus up.
struct Start<'start> {
    access: &'start Space,
    address: PciAddress,
    dma: &'start mut DmaRegion,
    clock: &'start Clock,
    packed_queues: bool,
}

impl Start<'_> {
    fn bring_up(&mut self, kind: Kind) -> Result<Nic, Failure> {
        match kind {
            Kind::E1000(card) => self.e1000(card),
            Kind::Virtio { .. } => self.virtio(),
        }
    }

    fn e1000(&mut self, card: &'static Card) -> Result<Nic, Failure> {
        let (registers, length) = self.bar(0)?;
        let needed = e1000::registers::REGISTERS_LENGTH.into();
        if length < needed {
            return Err(Failure::TooFewRegisters { length, needed });
        }
        let base = map(registers, length)?.cast();
        pci::enable_registers(self.access, self.address);
        // SAFETY: the region's registers, and so many at least, are mapped there, uncached, for good, and are
        // this card's alone.
        let mmio = unsafe { Mmio::new(base) };
        let address = self.address;
        let registers = CardRegisters { mmio, address };
        let quiet = e1000::Quiet::reset(card, registers, |microseconds| {
            self.clock.wait(microseconds);
        })?;
        let vlans = VlanSet::new();
        self.reach_memory(|dma| match card.descriptors {
            Descriptors::Legacy => quiet.start(dma, &vlans).map(Nic::E1000),
            Descriptors::Advanced => quiet.start(dma, &vlans).map(Nic::Advanced),
        })
    }

    fn virtio(&mut self) -> Result<Nic, Failure> {
        let attachment = match Structures::find(self.access, self.address) {
            Some(structures) => Attachment::Pci(self.virtio_pci(&structures)?),
            None => Attachment::Legacy(virtio_legacy_at(self.access, self.address)?),
        };
        let quiet = virtio::Quiet::reset(attachment, |microseconds| self.clock.wait(microseconds))?;
        let packed_queues = self.packed_queues;
        self.reach_memory(|dma| start_virtio(quiet, dma, packed_queues))
    }

    fn virtio_pci(&self, structures: &Structures) -> Result<PciTransport, Failure> {
        let mapped = Mapped {
            common: self.map_structure(&structures.common)?,
            notification: self.map_structure(&structures.notification)?,
            device: self.map_structure(&structures.device)?,
        };
        pci::enable_registers(self.access, self.address);
        // SAFETY: the structures are mapped there, uncached, for good, and are this device's alone;
        // pages and their offsets are multiples of four.
        Ok(unsafe { PciTransport::new(structures, &mapped) })
    }

    /// The range in memory of a base address register: its beginning and its length.
    fn bar(&self, index: u8) -> Result<(u64, u64), Failure> {
        match pci::bar(self.access, self.address, index) {
            Some(Bar::Memory {
                address, length, ..
            }) => Ok((address, length)),
            _ => Err(Failure::NoRegisters),
        }
    }

    fn map_structure(&self, location: &Location) -> Result<NonNull<u8>, Failure> {
        let (start, length) = self.bar(location.bar)?;
        let (offset, needed) = (u64::from(location.offset), u64::from(location.length));
        let end = offset + needed;
        if end > length {
            let needed = end;
            return Err(Failure::TooFewRegisters { length, needed });
        }
        map(start + offset, needed)
    }

    /// Lets the card reach memory, now that whatever it was told to do before is forgotten, for as long
    /// as `start` succeeds.
    fn reach_memory<T, E: Into<Failure>>(
        &mut self,
        start: impl FnOnce(&mut DmaRegion) -> Result<T, E>,
    ) -> Result<T, Failure> {
        pci::enable_bus_master(self.access, self.address);
        start(self.dma).map_err(|error| {
            pci::disable_bus_master(self.access, self.address);
            error.into()
        })
    }
}

/// The network device from before version 1.0 behind the ports of the function at `address`.
fn virtio_legacy_at(access: &Space, address: PciAddress) -> Result<LegacyTransport, Failure> {
    let Some(Bar::Io { port, length }) = pci::bar(access, address, 0) else {
        return Err(Failure::NoRegisters);
    };
    if length < LegacyTransport::PORTS {
        return Err(Failure::TooFewRegisters {
            length: length.into(),
            needed: LegacyTransport::PORTS.into(),
        });
    }
    pci::enable_ports(access, address);
    // SAFETY: a transitional device without the structures of version 1.0 has its legacy registers
    // there (virtio 1.2 §4.1.4.10), and they are this device's alone.
    Ok(unsafe { LegacyTransport::new(port) })
}

fn map(physical: u64, length: u64) -> Result<NonNull<u8>, Failure> {
    let mapped = memory::map_registers(physical, length).map_err(Failure::CannotMap)?;
    NonNull::new(mapped).ok_or(Failure::NoRegisters)
}
