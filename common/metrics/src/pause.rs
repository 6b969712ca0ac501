//! Long work in pieces.
//!
//! A browser's page stands still while a function runs. What may run long is therefore
//! an `async` function that awaits a `pause` between pieces of a few milliseconds or
//! less; whoever calls it decides what a pause is: a look at the clock and, if it is
//! time, a turn of the event loop. There is no clock in here.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Does work whose pauses take no time, without a runtime.
///
/// # Panics
/// When the work waits for something.
pub fn at_once<T>(work: impl Future<Output = T>) -> T {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("work that was to be done at once waits for something"),
    }
}

/// The pause of those who do not want one.
pub async fn no_pause() {}
