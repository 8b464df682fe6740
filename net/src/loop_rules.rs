//! When a request must not be answered: the one set of rules for everything that answers.
//!
//! Two programs that answer each other never stop, and a program that answers more than it was asked
//! is a weapon for whoever can invent a source address (CVE-2024-2169, CERT VU#417980). So every
//! responder, whatever it serves, asks here twice: [`check_request`] before it does anything,
//! [`check_answer`] before anything is sent. Nothing else decides this.
//!
//! Sources that no host can have (RFC 1122 §3.2.1.3) never come so far: the IPv4 layer drops them.
//!
//! What keeps two appliances from answering each other for ever:
//!
//! - An answer comes from the port that was asked. From a port below 1,024, or from a port on which we
//!   answer as well, it is not taken for a request.
//! - That does not help when responders listen on ports of 1,024 and more that differ, or where a
//!   service must take requests from its own port. There an answer may live only half as long as its
//!   request, by the time to live, so that whatever goes around ends after seven answers at most.

use crate::rate::TokenBucket;
use crate::time::Instant;

/// Ports below this are of services, not of those who ask them (RFC 6335 §6).
pub const FIRST_USER_PORT: u16 = 1024;

/// Which rule forbids an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoopRule {
    /// Its source port is 0: whoever sent it wants no answer (RFC 768).
    SourcePortZero,
    /// Its source port is that of a service.
    LowSourcePort,
    /// Its source port is one on which we answer ourselves.
    ResponderPort,
    /// It may be the answer to an answer, and has gone around often enough.
    TimeToLive,
    /// It was for every host of a network or for a group (RFC 1122 §3.2.2.6, RFC 2644).
    Group,
    /// The answer is longer than the request, and the service may not do that.
    Amplification,
    /// Answers as long as this, or answers at all, are limited, and the limit is reached.
    RateLimited,
}

/// What the rules want to know of a request.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// The port that it comes from.
    pub source_port: u16,
    /// The port on which it came in.
    pub own_port: u16,
    /// Whether something here answers on a port of the number of `source_port`.
    pub source_is_responder: bool,
    /// Whether the service takes requests that come from the number of its own port.
    pub accepts_own_port: bool,
    /// Its time to live on arrival.
    pub time_to_live: u8,
}

/// Whether a request may be answered. Returns the longest time to live that the answer may have.
///
/// # Errors
///
/// The rule that forbids it.
#[inline]
pub const fn check_request(asked: Asked) -> Result<u8, LoopRule> {
    let Asked {
        source_port,
        own_port,
        ..
    } = asked;
    if source_port == 0 {
        return Err(LoopRule::SourcePortZero);
    }
    let is_from_own_port = source_port == own_port && asked.accepts_own_port;
    if !is_from_own_port {
        if source_port < FIRST_USER_PORT {
            return Err(LoopRule::LowSourcePort);
        }
        if asked.source_is_responder {
            return Err(LoopRule::ResponderPort);
        }
        if own_port < FIRST_USER_PORT {
            return Ok(u8::MAX);
        }
    }
    match asked.time_to_live / 2 {
        0 => Err(LoopRule::TimeToLive),
        half => Ok(half),
    }
}

/// What the rules want to know of an answer.
#[derive(Debug)]
pub struct Answering<'a> {
    /// Octets of data that were asked with.
    pub request_length: usize,
    /// Octets of data to answer with.
    pub answer_length: usize,
    /// Whether the request was for more than this host, by its IPv4 or its Ethernet destination.
    pub is_group: bool,
    /// How often answers may be longer than their requests; `None` if never.
    pub amplification: Option<&'a mut TokenBucket>,
    /// How often anything may be answered; `None` if that is not limited.
    pub answers: Option<&'a mut TokenBucket>,
    /// When the request came in.
    pub now: Instant,
}

/// Whether an answer may be sent.
///
/// # Errors
///
/// The rule that forbids it.
#[inline]
pub const fn check_answer(answering: Answering<'_>) -> Result<(), LoopRule> {
    if answering.is_group {
        return Err(LoopRule::Group);
    }
    if answering.answer_length > answering.request_length {
        let Some(bucket) = answering.amplification else {
            return Err(LoopRule::Amplification);
        };
        if !bucket.take(answering.now) {
            return Err(LoopRule::RateLimited);
        }
    }
    if let Some(bucket) = answering.answers
        && !bucket.take(answering.now)
    {
        return Err(LoopRule::RateLimited);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rate::Limit;
    use crate::time::TickRate;

    const ASKED: Asked = Asked {
        source_port: 40_000,
        own_port: 7,
        source_is_responder: false,
        accepts_own_port: false,
        time_to_live: 64,
    };

    const ANSWERING: Answering<'static> = Answering {
        request_length: 10,
        answer_length: 10,
        is_group: false,
        amplification: None,
        answers: None,
        now: Instant::from_ticks(0),
    };

    fn bucket(burst: u32) -> TokenBucket {
        TokenBucket::new(Limit::new(1, burst), TickRate::from_hertz(1_000_000_000))
    }

    #[test]
    fn a_source_port_of_zero_cannot_be_answered_rfc_768() {
        let asked = Asked {
            source_port: 0,
            ..ASKED
        };
        assert_eq!(check_request(asked), Err(LoopRule::SourcePortZero));
    }

    #[test]
    fn requests_from_ports_of_services_are_refused() {
        for source_port in [1, 7, 9, 13, 17, 19, 37, 53, 69, 123, 862, 1023] {
            let asked = Asked {
                source_port,
                ..ASKED
            };
            assert_eq!(
                check_request(asked),
                Err(LoopRule::LowSourcePort),
                "{source_port}"
            );
        }
        for source_port in [1024, 65_535] {
            let asked = Asked {
                source_port,
                ..ASKED
            };
            assert_eq!(check_request(asked), Ok(255), "{source_port}");
        }
    }

    #[test]
    fn requests_from_ports_on_which_we_answer_are_refused() {
        let asked = Asked {
            source_port: 59_059,
            source_is_responder: true,
            ..ASKED
        };
        assert_eq!(check_request(asked), Err(LoopRule::ResponderPort));
        let other = Asked {
            accepts_own_port: true,
            ..asked
        };
        assert_eq!(check_request(other), Err(LoopRule::ResponderPort));
    }

    #[test]
    fn a_service_can_take_requests_from_its_own_port_but_from_no_other_of_a_service() {
        let asked = Asked {
            source_port: 862,
            own_port: 862,
            source_is_responder: true,
            ..ASKED
        };
        assert_eq!(check_request(asked), Err(LoopRule::LowSourcePort));
        let accepted = Asked {
            accepts_own_port: true,
            ..asked
        };
        assert_eq!(check_request(accepted), Ok(32));
        let foreign = Asked {
            source_port: 7,
            ..accepted
        };
        assert_eq!(check_request(foreign), Err(LoopRule::LowSourcePort));
    }

    #[test]
    fn where_ports_cannot_tell_an_answer_lives_half_as_long_as_its_request() {
        for (time_to_live, expected) in [
            (255, Ok(127)),
            (64, Ok(32)),
            (2, Ok(1)),
            (1, Err(LoopRule::TimeToLive)),
            (0, Err(LoopRule::TimeToLive)),
        ] {
            let asked = Asked {
                own_port: 1024,
                time_to_live,
                ..ASKED
            };
            assert_eq!(check_request(asked), expected);
            // Below 1,024 the port of the answer tells.
            let asked = Asked {
                own_port: 1023,
                ..asked
            };
            assert_eq!(check_request(asked), Ok(255));
        }
    }

    #[test]
    fn what_was_asked_of_a_group_is_not_answered_rfc_1122_section_3_2_2_6() {
        let answering = Answering {
            is_group: true,
            ..ANSWERING
        };
        assert_eq!(check_answer(answering), Err(LoopRule::Group));
    }

    #[test]
    fn an_answer_is_no_longer_than_its_request() {
        assert_eq!(check_answer(ANSWERING), Ok(()));
        let answering = Answering {
            answer_length: 11,
            ..ANSWERING
        };
        assert_eq!(check_answer(answering), Err(LoopRule::Amplification));
    }

    #[test]
    fn longer_answers_of_a_service_that_may_are_limited_and_others_are_not() {
        let mut longer = bucket(2);
        for (answer_length, expected) in [
            (11, Ok(())),
            (11, Ok(())),
            (11, Err(LoopRule::RateLimited)),
            (10, Ok(())),
        ] {
            let answering = Answering {
                answer_length,
                amplification: Some(&mut longer),
                ..ANSWERING
            };
            assert_eq!(check_answer(answering), expected);
        }
    }

    #[test]
    fn answers_at_all_can_be_limited() {
        let mut answers = bucket(1);
        for expected in [Ok(()), Err(LoopRule::RateLimited)] {
            let answering = Answering {
                answers: Some(&mut answers),
                ..ANSWERING
            };
            assert_eq!(check_answer(answering), expected);
        }
    }
}
