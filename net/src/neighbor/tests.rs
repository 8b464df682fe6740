//! What the table promises, row by row.

extern crate std;
