//! How often one client may ask.

use crate::problem::Failure;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};

/// How often one client, a token or else an address, may ask the API. Zoo files and
/// the page are not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Requests that only read: this many a second, five times as many at once.
    pub reads_a_second: NonZeroU32,
    /// Requests that change something: this many a minute, half as many at once.
    pub writes_a_minute: NonZeroU32,
    /// Tokens that are none, from one address: this many a minute, all at once.
    pub guesses_a_minute: NonZeroU32,
}

const fn at_least_one(n: u32) -> NonZeroU32 {
    match NonZeroU32::new(n) {
        Some(n) => n,
        None => NonZeroU32::MIN,
    }
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            reads_a_second: at_least_one(100),
            writes_a_minute: at_least_one(120),
            guesses_a_minute: at_least_one(10),
        }
    }
}

type Limiter = DefaultKeyedRateLimiter<String>;

pub(crate) struct Limiters {
    reads: Limiter,
    writes: Limiter,
    guesses: Limiter,
    asked: AtomicU32,
}

/// Between two removals of clients that have not asked for long.
const TIDY: u32 = 4096;

impl Limiters {
    pub fn new(rates: Rates) -> Self {
        let Rates { reads_a_second, writes_a_minute, guesses_a_minute } = rates;
        let reads_at_once = reads_a_second.saturating_mul(at_least_one(5));
        let writes_at_once = at_least_one(writes_a_minute.get() / 2);
        let limiter = RateLimiter::keyed;
        Self {
            reads: limiter(Quota::per_second(reads_a_second).allow_burst(reads_at_once)),
            writes: limiter(Quota::per_minute(writes_a_minute).allow_burst(writes_at_once)),
            guesses: limiter(Quota::per_minute(guesses_a_minute)),
            asked: AtomicU32::new(0),
        }
    }

    /// Whether this client may ask now.
    pub fn may_ask(
        &self,
        token: Option<&str>,
        peer: Option<IpAddr>,
        reads: bool,
    ) -> Result<(), Failure> {
        if self.asked.fetch_add(1, Ordering::Relaxed) % TIDY == TIDY - 1 {
            [&self.reads, &self.writes, &self.guesses].iter().for_each(|l| l.retain_recent());
        }
        let client = match (token, peer) {
            (Some(token), _) => format!("token {token}"),
            (None, peer) => of_address(peer),
        };
        check(if reads { &self.reads } else { &self.writes }, &client)
    }

    /// Counts a token that is none, and says whether there were too many from this
    /// address. Guessing 256 bits is hopeless anyway; this keeps those who try from
    /// keeping the store busy.
    pub fn guessed(&self, peer: Option<IpAddr>) -> Result<(), Failure> {
        check(&self.guesses, &of_address(peer))
    }
}

/// One client by its address. Who has one IPv6 address has the 64 bits behind its network,
/// too (RFC 6177).
fn of_address(peer: Option<IpAddr>) -> String {
    match peer {
        Some(IpAddr::V4(v4)) => v4.to_string(),
        Some(IpAddr::V6(v6)) => format!("{}/64", Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        None => String::new(),
    }
}

fn check(limiter: &Limiter, client: &String) -> Result<(), Failure> {
    limiter
        .check_key(client)
        .map_err(|not| Failure::TooFast(not.wait_time_from(DefaultClock::default().now())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn who_asks_too_often_waits_and_others_do_not() {
        let rates = Rates { writes_a_minute: at_least_one(4), ..Rates::default() };
        let limiters = Limiters::new(rates);
        let peer = Some(Ipv4Addr::LOCALHOST.into());
        let ask = |token| limiters.may_ask(token, peer, false);
        assert!(ask(Some("a")).is_ok() && ask(Some("a")).is_ok());
        assert!(matches!(ask(Some("a")), Err(Failure::TooFast(wait)) if wait.as_secs() <= 15));
        assert!(ask(Some("b")).is_ok() && ask(None).is_ok());
        assert!(limiters.may_ask(Some("a"), peer, true).is_ok());
    }

    #[test]
    fn wrong_tokens_are_counted_by_address() {
        let limiters = Limiters::new(Rates::default());
        let guess = |last| limiters.guessed(Some(Ipv4Addr::new(10, 0, 0, last).into()));
        assert!((0..10).all(|_| guess(1).is_ok()));
        assert!(matches!(guess(1), Err(Failure::TooFast(_))));
        assert!(guess(2).is_ok());
    }

    #[test]
    fn an_ipv6_network_is_one_client() {
        let limiters = Limiters::new(Rates::default());
        let guess = |text: &str| limiters.guessed(Some(text.parse().unwrap()));
        assert!((0..10).all(|i| guess(&format!("2001:db8::{i}")).is_ok()));
        assert!(matches!(guess("2001:db8::ffff:1"), Err(Failure::TooFast(_))));
        assert!(guess("2001:db8:0:1::1").is_ok());
    }
}
