//! The services that the appliance brings along, each a small [`crate::udp::UdpService`].
//!
//! The kernel registers them, on the ports of their RFCs or on those of the configuration. They are
//! also the examples for services of one's own: none knows more of the stack than that trait.

pub mod discard;
pub mod echo;
pub mod sink;
pub mod stamp;
