//! The partition table: makes an ISO 9660 image a disk with one FAT partition. Pure.
//!
//! `xorriso` writes the volume that UEFI starts from into the image, as a file, and names it in the boot
//! catalog. Here that same place becomes the first entry of the table in the first sector, where BIOS, UEFI
//! and every operating system look for partitions of a stick. GRUB's own code stays around the table.

use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// What positions on a disk are counted in.
const SECTOR: usize = 512;
/// What positions on an optical disc are counted in.
const BLOCK: usize = 2048;
/// Where the boot record stands on a disc (El Torito 1.0 §2.0), and in it the block of the boot catalog.
const BOOT_RECORD: usize = 17 * BLOCK;
const CATALOG_POINTER: usize = BOOT_RECORD + 0x47;
/// In the catalog: the header of the second section, behind the validation entry and the entry for BIOS
/// (§2.3), its first octets when it is the last and for UEFI (UEFI 2.10 §13.3.2.1), and behind it where in
/// its one entry the first block stands.
const SECTION: usize = 64;
const LAST_SECTION_FOR_UEFI: [u8; 2] = [0x91, 0xef];
const FIRST_BLOCK: usize = SECTION + 32 + 8;
/// The table in the first sector.
const TABLE: usize = 446;
/// In a FAT volume: how many sectors lie before it ("hidden sectors").
const SECTORS_BEFORE: usize = 0x1c;

/// An entry of the table (UEFI 2.10 §5.2.1).
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct Entry {
    status: u8,
    first_chs: [u8; 3],
    kind: u8,
    last_chs: [u8; 3],
    first_sector: U32,
    sectors: U32,
}

const _: () = assert!(size_of::<Entry>() == 16);

/// Started from: some BIOSes pass over a stick without such a partition.
const ACTIVE: u8 = 0x80;
/// FAT16 by sector number. The kind for UEFI's own partitions (0xef) would hide it from Windows, and UEFI
/// starts from either.
const FAT16: u8 = 0x0e;
/// Beyond what cylinder, head and sector can say.
const BEYOND_CHS: [u8; 3] = [0xfe, 0xff, 0xff];

/// Why an image was not understood.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// No volume for UEFI in its boot catalog.
    #[error("its boot catalog names no volume for UEFI")]
    NoVolume,
    /// The volume is not where the catalog says.
    #[error("there is no FAT volume where its boot catalog says")]
    NotThere,
}

/// Makes the volume of `volume_bytes` that UEFI starts from the one partition of `image`.
///
/// # Errors
///
/// [`Error`]; the image is then unchanged.
pub fn add_partition(image: &mut [u8], volume_bytes: u64) -> Result<(), Error> {
    let catalog = number_at(image, CATALOG_POINTER).ok_or(Error::NoVolume)? as usize * BLOCK;
    let section = image.get(catalog + SECTION..).ok_or(Error::NoVolume)?;
    if !section.starts_with(&LAST_SECTION_FOR_UEFI) {
        return Err(Error::NoVolume);
    }
    let start = number_at(image, catalog + FIRST_BLOCK).ok_or(Error::NoVolume)? as usize * BLOCK;
    let end = start + volume_bytes as usize;
    let volume = image.get_mut(start..end).ok_or(Error::NotThere)?;
    if start == 0 || volume.get(510..512) != Some(&[0x55, 0xaa]) {
        return Err(Error::NotThere);
    }
    let first_sector = U32::new((start / SECTOR) as u32);
    volume[SECTORS_BEFORE..SECTORS_BEFORE + 4].copy_from_slice(first_sector.as_bytes());
    let entry = Entry {
        status: ACTIVE,
        first_chs: BEYOND_CHS,
        kind: FAT16,
        last_chs: BEYOND_CHS,
        first_sector,
        sectors: U32::new((volume_bytes / SECTOR as u64) as u32),
    };
    let table = &mut image[TABLE..SECTOR];
    table.fill(0);
    table[..size_of::<Entry>()].copy_from_slice(entry.as_bytes());
    table[64..].copy_from_slice(&[0x55, 0xaa]);
    Ok(())
}

fn number_at(image: &[u8], at: usize) -> Option<u32> {
    let (number, _) = U32::read_from_prefix(image.get(at..)?).ok()?;
    Some(number.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    const VOLUME_BYTES: u64 = 4096;

    /// A disc whose catalog is in block 20 and whose volume is in block 24.
    fn disc() -> Vec<u8> {
        let mut image = vec![0; 27 * BLOCK];
        image[..TABLE].fill(0x90);
        image[CATALOG_POINTER] = 20;
        image[20 * BLOCK + SECTION..][..2].copy_from_slice(&LAST_SECTION_FOR_UEFI);
        image[20 * BLOCK + FIRST_BLOCK] = 24;
        image[24 * BLOCK + 510..][..2].copy_from_slice(&[0x55, 0xaa]);
        image
    }

    #[test]
    fn the_volume_for_uefi_becomes_the_one_active_partition() {
        let mut image = disc();
        image[TABLE..510].fill(0x77);
        assert_eq!(add_partition(&mut image, VOLUME_BYTES), Ok(()));
        let entry = [
            0x80, 0xfe, 0xff, 0xff, 0x0e, 0xfe, 0xff, 0xff, 96, 0, 0, 0, 8, 0, 0, 0,
        ];
        assert_eq!(image[TABLE..TABLE + 16], entry);
        assert_eq!(image[TABLE + 16..510], [0; 48]);
        assert_eq!(image[510..512], [0x55, 0xaa]);
        assert!(
            image[..TABLE].iter().all(|&octet| octet == 0x90),
            "GRUB's code"
        );
        assert_eq!(image[24 * BLOCK + SECTORS_BEFORE..][..4], [96, 0, 0, 0]);
    }

    #[test]
    fn an_image_without_such_a_volume_is_refused_and_left_alone() {
        type Change = fn(&mut Vec<u8>);
        let cases: [(Change, Error); 5] = [
            (|image| image.truncate(100), Error::NoVolume),
            (|image| image[CATALOG_POINTER + 3] = 0xff, Error::NoVolume),
            (|image| image[20 * BLOCK + SECTION + 1] = 0, Error::NoVolume),
            (|image| image[24 * BLOCK + 511] = 0, Error::NotThere),
            (|image| image.truncate(25 * BLOCK), Error::NotThere),
        ];
        for (change, error) in cases {
            let mut image = disc();
            change(&mut image);
            let before = image.clone();
            assert_eq!(add_partition(&mut image, VOLUME_BYTES), Err(error));
            assert_eq!(image, before);
        }
    }
}
