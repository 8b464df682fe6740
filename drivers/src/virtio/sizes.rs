//! How many descriptors each queue of a device has.
//!
//! Nearly every device is told. One from before version 1.0 behind I/O ports is not: a queue there has the size that the
//! device says, and where its parts lie follows from that (virtio 1.2 §2.7.2, §4.1.5.1.3). Then there must be room for
//! all of it, though only [`SLOTS`] of its descriptors are used.

use super::error::VirtioError;
use super::queue::{SLOTS, Virtqueue, size_within};
use super::split::LegacyQueue;
use super::transport::Transport;
use super::{CONTROL_QUEUE, RECEIVE_QUEUE};

/// How many descriptors `queue` is to have.
///
/// # Errors
///
/// [`VirtioError::NoQueue`] or [`VirtioError::QueueSize`].
pub fn size_of(transport: &mut impl Transport, queue: u16) -> Result<u16, VirtioError> {
    let limit = transport.read_queue_limit(queue);
    // The control queue's commands need two each.
    if limit < 2 {
        Err(VirtioError::NoQueue { queue })
    } else if !transport.has_fixed_queues() {
        Ok(size_within(limit))
    } else if limit.is_power_of_two() {
        Ok(limit)
    } else {
        Err(VirtioError::QueueSize { queue, size: limit })
    }
}

/// For how many descriptors of `queue` there is to be room, for as long as the appliance runs: the device may be another
/// after it was taken out and put back in.
pub fn room_for(transport: &mut impl Transport, queue: u16) -> u16 {
    let size = size_of(transport, queue).unwrap_or(0);
    size.max(SLOTS as u16)
}

/// Octets of DMA memory that the device needs beyond [`super::VirtioNet::MEMORY`], since it decides alone how long its
/// queues are. It must have been kept from memory.
pub fn further_memory(transport: &mut impl Transport) -> usize {
    (RECEIVE_QUEUE..=CONTROL_QUEUE)
        .map(|queue| LegacyQueue::memory(room_for(transport, queue)) - LegacyQueue::MEMORY)
        .sum()
}
