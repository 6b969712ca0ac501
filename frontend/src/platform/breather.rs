//! Turns for the page while something is computed.

use super::{sleep, window};
use crate::later::Pause;
use std::cell::Cell;
use std::rc::Rc;

/// Milliseconds for which work goes on before the page gets a turn.
const SLICE: f64 = 12.0;

/// Milliseconds since the page was opened.
fn now() -> f64 {
    window().performance().map_or(0.0, |clock| clock.now())
}

/// Lets long work give the page its turns. While `wanted` says no, the work stands still
/// and is dropped.
pub struct Breather<F> {
    since: Cell<f64>,
    wanted: F,
}

impl<F: Fn() -> bool> Breather<F> {
    /// For work that begins now.
    pub fn new(wanted: F) -> Self {
        Self { since: Cell::new(now()), wanted }
    }

    /// For work in a part of the program that comes later.
    pub fn into_pause(self) -> Pause
    where
        F: 'static,
    {
        let breather = Rc::new(self);
        Box::new(move || {
            let breather = breather.clone();
            Box::pin(async move {
                breather.pause().await;
                Some(())
            })
        })
    }

    /// Between two pieces of the work.
    pub async fn pause(&self) {
        if now() - self.since.get() < SLICE {
            return;
        }
        sleep(0).await;
        if !(self.wanted)() {
            // Nobody can wake it any more, so that it is freed.
            std::future::pending::<()>().await;
        }
        self.since.set(now());
    }
}
