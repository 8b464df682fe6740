//! Sound frames to begin with, and checksums, so that what lies behind them is reached.

pub const OWN_MAC: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
pub const PEER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 9];
pub const OWN_IP: [u8; 4] = [10, 10, 10, 11];
pub const PEER_IP: [u8; 4] = [10, 10, 10, 10];

/// The Internet checksum of `octets` (RFC 1071).
pub fn checksum(octets: &[u8]) -> [u8; 2] {
    let pairs = octets.chunks(2);
    let words = pairs.map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!(sum as u16)).to_be_bytes()
}

/// Makes the checksums of the datagram right, as far as it has them.
pub fn seal(datagram: &mut [u8]) {
    if datagram.len() < 20 {
        return;
    }
    let header_length = (usize::from(datagram[0] & 15) * 4).max(20);
    let total_length = usize::from(u16::from_be_bytes([datagram[2], datagram[3]]));
    let is_fragment = datagram[6] & 0x3f != 0 || datagram[7] != 0;
    let end = total_length.min(datagram.len());
    if header_length > datagram.len() {
        return;
    }
    datagram[10..12].fill(0);
    let sum = checksum(&datagram[..header_length]);
    datagram[10..12].copy_from_slice(&sum);
    if header_length > end || is_fragment {
        return;
    }
    let pseudo = [&datagram[12..20], &[0, 17]].concat();
    let protocol = datagram[9];
    let message = &mut datagram[header_length..end];
    match protocol {
        1 if message.len() >= 4 => {
            message[2..4].fill(0);
            let sum = checksum(message);
            message[2..4].copy_from_slice(&sum);
        }
        17 if message.len() >= 8 && message[6..8] != [0, 0] => {
            let length = u16::from_be_bytes([message[4], message[5]]);
            let covered = usize::from(length).min(message.len());
            message[6..8].fill(0);
            let all = [&pseudo[..], &length.to_be_bytes(), &message[..covered]].concat();
            let sum = checksum(&all);
            message[6..8].copy_from_slice(&sum);
        }
        _ => {}
    }
}

/// An IPv4 datagram from the peer to us, its checksums right.
pub fn datagram(protocol: u8, field: u16, message: &[u8]) -> Vec<u8> {
    let mut datagram = vec![0x45, 0];
    datagram.extend((20 + message.len() as u16).to_be_bytes());
    datagram.extend([0x12, 0x34]);
    datagram.extend(field.to_be_bytes());
    datagram.extend([64, protocol, 0, 0]);
    datagram.extend(PEER_IP);
    datagram.extend(OWN_IP);
    datagram.extend(message);
    seal(&mut datagram);
    datagram
}

/// An echo request with `length` octets of data.
pub fn echo_request(length: usize) -> Vec<u8> {
    let mut message = vec![8, 0, 0, 0, 0xbe, 0xef, 0, 1];
    message.extend((0..length).map(|place| place as u8));
    let sum = checksum(&message);
    message[2..4].copy_from_slice(&sum);
    message
}

/// A UDP datagram whose checksum is yet to be made right.
pub fn udp(port: u16, data: &[u8]) -> Vec<u8> {
    let mut message = 40_000_u16.to_be_bytes().to_vec();
    message.extend(port.to_be_bytes());
    message.extend((8 + data.len() as u16).to_be_bytes());
    message.extend([1, 1]);
    message.extend(data);
    message
}

/// An untagged frame from the peer to us.
pub fn frame(ether_type: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = [OWN_MAC, PEER_MAC].concat();
    frame.extend(ether_type.to_be_bytes());
    frame.extend(payload);
    frame
}

/// An ARP packet.
pub fn arp(operation: u8, sender: [u8; 4], target: [u8; 4]) -> Vec<u8> {
    let mut packet = vec![0, 1, 8, 0, 6, 4, 0, operation];
    packet.extend(PEER_MAC);
    packet.extend(sender);
    packet.extend([0; 6]);
    packet.extend(target);
    packet
}
