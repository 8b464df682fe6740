//! What became of every received frame: answered, or not and why.
//!
//! RFC 1122 §3.1 asks that what is silently discarded be counted. Here each received frame moves
//! exactly one of these counters beside `received`, so that `received = answered + the sum of the
//! reasons + those that are deferred and wait` holds after every frame; tests and the status page rely
//! on it.

use crate::udp::Unanswered;

/// Declares [`Reason`] together with the name and the description of each, so that none can lack one.
/// Those of UDP have them from [`Unanswered`].
macro_rules! reasons {
    (
        frame { $($variant:ident, $name:literal, $description:literal;)+ }
        udp { $($udp:ident = $unanswered:ident;)+ }
    ) => {
        /// Why a received frame got no answer.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Reason {
            $(#[doc = $description] $variant,)+
            $(#[doc = concat!("[`Unanswered::", stringify!($unanswered), "`]")] $udp,)+
        }

        impl Reason {
            /// Every reason, in the order in which a frame can meet them.
            pub const ALL: [Self; [$(Self::$variant,)+ $(Self::$udp),+].len()] =
                [$(Self::$variant,)+ $(Self::$udp),+];

            /// The counter's name: lower case with underscores, stable, for people and scripts.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                    $(Self::$udp => Unanswered::$unanswered.name(),)+
                }
            }

            /// One line on what is wrong with such a frame.
            pub const fn description(self) -> &'static str {
                match self {
                    $(Self::$variant => $description,)+
                    $(Self::$udp => Unanswered::$unanswered.description(),)+
                }
            }
        }

        impl From<Unanswered> for Reason {
            fn from(unanswered: Unanswered) -> Self {
                match unanswered {
                    $(Unanswered::$unanswered => Self::$udp,)+
                    // No matter for what there was no slot.
                    Unanswered::NoTransmitSlot => Self::NoTransmitSlot,
                }
            }
        }
    };
}

reasons! {
    frame {
        DeviceError, "device_error", "the network card reported a damaged frame";
        Oversized, "oversized", "longer than one receive buffer or than the largest tagged frame";
        Runt, "runt", "shorter than its Ethernet header or its VLAN tag";
        Filtered, "filtered", "dropped by the card's eBPF program";
        ForeignDestination, "foreign_destination", "addressed to another station or to a group that nobody here joined";
        InvalidSource, "invalid_source", "its Ethernet source is a group, all zeros or our own address";
        Untagged, "untagged", "carries no VLAN tag, and the card's own device has no address or is down";
        PriorityTagged, "priority_tagged", "tagged with VLAN identifier 0, which names no VLAN (IEEE 802.1Q §9.6), and the card's own device has no address or is down";
        ReservedVlan, "reserved_vlan", "tagged with the reserved VLAN identifier 4095 (IEEE 802.1Q §9.6)";
        ServiceTag, "service_tag", "its outer tag is not a customer tag (TPID 0x88a8 or 0x9100)";
        VlanNotInFilter, "vlan_not_in_filter", "its VLAN identifier is not in the filter list, and no device has it";
        VlanWithoutDevice, "vlan_without_device", "its VLAN identifier is in the filter list, but no VLAN device has it";
        DeviceDown, "device_down", "the device of its VLAN, or the card's own, is down";
        InBandQueueFull, "in_band_queue_full", "in-band, and as many frames waited for a quiet moment as can";
        StackedTag, "stacked_tag", "a second VLAN tag follows the first";
        LengthField, "length_field", "an IEEE 802.3 length stands where its EtherType should";
        UnknownEtherType, "unknown_ethertype", "neither ARP nor IPv4, and of a type that no service takes";
        ArpMalformed, "arp_malformed", "an ARP packet that is truncated or not for IPv4 over Ethernet (RFC 826)";
        ArpInvalidSender, "arp_invalid_sender", "an ARP packet whose sender cannot be a neighbor";
        ArpConflict, "arp_conflict", "another station claims one of our addresses (RFC 5227 §2.4)";
        ArpNotForUs, "arp_not_for_us", "an ARP packet about an address that is not ours";
        ArpReplyTaken, "arp_reply_taken", "an ARP reply for us: learned, nothing to say";
        Ipv4Truncated, "ipv4_truncated", "fewer octets than an IPv4 header or than its header length says (RFC 1812 §5.2.2)";
        Ipv4Checksum, "ipv4_checksum", "bad IPv4 header checksum (RFC 1122 §3.2.1.2)";
        Ipv4Version, "ipv4_version", "an IP version other than 4 (RFC 1122 §3.2.1.1)";
        Ipv4HeaderLength, "ipv4_header_length", "an IPv4 header length below 20 octets (RFC 1812 §5.2.2)";
        Ipv4TotalLength, "ipv4_total_length", "an IPv4 total length below its header's or beyond the frame's (RFC 1812 §5.2.2)";
        Ipv4Source, "ipv4_source", "an IPv4 source that no host may have (RFC 1122 §3.2.1.3, RFC 1812 §5.3.7)";
        LinkBroadcast, "link_broadcast", "broadcast on the link although its IPv4 destination is one host (RFC 1122 §3.3.6)";
        Ipv4Destination, "ipv4_destination", "an IPv4 destination that is not this VLAN device's (RFC 1122 §3.2.1.3)";
        Ipv4Options, "ipv4_options", "IPv4 options that overrun the header or each other (RFC 1122 §3.2.1.8)";
        Ipv4SourceRoute, "ipv4_source_route", "a source route option (dropped as RFC 7126 §4.3 and §4.4 advise)";
        FragmentTaken, "fragment_taken", "a fragment of an IPv4 datagram, kept until the others are here";
        FragmentInvalid, "fragment_invalid", "a fragment that is wrong by itself: no data, an uneven length, or beyond octet 65535 (RFC 791 §3.2)";
        FragmentDuplicate, "fragment_duplicate", "a fragment whose octets are here already, and the same";
        FragmentOverlap, "fragment_overlap", "a fragment that contradicts another, or one of a datagram that was discarded for that (RFC 5722)";
        FragmentNoRoom, "fragment_no_room", "a fragment, and no room to put datagrams together";
        Ipv4Protocol, "ipv4_protocol", "an IPv4 protocol that nothing here serves";
        IcmpTruncated, "icmp_truncated", "fewer octets than an ICMP header";
        IcmpChecksum, "icmp_checksum", "bad ICMP checksum (RFC 792)";
        IcmpType, "icmp_type", "an ICMP message other than an echo request (RFC 1122 §3.2.2)";
        IcmpReplyTaken, "icmp_reply_taken", "an echo reply to a request of our own, or an ICMP error about one: nothing to say";
        IcmpEchoToGroup, "icmp_echo_to_group", "an echo request to a broadcast or multicast address (RFC 1122 §3.2.2.6)";
        NoTransmitSlot, "no_transmit_slot", "an answer was due, but the transmit ring was full or the link down";
        EthernetConsumed, "ethernet_consumed", "taken by a raw Ethernet service: nothing to say, or not yet";
        EthernetDeclined, "ethernet_declined", "declined by a raw Ethernet service";
        EthernetToGroup, "ethernet_to_group", "a raw Ethernet service would have answered what was for a group of stations";
        EthernetServiceFault, "ethernet_service_fault", "a raw Ethernet service answered with more than it was sent";
    }
    udp {
        UdpTruncated = Truncated;
        UdpLength = Length;
        UdpChecksum = Checksum;
        UdpClosedPort = ClosedPort;
        UdpGroup = Group;
        UdpSourcePortZero = SourcePortZero;
        UdpLowSourcePort = LowSourcePort;
        UdpResponderPort = ResponderPort;
        UdpTimeToLive = TimeToLive;
        UdpTooShort = TooShort;
        UdpMalformed = Malformed;
        UdpReply = Reply;
        UdpNoRoom = NoRoom;
        UdpBusy = Busy;
        UdpConsumed = Consumed;
        UdpServiceFault = ServiceFault;
        UdpAnswerToGroup = AnswerToGroup;
        UdpAmplification = Amplification;
        UdpRateLimited = RateLimited;
    }
}

impl Reason {
    /// Whether the frame did what it was sent for, although there is nothing to say to it.
    pub const fn is_taken(self) -> bool {
        matches!(
            self,
            Self::ArpReplyTaken
                | Self::FragmentTaken
                | Self::IcmpReplyTaken
                | Self::EthernetConsumed
                | Self::UdpConsumed
        )
    }
}

/// The counters of one network card. All are 64 bits wide and wrap, in some thousands of years.
// In this order, because two counters side by side that move together become vector arithmetic, which
// takes three times the instructions.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct Counters {
    received: u64,
    reasons: [u64; Reason::ALL.len()],
    answered: u64,
    deferred: u64,
    served_in_band: u64,
}

impl Default for Counters {
    fn default() -> Self {
        Self::new()
    }
}

impl Counters {
    /// All zero.
    pub const fn new() -> Self {
        Self {
            received: 0,
            reasons: [0; Reason::ALL.len()],
            answered: 0,
            deferred: 0,
            served_in_band: 0,
        }
    }

    /// Counts a frame that arrived.
    #[inline]
    pub(crate) const fn count_received(&mut self) {
        self.received = self.received.wrapping_add(1);
    }

    /// Counts a frame that was answered.
    #[inline]
    pub(crate) const fn count_answered(&mut self) {
        self.answered = self.answered.wrapping_add(1);
    }

    /// Counts a frame that was not answered, for this reason.
    pub(crate) fn count_unanswered(&mut self, reason: Reason) {
        if let Some(counter) = self.reasons.get_mut(reason as usize) {
            *counter = counter.wrapping_add(1);
        }
    }

    /// Counts a frame that was put off.
    pub(crate) const fn count_deferred(&mut self) {
        self.deferred = self.deferred.wrapping_add(1);
    }

    /// Counts a frame that was put off and had its turn.
    pub(crate) const fn count_served_in_band(&mut self) {
        self.served_in_band = self.served_in_band.wrapping_add(1);
    }

    /// Frames that the device delivered.
    pub const fn received(&self) -> u64 {
        self.received
    }

    /// Frames that were turned into an answer.
    pub const fn answered(&self) -> u64 {
        self.answered
    }

    /// In-band frames that were put off until a quiet moment.
    pub const fn deferred(&self) -> u64 {
        self.deferred
    }

    /// Of the in-band frames that were put off, those that still wait.
    pub const fn waiting(&self) -> u64 {
        self.deferred.wrapping_sub(self.served_in_band)
    }

    /// Frames that got no answer for this reason.
    pub fn reason(&self, reason: Reason) -> u64 {
        self.reasons.get(reason as usize).copied().unwrap_or(0)
    }

    /// Frames that got no answer, for whatever reason.
    pub fn unanswered(&self) -> u64 {
        self.reasons
            .iter()
            .fold(0, |sum, count| sum.wrapping_add(*count))
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_reason_has_a_counter_and_a_name_of_its_own() {
        let mut counters = Counters::new();
        for (index, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
            for _ in 0..=index {
                counters.count_unanswered(reason);
            }
        }
        for (index, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(counters.reason(reason), index as u64 + 1, "{reason:?}");
        }
        let names: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.name()).collect();
        assert_eq!(names.len(), Reason::ALL.len());
    }

    #[test]
    fn what_is_deferred_waits_until_it_was_served() {
        let mut counters = Counters::new();
        for _ in 0..3 {
            counters.count_received();
            counters.count_deferred();
        }
        counters.count_served_in_band();
        counters.count_answered();
        counters.count_served_in_band();
        counters.count_unanswered(Reason::Untagged);
        assert_eq!((counters.deferred(), counters.waiting()), (3, 1));
        assert_eq!(
            counters.received(),
            counters.answered() + counters.unanswered() + counters.waiting()
        );
    }
}
