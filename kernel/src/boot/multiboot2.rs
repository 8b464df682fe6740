//! Multiboot2: how GRUB starts a kernel, from a stick, a disk or the network.

use super::{Boot, Builder};
use crate::screen::display::{Display, Pixels};
use multiboot2::{
    BootInformation, BootInformationHeader, FramebufferTag, FramebufferType, MemoryAreaType,
};

/// Reads what the loader left at `information`.
///
/// # Safety
///
/// `information` is what a Multiboot2 loader passed in EBX, physical memory is mapped one to one,
/// and nothing was given away yet.
pub(super) unsafe fn boot(information: u64) -> Boot {
    let mut builder = Builder::new();
    // SAFETY: a Multiboot2 loader puts the address of its information structure in EBX, and nobody
    // writes there.
    let loaded = unsafe { BootInformation::load(information as *const BootInformationHeader) };
    let Ok(loaded) = loaded else {
        return builder.finish("multiboot2 without information");
    };
    builder.in_use(information, loaded.total_size() as u64);
    builder.command_line = loaded
        .command_line_tag()
        .and_then(|tag| tag.cmdline().ok())
        // SAFETY: the tag lies in the information structure, which is never given away.
        .map_or("", |text| unsafe { &*core::ptr::from_ref(text) });
    if let Some(map) = loaded.memory_map_tag() {
        for area in map.memory_areas() {
            let usable = area.typ() == MemoryAreaType::Available;
            builder.region(area.start_address(), area.size(), usable);
        }
    }
    // The loader copies the root pointer itself into its structure, behind the tag's header.
    const TAG_HEADER: u64 = 8;
    builder.rsdp = match (loaded.rsdp_v2_tag(), loaded.rsdp_v1_tag()) {
        (Some(tag), _) => Some(core::ptr::from_ref(tag) as u64 + TAG_HEADER),
        (None, Some(tag)) => Some(core::ptr::from_ref(tag) as u64 + TAG_HEADER),
        (None, None) => None,
    };
    for module in loaded.module_tags() {
        let (start, size) = (module.start_address(), module.module_size());
        builder.in_use(u64::from(start), u64::from(size));
        // GRUB puts quotes around a name that has blanks in it.
        let name = module.cmdline().unwrap_or("module").trim_matches('"');
        // SAFETY: the loader put a module of this size there, and nobody gives it away.
        let octets =
            unsafe { core::slice::from_raw_parts(start as usize as *const u8, size as usize) };
        builder.files.add_archive_or_file(name, octets);
    }
    if let Some(Ok(tag)) = loaded.framebuffer_tag() {
        builder.display = display(tag);
    }
    builder.finish("multiboot2")
}

/// What the loader says of the screen, if that can be drawn on.
fn display(tag: &FramebufferTag) -> Option<Display> {
    let (width, height) = (tag.width() as usize, tag.height() as usize);
    match tag.buffer_type().ok()? {
        FramebufferType::RGB { red, green, blue } => Pixels {
            start: tag.address(),
            pitch: tag.pitch() as usize,
            width,
            height,
            octets: usize::from(tag.bpp().div_ceil(8)),
            colors: [red, green, blue].map(|field| (field.position, field.size)),
        }
        .checked()
        .map(Display::Pixels),
        FramebufferType::Text => Display::text(tag.address(), width, height),
        FramebufferType::Indexed { .. } => None,
    }
}
