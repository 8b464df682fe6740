//! Octets, taken one after the other as what a target needs.

/// What is left of the octets.
pub struct Reader<'octets>(pub &'octets [u8]);

impl<'octets> Reader<'octets> {
    /// The next octet; `None` at the end.
    pub fn octet(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// The next two octets, the low one first.
    pub fn pair(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes([self.octet()?, self.octet()?]))
    }

    /// The next `length` octets, or as many as are left.
    pub fn up_to(&mut self, length: usize) -> &'octets [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }
}
