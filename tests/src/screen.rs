//! What is to be read on an appliance's screen: the characters of the text mode out of the machine's memory, or
//! those in a picture of the screen, recognized with the font that draws them.

use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};

const WEIGHT: FontWeight = FontWeight::Regular;
/// The font's size on a screen of 1024 times 768.
const SIZE: RasterHeight = RasterHeight::Size16;

/// The lines of a text mode of 80 columns, from what the monitor's `xp /2000hx 0xb8000` printed.
pub fn of_text_mode(printed: &str) -> Vec<String> {
    let cells = printed.lines().filter_map(|line| line.split_once(": "));
    let cells = cells.flat_map(|(_, cells)| cells.split_whitespace());
    let octets = cells.filter_map(|cell| u16::from_str_radix(cell.strip_prefix("0x")?, 16).ok());
    let text: Vec<char> = octets.map(|cell| char::from(cell as u8)).collect();
    text.chunks(80).map(line).collect()
}

/// The lines in a picture of 1024 times 768 pixels or another size, in the PPM format.
///
/// # Panics
///
/// It is no such picture.
pub fn of_picture(ppm: &[u8]) -> Vec<String> {
    let picture = Picture::new(ppm);
    let (width, height) = (get_raster_width(WEIGHT, SIZE), SIZE.val());
    let rows = 0..picture.height / height;
    let text = rows.map(|row| {
        let columns = 0..picture.width / width;
        let character = |column| picture.character(column * width, row * height);
        let text: Vec<char> = columns.map(character).collect();
        line(&text)
    });
    text.collect()
}

fn line(text: &[char]) -> String {
    let line: String = text.iter().collect();
    line.trim_end().to_owned()
}

/// The width and the height of a picture in the PPM format.
///
/// # Panics
///
/// It is no such picture.
pub fn size(ppm: &[u8]) -> (usize, usize) {
    let picture = Picture::new(ppm);
    (picture.width, picture.height)
}

struct Picture<'a> {
    width: usize,
    height: usize,
    pixels: &'a [u8],
}

impl<'a> Picture<'a> {
    fn new(ppm: &'a [u8]) -> Self {
        // `P6`, width, height, 255, each on a line or behind a blank, then three octets for each pixel.
        let head = String::from_utf8_lossy(&ppm[..ppm.len().min(64)]).into_owned();
        let mut words = head.split_whitespace();
        assert_eq!(words.next(), Some("P6"));
        let mut number = || words.next().and_then(|word| word.parse().ok());
        let (width, height): (usize, usize) = number().zip(number()).expect("has a size");
        Self {
            width,
            height,
            pixels: &ppm[ppm.len() - width * height * 3..],
        }
    }

    /// How much of a pixel is ink, from 0 to 255: by its green, of which highlighted paper has some.
    fn ink(&self, x: usize, y: usize, paper: i32) -> i32 {
        let ink = if paper == 0 { 0xd0 } else { 0xff };
        let green = i32::from(self.pixels[(y * self.width + x) * 3 + 1]);
        (green - paper) * 255 / (ink - paper)
    }

    /// How much green the paper of a character has.
    fn paper(&self, x: usize, y: usize) -> i32 {
        i32::from(self.pixels[(y * self.width + x) * 3 + 1])
    }

    /// The character whose glyph is most like what stands there.
    fn character(&self, x: usize, y: usize) -> char {
        // The upper left pixel of every glyph is paper.
        let paper = self.paper(x, y);
        let difference = |character: &char| -> i32 {
            let glyph = get_raster(*character, WEIGHT, SIZE).expect("the font has it");
            let rows = glyph.rows().enumerate().flat_map(|(row, line)| {
                let ink = line.iter().enumerate();
                ink.map(move |(column, &ink)| (row, column, i32::from(ink)))
            });
            let differences =
                rows.map(|(row, column, ink)| (self.ink(x + column, y + row, paper) - ink).abs());
            differences.sum()
        };
        (' '..='~')
            .min_by_key(difference)
            .expect("there are characters")
    }
}
