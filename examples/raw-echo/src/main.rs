//! An appliance with a service on Ethernet itself: what is sent to EtherType 0x88b5 comes back.
//!
//! Copy this folder to begin your own. `docs/writing-a-service.md` says how to build it, boot it and
//! put it on a stick.
//!
//! The protocol, behind the Ethernet header or the VLAN tag: one octet that is 1 in a request and 2 in a reply,
//! two octets that say how many octets of data follow, and the data.
#![no_std]
#![no_main]

use pollux_kernel::Kernel;
use pollux_net::ethernet::{EthernetFrame, EthernetResponse, EthernetService};
use pollux_net::wire::ethernet::EtherType;

pollux_kernel::entry!(main);

/// For experiments in one's own network (IEEE 802, Local Experimental EtherType 1).
const ETHER_TYPE: EtherType = EtherType(0x88b5);
const REQUEST: u8 = 1;
const REPLY: u8 = 2;

fn main(mut kernel: Kernel) -> ! {
    kernel.configure_defaults();
    kernel
        .serve_ethernet(ETHER_TYPE, || RawEcho)
        .expect("nothing else is served yet");
    kernel.run()
}

/// Sends data back.
struct RawEcho;

impl EthernetService for RawEcho {
    fn name(&self) -> &'static str {
        "raw-echo"
    }

    fn receive(&mut self, frame: EthernetFrame<'_>) -> EthernetResponse {
        let Some((header, data)) = frame.payload.split_first_chunk_mut() else {
            return EthernetResponse::Decline;
        };
        let [kind, high, low] = header;
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        // A reply is not answered, or two of us would never stop; and what stands behind the data is the
        // padding of a short frame.
        if *kind != REQUEST || length > data.len() {
            return EthernetResponse::Decline;
        }
        *kind = REPLY;
        // The data stand where they are to stand: nothing is copied.
        EthernetResponse::Answer {
            length: header.len() + length,
        }
    }
}
