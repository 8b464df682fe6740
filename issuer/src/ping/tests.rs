//! Sessions against a responder that misbehaves on purpose: every fault must be reported, and
//! nothing else.

use std::collections::VecDeque;
use std::sync::Mutex;

use super::*;
use crate::frame::{self, Tag};

const ISSUER: MacAddress = [0x02, 0, 0, 0, 0, 0x0a];
const PEER: MacAddress = [0x52, 0x54, 0, 0x12, 0x34, 0x56];

/// What the fake responder does with the answers to one request.
type Fault = fn(number: u64, answer: Vec<u8>, queue: &mut VecDeque<Vec<u8>>);

/// A wire with a responder at its end that answers in place, as the appliance does, and then
/// applies a fault.
struct Fake {
    fault: Fault,
    requests: u64,
    queue: VecDeque<Vec<u8>>,
    sent: Vec<Vec<u8>>,
}

impl Fake {
    fn new(fault: Fault) -> Self {
        Self {
            fault,
            requests: 0,
            queue: VecDeque::new(),
            sent: Vec::new(),
        }
    }
}

impl Wire for Fake {
    fn send(&mut self, frame: &[u8]) -> Result<(), wire::Error> {
        self.sent.push(frame.to_vec());
        let icmp = 38;
        if frame[icmp] != 8 {
            return Ok(());
        }
        let mut answer = frame.to_vec();
        answer[..6].copy_from_slice(&frame[6..12]);
        answer[6..12].copy_from_slice(&frame[..6]);
        answer[30..34].copy_from_slice(&frame[34..38]);
        answer[34..38].copy_from_slice(&frame[30..34]);
        answer[icmp] = 0;
        // RFC 1624 equation 3, which gives 0x0000 where a plain sum would give 0xffff.
        let checksum = u16::from_be_bytes([frame[icmp + 2], frame[icmp + 3]]);
        let sum = u32::from(!checksum) + u32::from(!0x0800_u16);
        let sum = (sum & 0xffff) + (sum >> 16);
        answer[icmp + 2..icmp + 4].copy_from_slice(&(!(sum as u16)).to_be_bytes());
        self.requests += 1;
        (self.fault)(self.requests, answer, &mut self.queue);
        Ok(())
    }

    fn try_receive(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, wire::Error> {
        Ok(self.queue.pop_front().map(|frame| {
            buffer[..frame.len()].copy_from_slice(&frame);
            frame.len()
        }))
    }

    fn wait(&mut self, limit: Duration) -> Result<(), wire::Error> {
        std::thread::sleep(limit);
        Ok(())
    }
}

/// One on which an answer of each two requests finds no room.
struct Crowded(Fake);

impl Wire for Crowded {
    fn send(&mut self, frame: &[u8]) -> Result<(), wire::Error> {
        self.0.send(frame)
    }

    fn try_receive(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, wire::Error> {
        self.0.try_receive(buffer)
    }

    fn wait(&mut self, limit: Duration) -> Result<(), wire::Error> {
        self.0.wait(limit)
    }

    fn dropped(&self) -> u64 {
        // Some were dropped before.
        7 + self.0.requests / 2
    }
}

fn settings(count: u64) -> Settings {
    let station = Station {
        mac_address: ISSUER,
        address: Ipv4Addr::new(10, 10, 10, 10),
        tag: Some(Tag {
            vid: 42,
            pcp: 3,
            dei: false,
        }),
    };
    Settings {
        count: Some(count),
        interval: Duration::ZERO,
        window: 8,
        timeout: Duration::from_millis(20),
        ..Settings::new(station, Ipv4Addr::new(10, 10, 10, 11), PEER)
    }
}

fn session(settings: &Settings, fault: Fault) -> (Report, Vec<Event>) {
    let mut events = Vec::new();
    let report = run(
        &mut Fake::new(fault),
        settings,
        &AtomicBool::new(false),
        &mut |event| events.push(event.clone()),
    )
    .unwrap();
    (report, events)
}

fn honest(_: u64, answer: Vec<u8>, queue: &mut VecDeque<Vec<u8>>) {
    queue.push_back(answer);
}

fn faults(report: &Report) -> [u64; 4] {
    [
        report.lost,
        report.duplicates,
        report.reordered,
        report.corrupted,
    ]
}

#[test]
fn an_honest_responder_has_no_fault() {
    for size in [0, 1, 13, 14, 56, 1472] {
        let settings = Settings {
            size,
            ..settings(100)
        };
        let (report, events) = session(&settings, honest);
        assert!(report.all_answered(), "{report}");
        assert_eq!(faults(&report), [0; 4]);
        assert_eq!(report.ttl, Some((64, 64)));
        assert_eq!(events.len(), 100);
    }
}

#[test]
fn sequence_numbers_may_wrap() {
    let (report, _) = session(&settings(200_000), honest);
    assert!(report.all_answered(), "{report}");
    assert_eq!(report.received, 200_000);
}

#[test]
fn a_lost_answer_is_counted_and_its_number_named() {
    let (report, events) = session(&settings(10), |number, answer, queue| {
        if number != 4 {
            queue.push_back(answer);
        }
    });
    assert_eq!(faults(&report), [1, 0, 0, 0]);
    assert_eq!(report.received, 9);
    assert_eq!(report.failures.to_string(), "4");
    assert!(events.contains(&Event::Overdue { number: 4 }));
    assert!(!report.all_answered());
}

#[test]
fn what_this_machine_had_no_room_for_is_told() {
    let settings = Settings {
        timeout: Duration::from_millis(50),
        ..settings(10)
    };
    let fault = |number, answer, queue: &mut VecDeque<_>| match number % 2 {
        0 => {}
        _ => queue.push_back(answer),
    };
    let mut wire = Crowded(Fake::new(fault));
    let stop = AtomicBool::new(false);
    let report = run(&mut wire, &settings, &stop, &mut |_| ()).expect("the wire works");
    assert_eq!((report.lost, report.dropped), (5, 5));
    let said = report.to_string();
    assert!(
        said.contains("\n5 frames had no room in a socket of this machine: "),
        "{said}"
    );
    let (report, _) = session(&settings, honest);
    let said = report.to_string();
    assert!(!said.contains("no room"), "{said}");
}

#[test]
fn a_loss_is_still_known_after_its_sequence_number_came_again() {
    let (report, _) = session(&settings(70_000), |number, answer, queue| {
        if number != 4 {
            queue.push_back(answer);
        }
    });
    assert_eq!(faults(&report), [1, 0, 0, 0]);
    assert_eq!(report.failures.to_string(), "4");
}

#[test]
fn a_duplicate_is_counted_and_is_no_loss() {
    let (report, _) = session(&settings(10), |number, answer, queue| {
        queue.push_back(answer.clone());
        if number == 10 {
            queue.push_back(answer);
        }
    });
    assert_eq!(report.received, 10);
    assert_eq!(report.lost, 0);
    let (report, _) = session(&settings(10), |number, answer, queue| {
        queue.push_back(answer.clone());
        if number == 5 {
            queue.push_back(answer);
        }
    });
    assert_eq!(faults(&report), [0, 1, 0, 0]);
    assert_eq!(report.received, 10);
}

#[test]
fn an_answer_after_its_successor_is_reordered() {
    let (report, _) = session(&settings(10), |number, answer, queue| {
        static HELD: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());
        if number == 6 {
            HELD.lock().unwrap().push(answer);
        } else {
            queue.push_back(answer);
            queue.extend(HELD.lock().unwrap().drain(..));
        }
    });
    assert_eq!(faults(&report), [0, 0, 1, 0]);
    assert!(report.all_answered());
}

#[test]
fn a_late_answer_still_counts() {
    let mut settings = settings(2);
    settings.window = 1;
    let (report, events) = session(&settings, |number, answer, queue| {
        static HELD: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());
        if number == 1 {
            HELD.lock().unwrap().push(answer);
        } else {
            queue.extend(HELD.lock().unwrap().drain(..));
            queue.push_back(answer);
        }
    });
    assert!(events.contains(&Event::Overdue { number: 1 }));
    assert!(report.all_answered(), "{report}");
}

/// The offset of the byte that [`corrupt`] changes.
static OFFSET: Mutex<usize> = Mutex::new(0);

fn corrupt(number: u64, mut answer: Vec<u8>, queue: &mut VecDeque<Vec<u8>>) {
    if number == 3 {
        answer[*OFFSET.lock().unwrap()] ^= 0x08;
    }
    queue.push_back(answer);
}

#[test]
fn a_wrong_byte_is_found_wherever_it_is() {
    // A responder may choose the identification, the don't-fragment flag and the TTL; but then
    // the header's checksum tells.
    for offset in 0..18 + 20 + 8 + 56 {
        *OFFSET.lock().unwrap() = offset;
        let (report, events) = session(&settings(5), corrupt);
        assert_eq!(report.corrupted, 1, "offset {offset}: {report}");
        assert_eq!(report.received, 4, "offset {offset}: {report}");
        assert_eq!(report.failures.to_string(), "3", "offset {offset}");
        assert!(
            events
                .iter()
                .any(|event| matches!(event, Event::Corrupted { .. })),
            "offset {offset}"
        );
    }
}

#[test]
fn what_is_wrong_is_said_in_words() {
    let words = |fault: Fault| {
        let (report, events) = session(&settings(1), fault);
        assert_eq!((report.received, report.corrupted), (0, 1), "{report}");
        events
            .into_iter()
            .find_map(|event| match event {
                Event::Corrupted { wrong, .. } => Some(wrong),
                _ => None,
            })
            .unwrap()
    };
    assert_eq!(
        words(|_, mut answer, queue| {
            answer.drain(12..16);
            queue.push_back(answer);
        }),
        "the tag is absent, not VID 42 PCP 3 DEI 0"
    );
    assert_eq!(
        words(|_, mut answer, queue| {
            answer[14] = 0;
            queue.push_back(answer);
        }),
        "the tag is VID 42 PCP 0 DEI 0, not VID 42 PCP 3 DEI 0"
    );
    assert_eq!(
        words(|_, mut answer, queue| {
            answer[50] = !answer[50];
            queue.push_back(answer);
        })
        .split(" is ")
        .next(),
        Some("the payload at offset 50")
    );
    assert_eq!(
        words(|_, mut answer, queue| {
            answer.pop();
            queue.push_back(answer);
        }),
        "101 octets long, not 102"
    );
    assert_eq!(
        words(|_, mut answer, queue| {
            answer.push(0);
            queue.push_back(answer);
        }),
        "103 octets long, not 102"
    );
    assert_eq!(
        words(|_, answer, queue| queue.push_back(answer[..20].to_vec())),
        "not IPv4 but type 0x0800"
    );
}

#[test]
fn padding_must_be_zero() {
    let settings = Settings {
        size: 0,
        ..settings(1)
    };
    let (report, events) = session(&settings, |_, mut answer, queue| {
        *answer.last_mut().unwrap() = 1;
        queue.push_back(answer);
    });
    assert_eq!(report.corrupted, 1);
    let wrong = "the padding is not zero".to_owned();
    assert!(events.contains(&Event::Corrupted {
        number: Some(1),
        wrong
    }));
}

#[test]
fn another_ttl_than_the_demanded_is_wrong() {
    let settings = Settings {
        ttl: Some(63),
        ..settings(1)
    };
    let (report, events) = session(&settings, honest);
    assert_eq!(report.corrupted, 1);
    assert!(matches!(&events[0], Event::Corrupted { wrong, .. } if wrong.contains("the TTL")));
}

#[test]
fn what_others_say_is_not_taken_for_an_answer() {
    let (report, events) = session(&settings(3), |_, answer, queue| {
        let mut foreign = answer.clone();
        foreign[..12].copy_from_slice(&[2; 12]);
        queue.push_back(foreign);
        queue.push_back(frame::arp_request(
            PEER,
            Ipv4Addr::new(10, 10, 10, 11),
            Ipv4Addr::new(10, 10, 10, 99),
            Some(Tag::new(42)),
        ));
        queue.push_back(answer);
    });
    assert!(report.all_answered(), "{report}");
    assert_eq!(events.len(), 3);
}

#[test]
fn a_peer_that_asks_for_our_address_gets_it() {
    let mut fake = Fake::new(|number, answer, queue| {
        if number == 2 {
            queue.push_back(frame::arp_request(
                PEER,
                Ipv4Addr::new(10, 10, 10, 11),
                Ipv4Addr::new(10, 10, 10, 10),
                Some(Tag::new(42)),
            ));
        }
        queue.push_back(answer);
    });
    let report = run(
        &mut fake,
        &settings(4),
        &AtomicBool::new(false),
        &mut |_| {},
    )
    .unwrap();
    assert!(report.all_answered(), "{report}");
    let replies = fake
        .sent
        .iter()
        .filter(|frame| frame[16..18] == [0x08, 0x06]);
    assert_eq!(replies.count(), 1);
}

#[test]
fn no_more_than_the_window_is_under_way() {
    let settings = Settings {
        window: 5,
        ..settings(20)
    };
    let mut fake = Fake::new(|_, _, _| {});
    let mut sent_before_first_overdue = None;
    let mut sent = 0;
    let report = run(
        &mut fake,
        &settings,
        &AtomicBool::new(false),
        &mut |event| {
            if let Event::Overdue { number } = event {
                sent_before_first_overdue.get_or_insert(*number);
                sent += 1;
            }
        },
    )
    .unwrap();
    assert_eq!(sent_before_first_overdue, Some(1));
    assert_eq!((sent, report.lost), (20, 20));
    // Four windows of silence, one timeout each.
    assert!(
        report.elapsed >= Duration::from_millis(4 * 20),
        "{:?}",
        report.elapsed
    );
}

#[test]
fn an_interrupted_session_gives_its_account_so_far() {
    let settings = Settings {
        count: None,
        interval: Duration::from_millis(1),
        ..settings(0)
    };
    let stop = AtomicBool::new(false);
    let report = run(&mut Fake::new(honest), &settings, &stop, &mut |event| {
        if matches!(event, Event::Answered { number: 5, .. }) {
            stop.store(true, Ordering::Relaxed);
        }
    })
    .unwrap();
    assert_eq!((report.transmitted, report.received), (5, 5));
}
