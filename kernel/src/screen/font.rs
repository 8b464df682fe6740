//! The font: Noto Sans Mono, in the size that suits the screen.

use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};

/// The widest glyph, in pixels.
pub const MAXIMUM_WIDTH: usize = 16;

/// The font in one size.
#[derive(Clone, Copy, Debug)]
pub struct Font(RasterHeight);

impl Font {
    /// Characters are made larger as long as this many have room in a line.
    const COLUMNS: usize = 150;
    const WEIGHT: FontWeight = FontWeight::Regular;

    /// The largest size in which a line of `width` pixels has many columns; the smallest if none has.
    pub fn for_width(width: usize) -> Self {
        let sizes = [RasterHeight::Size32, RasterHeight::Size24];
        let fits =
            |&size: &RasterHeight| width / get_raster_width(Self::WEIGHT, size) >= Self::COLUMNS;
        Self(sizes.into_iter().find(fits).unwrap_or(RasterHeight::Size16))
    }

    /// The width of every glyph, in pixels.
    pub const fn width(self) -> usize {
        get_raster_width(Self::WEIGHT, self.0)
    }

    /// The height of every glyph, in pixels.
    pub const fn height(self) -> usize {
        self.0.val()
    }

    /// Line `line` of the glyph for `character`: for each pixel how much of it is ink, from 0 to 255.
    pub fn line(self, character: u8, line: usize) -> &'static [u8] {
        let glyph = get_raster(char::from(character), Self::WEIGHT, self.0);
        glyph
            .and_then(|glyph| glyph.rows().nth(line))
            .unwrap_or(&[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_has_a_glyph_in_every_size() {
        for width in [640, 1024, 1920, 3840] {
            let font = Font::for_width(width);
            assert!(font.width() <= MAXIMUM_WIDTH);
            assert!(width / font.width() >= 90, "{width}");
            for character in b' '..=b'~' {
                for line in 0..font.height() {
                    assert_eq!(font.line(character, line).len(), font.width());
                }
                let ink = (0..font.height())
                    .any(|line| font.line(character, line).iter().any(|&ink| ink > 128));
                assert_eq!(ink, character != b' ', "{}", char::from(character));
            }
        }
    }

    #[test]
    fn a_line_below_the_glyph_is_empty() {
        assert!(Font::for_width(1024).line(b'A', 100).is_empty());
    }
}
