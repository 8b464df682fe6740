//! IPv4 and ICMP, end to end: every size, every length that lies, every address that nobody has.

use super::pieces::counting;
use super::*;

#[test]
fn a_ping_of_every_size_is_answered_to_the_last_octet() {
    let mut card = appliance();
    for size in 0..=1472 {
        for data in [counting(size), std::vec![0xff; size]] {
            let request = echo_request(&[], &data);
            let reply = send(&mut card, &request);
            assert_eq!(reply, Ok(echo_reply_by_definition(&request)), "{size}");
        }
    }
    assert_eq!(
        send(&mut card, &echo_request(&[], &counting(1473))),
        Err(Reason::Oversized)
    );
}

#[test]
fn a_ping_of_nothing_but_zeros_is_answered_with_a_right_checksum() {
    let mut card = appliance();
    for size in 0..=1472 {
        let mut request = echo_request(&[], &std::vec![0; size]);
        put(&mut request, at::IDENTIFIER, &[0; 4]);
        seal(&mut request);
        let reply = send(&mut card, &request).expect("an answer");
        assert_eq!(reply[at::ICMP..at::IDENTIFIER], [0, 0, 0xff, 0xff]);
        assert_eq!(reply, echo_reply_by_definition(&request), "{size}");
    }
}

#[test]
fn every_time_to_live_is_accepted_and_none_is_copied() {
    let mut card = appliance();
    for time_to_live in 0..=255 {
        let mut request = ECHO_REQUEST;
        request[at::TIME_TO_LIVE] = time_to_live;
        seal(&mut request);
        assert_eq!(
            send(&mut card, &request),
            Ok(ECHO_REPLY.to_vec()),
            "{time_to_live}"
        );
    }
}

#[test]
fn a_request_that_must_not_be_fragmented_or_has_the_reserved_bit_is_answered_without_that_bit() {
    let mut card = appliance();
    for flags in [0x40, 0x80, 0xc0] {
        let mut request = ECHO_REQUEST;
        request[at::FRAGMENT] = flags;
        seal(&mut request);
        assert_eq!(
            send(&mut card, &request),
            Ok(ECHO_REPLY.to_vec()),
            "{flags:#x}"
        );
    }
}

#[test]
fn a_checksum_of_negative_zero_is_accepted_and_not_sent() {
    // Chosen so that what the header's checksum covers sums to all ones: both zeros are right.
    let mut card = appliance();
    let mut request = ECHO_REQUEST;
    put(&mut request, at::IDENTIFICATION, &[0, 0]);
    seal(&mut request);
    let sum = [request[at::IPV4_CHECKSUM], request[at::IPV4_CHECKSUM + 1]];
    put(&mut request, at::IDENTIFICATION, &sum);
    put(&mut request, at::IPV4_CHECKSUM, &[0xff, 0xff]);
    assert_eq!(
        send(&mut card, &request),
        Ok(echo_reply_by_definition(&request))
    );
}

#[test]
fn sources_that_no_host_may_have_are_not_answered() {
    let mut card = appliance();
    for source in [
        [0, 0, 0, 0],
        [0, 255, 255, 255],
        [10, 10, 10, 0],
        [10, 10, 10, 11],
        [10, 10, 10, 255],
        [127, 0, 0, 1],
        [127, 255, 255, 255],
        [224, 0, 0, 1],
        [239, 255, 255, 255],
        [240, 0, 0, 1],
        [255, 255, 255, 255],
    ] {
        let mut request = ECHO_REQUEST;
        put(&mut request, at::SOURCE_IP, &source);
        seal(&mut request);
        assert_eq!(
            send(&mut card, &request),
            Err(Reason::Ipv4Source),
            "{source:?}"
        );
    }
}

#[test]
fn our_own_address_is_no_source_in_whatever_vlan() {
    let mut card = appliance();
    let mut request = ECHO_REQUEST;
    put(&mut request, at::SOURCE_IP, &OTHER_OWN_IP.octets());
    seal(&mut request);
    assert_eq!(send(&mut card, &request), Err(Reason::Ipv4Source));
}

#[test]
fn a_source_that_ends_like_an_address_of_ours_is_answered() {
    let mut card = appliance();
    for source in [[10, 10, 9, 11], [10, 10, 44, 0], [10, 10, 44, 255]] {
        let mut request = ECHO_REQUEST;
        put(&mut request, at::SOURCE_IP, &source);
        seal(&mut request);
        let reply = send(&mut card, &request);
        assert_eq!(reply, Ok(echo_reply_by_definition(&request)), "{source:?}");
    }
}

#[test]
fn every_address_of_a_device_is_answered_for_and_from() {
    let mut card = appliance();
    for (address, prefix_length) in [([10, 1, 2, 3], 8), ([192, 0, 2, 65], 26)] {
        let cidr = Ipv4Cidr::new(address.into(), prefix_length).expect("in range");
        card.add_address(42, cidr).expect("a host address");
    }
    for (destination, source, reason) in [
        ([10, 1, 2, 3], [10, 10, 10, 10], None),
        ([192, 0, 2, 65], [192, 0, 2, 126], None),
        ([192, 0, 2, 65], [192, 0, 2, 128], None),
        ([192, 0, 2, 65], [192, 0, 2, 64], Some(Reason::Ipv4Source)),
        ([192, 0, 2, 65], [192, 0, 2, 127], Some(Reason::Ipv4Source)),
        ([10, 1, 2, 3], [10, 255, 255, 255], Some(Reason::Ipv4Source)),
        ([10, 10, 10, 11], [10, 1, 2, 3], Some(Reason::Ipv4Source)),
        (
            [192, 0, 2, 127],
            [10, 10, 10, 10],
            Some(Reason::IcmpEchoToGroup),
        ),
        (
            [192, 0, 2, 66],
            [10, 10, 10, 10],
            Some(Reason::Ipv4Destination),
        ),
    ] {
        let mut request = ECHO_REQUEST;
        put(&mut request, at::SOURCE_IP, &source);
        put(&mut request, at::DESTINATION_IP, &destination);
        seal(&mut request);
        let expected = reason.map_or_else(|| Ok(echo_reply_by_definition(&request)), Err);
        let outcome = send(&mut card, &request);
        assert_eq!(outcome, expected, "{source:?} to {destination:?}");
    }
}

#[test]
fn sources_at_the_edge_of_what_hosts_may_have_are_answered() {
    let mut card = appliance();
    for source in [
        [1, 0, 0, 0],
        [10, 10, 10, 1],
        [10, 10, 10, 254],
        [10, 10, 11, 0],
        [10, 10, 9, 255],
        [126, 255, 255, 255],
        [128, 0, 0, 0],
        [223, 255, 255, 255],
    ] {
        let mut request = ECHO_REQUEST;
        put(&mut request, at::SOURCE_IP, &source);
        seal(&mut request);
        let reply = send(&mut card, &request);
        assert_eq!(reply, Ok(echo_reply_by_definition(&request)), "{source:?}");
    }
}

#[test]
fn a_ping_to_a_group_is_not_answered_however_the_link_carried_it() {
    let mut card = appliance();
    for link in [OWN_MAC, MacAddress::BROADCAST] {
        for group in [
            [10, 10, 10, 0],
            [10, 10, 10, 255],
            [224, 0, 0, 1],
            [239, 255, 255, 255],
            [255, 255, 255, 255],
        ] {
            let mut request = ECHO_REQUEST;
            put(&mut request, at::DESTINATION_MAC, &link.0);
            put(&mut request, at::DESTINATION_IP, &group);
            seal(&mut request);
            assert_eq!(
                send(&mut card, &request),
                Err(Reason::IcmpEchoToGroup),
                "{group:?}"
            );
        }
    }
}

#[test]
fn a_datagram_for_nobody_here_is_not_answered() {
    let mut card = appliance();
    for (destination, to_us, to_all) in [
        (
            [10, 10, 10, 12],
            Reason::Ipv4Destination,
            Reason::LinkBroadcast,
        ),
        (
            [10, 10, 11, 255],
            Reason::Ipv4Destination,
            Reason::LinkBroadcast,
        ),
        (
            [192, 0, 2, 1],
            Reason::Ipv4Destination,
            Reason::LinkBroadcast,
        ),
        (
            OTHER_OWN_IP.octets(),
            Reason::Ipv4Destination,
            Reason::LinkBroadcast,
        ),
        (
            [0, 0, 0, 0],
            Reason::Ipv4Destination,
            Reason::Ipv4Destination,
        ),
        (
            [127, 0, 0, 1],
            Reason::Ipv4Destination,
            Reason::Ipv4Destination,
        ),
        (
            [240, 0, 0, 1],
            Reason::Ipv4Destination,
            Reason::Ipv4Destination,
        ),
    ] {
        for (link, reason) in [(OWN_MAC, to_us), (MacAddress::BROADCAST, to_all)] {
            let mut request = ECHO_REQUEST;
            put(&mut request, at::DESTINATION_MAC, &link.0);
            put(&mut request, at::DESTINATION_IP, &destination);
            seal(&mut request);
            assert_eq!(
                send(&mut card, &request),
                Err(reason),
                "{destination:?} by {link}"
            );
        }
    }
}

#[test]
fn of_all_versions_and_header_lengths_only_4_with_5_to_15_words_are_answered() {
    let mut card = appliance();
    for version in 0..16_u8 {
        for words in 0..16_u8 {
            let options = std::vec![1; 4 * usize::from(words.saturating_sub(5))];
            let mut request = echo_request(&options, b"payload.");
            request[at::IPV4] = version << 4 | words;
            seal(&mut request);
            let outcome = send(&mut card, &request);
            match (version, words) {
                (4, 5..) => assert_eq!(outcome.map(|reply| reply.len()), Ok(request.len())),
                (4, _) => assert_eq!(outcome, Err(Reason::Ipv4HeaderLength)),
                _ => assert_eq!(outcome, Err(Reason::Ipv4Version)),
            }

            // The same without what stands behind the first twenty octets.
            let outcome = send(&mut card, &request[..at::ICMP]);
            match words {
                6.. => assert_eq!(outcome, Err(Reason::Ipv4Truncated)),
                _ => assert!(outcome.is_err()),
            }
        }
    }
}

#[test]
fn a_total_length_that_lies_is_never_believed_beyond_the_frame() {
    let mut card = appliance();
    // 20 octets of header, 8 of ICMP, 30 of data, 16 of padding.
    let mut request = echo_request(&[], &counting(30));
    request.extend_from_slice(&[0xa5; 16]);
    for total_length in (0..=120).chain([1500, 1501, 0x7fff, 0x8000, 0xffff]) {
        put(
            &mut request,
            at::TOTAL_LENGTH,
            &u16::to_be_bytes(total_length),
        );
        seal(&mut request);
        let outcome = send(&mut card, &request);
        match total_length {
            28..=74 => assert_eq!(outcome, Ok(echo_reply_by_definition(&request))),
            20..28 => assert_eq!(outcome, Err(Reason::IcmpTruncated), "{total_length}"),
            _ => assert_eq!(outcome, Err(Reason::Ipv4TotalLength), "{total_length}"),
        }
    }
}

#[test]
fn a_total_length_within_the_options_is_refused() {
    let mut card = appliance();
    let mut request = echo_request(&[1; 40], b"payload.");
    for total_length in 0..60_u16 {
        put(&mut request, at::TOTAL_LENGTH, &total_length.to_be_bytes());
        seal(&mut request);
        assert_eq!(
            send(&mut card, &request),
            Err(Reason::Ipv4TotalLength),
            "{total_length}"
        );
    }
}

#[test]
fn an_icmp_message_of_less_than_a_header_is_truncated_with_and_without_padding() {
    let mut card = appliance();
    for octets in 0..8 {
        let mut request = ECHO_REQUEST;
        put(&mut request, at::TOTAL_LENGTH, &[0, 20 + octets]);
        seal(&mut request);
        let end = at::ICMP + usize::from(octets);
        assert_eq!(
            send(&mut card, &request),
            Err(Reason::IcmpTruncated),
            "{octets}"
        );
        assert_eq!(
            send(&mut card, &request[..end]),
            Err(Reason::IcmpTruncated),
            "{octets}"
        );
    }
}

#[test]
fn icmp_messages_other_than_echo_requests_are_not_answered() {
    let mut card = appliance();
    for message_type in 0..=255 {
        for code in [0, 1, 255] {
            let mut request = ECHO_REQUEST;
            put(&mut request, at::ICMP, &[message_type, code]);
            seal(&mut request);
            let outcome = send(&mut card, &request);
            if message_type == 8 {
                assert_eq!(
                    outcome,
                    Ok(echo_reply_by_definition(&request)),
                    "code {code}"
                );
            } else {
                assert_eq!(outcome, Err(Reason::IcmpType), "{message_type}/{code}");
            }
        }
    }
}

/// Sends an echo request with `options` and returns the options of the answer.
fn options_of_answer(options: &[u8]) -> Result<Vec<u8>, Reason> {
    let request = echo_request(options, b"payload.");
    let reply = send(&mut appliance(), &request)?;
    Ok(reply[at::ICMP..at::ICMP + options.len()].to_vec())
}

#[test]
fn options_that_ask_for_nothing_come_back_as_they_are() {
    for options in [
        &[0, 0, 0, 0][..],
        &[1, 1, 1, 1],
        &[1, 1, 1, 0],
        &[0, 131, 7, 0], // behind the end of the list
        &[0x94, 4, 0, 0],
        &[200, 2, 30, 2],
        &[68, 4, 5, 2], // a flag that nobody defined
        &[1; 40],
    ] {
        assert_eq!(options_of_answer(options), Ok(options.to_vec()));
    }
}

#[test]
fn a_record_route_option_records_us() {
    assert_eq!(
        options_of_answer(&[7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        Ok(std::vec![7, 11, 8, 10, 10, 10, 11, 0, 0, 0, 0, 0])
    );
    let full = [1, 7, 7, 8, 1, 2, 3, 4];
    assert_eq!(options_of_answer(&full), Ok(full.to_vec()));
}

#[test]
fn a_timestamp_option_takes_our_time_and_address() {
    assert_eq!(
        options_of_answer(&[68, 8, 5, 0, 0, 0, 0, 0]),
        Ok(std::vec![68, 8, 9, 0, 0x80, 1, 2, 3])
    );
    assert_eq!(
        options_of_answer(&[68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
        Ok(std::vec![68, 12, 13, 1, 10, 10, 10, 11, 0x80, 1, 2, 3])
    );
    assert_eq!(
        options_of_answer(&[68, 4, 5, 0]),
        Ok(std::vec![68, 4, 5, 0x10])
    );
}

#[test]
fn malformed_options_and_source_routes_are_refused() {
    for options in [
        [7, 0, 0, 0],
        [7, 1, 0, 0],
        [7, 5, 4, 0],
        [1, 1, 1, 7],
        [200, 255, 0, 0],
    ] {
        assert_eq!(options_of_answer(&options), Err(Reason::Ipv4Options));
    }
    for options in [
        [131, 3, 4, 0],
        [137, 3, 4, 0],
        [1, 1, 1, 131],
        [137, 0, 0, 0],
    ] {
        assert_eq!(options_of_answer(&options), Err(Reason::Ipv4SourceRoute));
    }
}

#[test]
fn no_answer_is_made_when_none_can_be_sent() {
    let mut card = appliance();
    for options in [&[][..], &[7, 7, 4, 0, 0, 0, 0, 0]] {
        let mut delivery = Delivery::of(&echo_request(options, &counting(100)));
        delivery.can_answer = false;
        assert_eq!(deliver(&mut card, &delivery), Err(Reason::NoTransmitSlot));
    }
    let mut wrong = Delivery::of(&ECHO_REQUEST);
    wrong.can_answer = false;
    wrong.octets[at::DATA] ^= 1;
    assert_eq!(deliver(&mut card, &wrong), Err(Reason::IcmpChecksum));
    let transmitted = card.device(42).expect("is there").transmitted();
    assert_eq!(transmitted.packets, 0);
}
