//! How frames and buffers move between a receive ring, a transmit ring and a backlog: the same for
//! every card.
//!
//! A driver's rings implement [`Arrivals`] and [`Vacancies`]; its `Device` hands them to an
//! [`Exchange`], which asks the receiver about each frame and does what it says. Buffers only change
//! places: none is copied, allocated, lost or in two places.

use core::mem;

use pollux_net::device::{
    BUFFER_SIZE, Batch, Damage, MINIMUM_FRAME, Received, Receiver, SoundFrame, Statistic,
    TransmitError, TransportChecksum, Verdict,
};

use crate::backlog::Backlog;
use crate::dma::{Buffer, DmaRegion, OutOfDmaMemory};

/// A ring of buffers that a card fills.
pub trait Arrivals {
    /// A slot that the card has filled.
    type Arrival<'ring>: Arrival
    where
        Self: 'ring;

    /// The oldest frame that the card has delivered.
    fn arrival(&mut self) -> Option<Self::Arrival<'_>>;
}

/// A slot that the card has filled: proof that it is ours at the moment. One that is dropped is found
/// again by the next look.
pub trait Arrival: SoundFrame {
    /// The slot's buffer.
    fn buffer(&mut self) -> &mut Buffer;

    /// The length that the card gives a frame with which it finds nothing wrong. It may be anything.
    fn sound_length(&self) -> Option<usize>;

    /// The frame's length, which is no more than the buffer holds, and what is wrong with the frame.
    /// To be asked once.
    fn inspect(&mut self) -> (usize, Option<Damage>);

    /// Gives the slot back to the card, with the buffer that is in it.
    fn release(self);
}

/// A ring of frames that a card sends. It has no room for any while the link is down.
pub trait Vacancies {
    /// A slot that is free.
    type Vacancy<'ring>: Vacancy
    where
        Self: 'ring;

    /// The next slot, if the link is up and what the slot held has gone out.
    fn vacancy(&mut self) -> Option<Self::Vacancy<'_>>;
}

/// A transmit slot that is free: proof that it is ours.
pub trait Vacancy {
    /// The slot's buffer.
    fn buffer(&mut self) -> &mut Buffer;

    /// The buffer's octets.
    fn bytes(&mut self) -> &mut [u8; BUFFER_SIZE];

    /// Queues the first `length` octets of the buffer, from [`MINIMUM_FRAME`] to [`BUFFER_SIZE`].
    fn queue(self, length: usize);
}

/// Queues the first `length` octets of a vacancy's buffer, made up to [`MINIMUM_FRAME`] with zeros, so
/// that nothing which was in the buffer before goes out with them. There are no octets after the
/// buffer's last to queue.
#[inline]
fn queue(mut vacancy: impl Vacancy, length: usize) {
    let length = if (MINIMUM_FRAME..=BUFFER_SIZE).contains(&length) {
        length
    } else {
        fit(vacancy.bytes(), length)
    };
    vacancy.queue(length);
}

#[cold]
fn fit(buffer: &mut [u8; BUFFER_SIZE], length: usize) -> usize {
    if let Some(padding) = buffer.get_mut(length..MINIMUM_FRAME) {
        padding.fill(0);
    }
    length.clamp(MINIMUM_FRAME, BUFFER_SIZE)
}

/// Queues a frame of our own, which `compose` writes into a free buffer, in `ring`.
///
/// # Errors
///
/// [`TransmitError`] when no frame can be queued; `compose` was then not called.
#[inline]
pub fn transmit(
    ring: &mut impl Vacancies,
    link_is_up: bool,
    compose: impl FnOnce(&mut [u8; BUFFER_SIZE]) -> usize,
) -> Result<(), TransmitError> {
    if !link_is_up {
        return Err(TransmitError::LinkDown);
    }
    let mut vacancy = ring.vacancy().ok_or(TransmitError::RingFull)?;
    let length = compose(vacancy.bytes());
    queue(vacancy, length);
    Ok(())
}

/// The frames that were deferred, and what a receiver did that it must not do.
#[derive(Debug)]
pub struct Exchange {
    backlog: Backlog,
    /// Answers that a receiver gave although it was told that none could be sent.
    impossible_answers: u64,
    /// Frames that a receiver deferred although it was told that none could be kept.
    impossible_deferrals: u64,
}

impl Exchange {
    /// Octets of a [`DmaRegion`] that one takes.
    pub const MEMORY: usize = Backlog::MEMORY;

    /// One with nothing in it.
    ///
    /// # Errors
    ///
    /// [`OutOfDmaMemory`] when `memory` has no room for [`Exchange::MEMORY`] octets.
    pub fn new(memory: &mut DmaRegion) -> Result<Self, OutOfDmaMemory> {
        Ok(Self {
            backlog: Backlog::new(memory)?,
            impossible_answers: 0,
            impossible_deferrals: 0,
        })
    }

    /// The frames that were deferred.
    #[inline]
    pub const fn backlog(&self) -> &Backlog {
        &self.backlog
    }

    /// Hands the frames that stand in `arrivals` to `receiver`, oldest first, for as long as `batch` has room, and does
    /// with them as it says. Returns the batch with these frames; `None` when there was none.
    // Into all of its callers: called, it takes some 35 instructions more for each batch.
    #[inline(always)]
    pub fn process(
        &mut self,
        arrivals: &mut impl Arrivals,
        vacancies: &mut impl Vacancies,
        mut batch: Batch,
        receiver: &mut impl Receiver,
    ) -> Option<Batch> {
        let before = batch;
        'frames: while batch.has_room() {
            let Some(mut arrival) = arrivals.arrival() else {
                break;
            };
            batch.take();
            let vacancy = 'unusual: {
                let Some(mut vacancy) = vacancies.vacancy() else {
                    break 'unusual None;
                };
                let Some(length) = arrival.sound_length() else {
                    break 'unusual Some(vacancy);
                };
                let Some(verdict) = receiver.receive_usual(&mut arrival, length) else {
                    break 'unusual Some(vacancy);
                };
                if let Verdict::Answer { length } = verdict {
                    mem::swap(arrival.buffer(), vacancy.buffer());
                    queue(vacancy, length);
                }
                arrival.release();
                batch.note(verdict);
                continue 'frames;
            };
            let can_defer = self.backlog.room() > 0;
            batch.note(self.process_any(arrival, vacancy, can_defer, receiver));
        }
        batch.if_more_than(before)
    }

    /// Hands a frame to `receiver` that it did not answer at once.
    #[inline(always)]
    fn process_any(
        &mut self,
        mut arrival: impl Arrival,
        vacancy: Option<impl Vacancy>,
        can_defer: bool,
        receiver: &mut impl Receiver,
    ) -> Verdict {
        let (length, damage) = arrival.inspect();
        // Of a damaged frame nothing is asked but what is wrong with it.
        let checksum = match damage {
            None => arrival.transport_checksum(),
            Some(_) => TransportChecksum::Unverified,
        };
        let verdict = receiver.receive(Received {
            buffer: arrival.bytes(),
            length,
            damage,
            checksum,
            can_answer: vacancy.is_some(),
            can_defer,
        });
        match (verdict, vacancy) {
            (Verdict::Answer { length }, Some(mut vacancy)) => {
                mem::swap(arrival.buffer(), vacancy.buffer());
                queue(vacancy, length);
            }
            (Verdict::Release, _) => {}
            (Verdict::Defer, _) => {
                if !self.backlog.keep(arrival.buffer(), length, checksum) {
                    count_impossible(&mut self.impossible_deferrals);
                }
            }
            (Verdict::Answer { .. }, None) => count_impossible(&mut self.impossible_answers),
        }
        arrival.release();
        verdict
    }

    /// Hands the oldest frames that were deferred to `receiver`, at most `budget` of them, and does
    /// with them as it says.
    pub fn process_deferred(
        &mut self,
        vacancies: &mut impl Vacancies,
        budget: usize,
        receiver: &mut impl Receiver,
    ) {
        for _ in 0..budget {
            let Some(mut kept) = self.backlog.oldest() else {
                break;
            };
            let vacancy = vacancies.vacancy();
            let verdict = receiver.receive(Received {
                length: kept.length(),
                checksum: kept.transport_checksum(),
                buffer: kept.bytes(),
                damage: None,
                can_answer: vacancy.is_some(),
                can_defer: false,
            });
            match (verdict, vacancy) {
                (Verdict::Answer { length }, Some(mut vacancy)) => {
                    kept.exchange(vacancy.buffer());
                    queue(vacancy, length);
                    continue;
                }
                (Verdict::Release, _) => {}
                (Verdict::Defer, _) => count_impossible(&mut self.impossible_deferrals),
                (Verdict::Answer { .. }, None) => count_impossible(&mut self.impossible_answers),
            }
            kept.release();
        }
    }

    /// What was lost because a receiver did what it must not do.
    pub fn statistics(&self) -> impl Iterator<Item = Statistic> + use<> {
        let own = [
            ("tx_dropped", self.impossible_answers),
            ("rx_dropped", self.impossible_deferrals),
        ];
        own.map(|(name, value)| Statistic { name, value })
            .into_iter()
    }
}

/// Counts a verdict that a receiver must not give.
#[cold]
const fn count_impossible(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}

#[cfg(test)]
pub(crate) mod test_receiver {
    //! Receivers made of functions.

    use super::{BUFFER_SIZE, Received, Receiver, SoundFrame, Verdict};

    /// Decides about each frame by itself.
    pub(crate) struct Script<F>(pub(crate) F);

    impl<F: FnMut(Received<'_>) -> Verdict> Receiver for Script<F> {
        fn receive(&mut self, frame: Received<'_>) -> Verdict {
            (self.0)(frame)
        }
    }

    /// Decides at once about what its first function does, given a claimed length, and leaves the rest to the second.
    pub(crate) struct Usual<F, G>(pub(crate) F, pub(crate) G);

    impl<F, G> Receiver for Usual<F, G>
    where
        F: FnMut(&mut [u8; BUFFER_SIZE], usize) -> Option<Verdict>,
        G: FnMut(Received<'_>) -> Verdict,
    {
        fn receive_usual<S>(&mut self, frame: &mut S, length: usize) -> Option<Verdict>
        where
            S: SoundFrame + ?Sized,
        {
            (self.0)(frame.bytes(), length)
        }

        fn receive(&mut self, frame: Received<'_>) -> Verdict {
            (self.1)(frame)
        }
    }
}
