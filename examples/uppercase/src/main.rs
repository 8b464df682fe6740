//! An appliance with a UDP service of its own: text sent to port 4242 comes back in upper case.
//!
//! Copy this folder to begin your own. `docs/writing-a-service.md` says how to build it, boot it and
//! put it on a stick.
#![no_std]
#![no_main]

use pollux_kernel::Kernel;
use pollux_net::udp::{Datagram, Decline, Policy, Response, UdpService};

pollux_kernel::entry!(main);

/// Where it is served.
const PORT: u16 = 4242;

fn main(mut kernel: Kernel) -> ! {
    kernel.configure_defaults();
    kernel
        .serve(PORT, || Uppercase)
        .expect("nothing else is served yet");
    kernel.run()
}

/// Sends ASCII text back in upper case.
struct Uppercase;

impl UdpService for Uppercase {
    fn name(&self) -> &'static str {
        "uppercase"
    }

    fn policy(&self) -> Policy {
        Policy::RESPONDER
    }

    fn receive(&mut self, mut datagram: Datagram<'_>) -> Response {
        if !datagram.data().is_ascii() {
            return Response::Decline(Decline::Malformed);
        }
        let length = datagram.length();
        // The answer is written where the request stands: nothing is copied.
        if let Some(text) = datagram.room().get_mut(..length) {
            text.make_ascii_uppercase();
        }
        Response::Answer { length }
    }
}
