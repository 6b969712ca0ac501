//! Whose request it is where a proxy stands in between.
//!
//! What a request says of its own way is believed only as far as trusted proxies said it:
//! each adds, behind what it was sent, the address that it was asked from. So the first
//! address from the right that is no trusted proxy's is the client's, and what stands left
//! of it is whatever the client likes.

use axum::http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// Addresses of proxies: a network, `10.0.0.0/8`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(IpNet);

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let one = || text.parse::<IpAddr>().map(IpNet::from);
        text.parse::<IpNet>().or_else(|_| one()).map(Self).map_err(|_| {
            "must be an address or a network, such as 10.0.0.7, 10.0.0.0/8 or fd00::/8".to_owned()
        })
    }
}

/// Where a proxy says from where it was asked; RFC 7239 and what was there before it.
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address that a request counts for: that of the connection, or where a trusted proxy
/// made it, the one that it was made for. Where proxies do not say, do not agree, or say
/// what is no address, it is the last one that is known.
pub(crate) fn client(peer: IpAddr, trusted: &[Network], headers: &HeaderMap) -> IpAddr {
    let peer = peer.to_canonical();
    let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.0.contains(address));
    if !is_trusted(&peer) {
        return peer;
    }
    let last = |way: Vec<Option<IpAddr>>| {
        let mut known = peer;
        for hop in way.into_iter().rev() {
            match hop.map(|address| address.to_canonical()) {
                None => break,
                Some(address) => known = address,
            }
            if !is_trusted(&known) {
                break;
            }
        }
        known
    };
    let told = |name: HeaderName, read: fn(&str) -> Vec<Option<IpAddr>>| {
        let lines: Vec<_> = headers.get_all(name).iter().collect();
        let read = |line: &&axum::http::HeaderValue| line.to_str().map_or(vec![None], read);
        (!lines.is_empty()).then(|| last(lines.iter().flat_map(read).collect()))
    };
    match (told(X_FORWARDED_FOR, x_forwarded_for), told(header::FORWARDED, forwarded)) {
        (Some(one), None) | (None, Some(one)) => one,
        (Some(one), Some(other)) if one == other => one,
        // One of them is passed on as the client sent it, and nobody says which.
        _ => peer,
    }
}

/// The addresses of one line of `X-Forwarded-For`; `None` for what is none.
fn x_forwarded_for(line: &str) -> Vec<Option<IpAddr>> {
    line.split(',').map(str::trim).filter(|hop| !hop.is_empty()).map(address).collect()
}

/// An address as proxies write it, with or without a port or brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    bare.parse().ok().or_else(with_port)
}

/// The `for` of each element of one line of `Forwarded` (RFC 7239, section 4); a line that
/// is not as it should be is one hop that nobody knows, since a quote that a client left
/// open would swallow what a proxy wrote behind it.
fn forwarded(line: &str) -> Vec<Option<IpAddr>> {
    read_forwarded(line).unwrap_or_else(|| vec![None])
}

fn read_forwarded(line: &str) -> Option<Vec<Option<IpAddr>>> {
    let mut rest = line.trim();
    let (mut hops, mut hop) = (Vec::new(), None);
    loop {
        let (name, after) = rest.split_once('=')?;
        let name = name.trim_start();
        if name.is_empty() || !name.bytes().all(is_token) {
            return None;
        }
        let (value, after) = value(after)?;
        if name.eq_ignore_ascii_case("for") {
            hop = address(&value);
        }
        let after = after.trim_start();
        match after.chars().next() {
            None => {
                hops.push(hop);
                return Some(hops);
            }
            Some(';') => rest = &after[1..],
            Some(',') => {
                hops.push(hop.take());
                rest = &after[1..];
            }
            Some(_) => return None,
        }
    }
}

/// A token or a quoted string, and what comes behind it.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        // Addresses without quotes are not what the RFC allows, and what some send.
        let end = text.find([',', ';', ' ', '\t', '"']).unwrap_or(text.len());
        return (end > 0).then(|| (text[..end].to_owned(), &text[end..]));
    };
    let (mut value, mut escaped) = (String::new(), false);
    for (at, c) in quoted.char_indices() {
        match c {
            _ if escaped => {
                value.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => return Some((value, &quoted[at + 1..])),
            _ => value.push(c),
        }
    }
    None
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    const PROXY: &str = "10.0.0.1";

    fn trusted() -> Vec<Network> {
        ["10.0.0.0/8", "192.0.2.7", "2001:db8:1::/48"].map(|net| net.parse().unwrap()).into()
    }

    /// Who asks, where a proxy says this.
    fn asks(peer: &str, lines: &[(&'static str, &str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        client(peer.parse().unwrap(), &trusted(), &headers).to_string()
    }

    #[test]
    fn the_last_address_that_no_trusted_proxy_has_is_the_clients() {
        let xff = |value| asks(PROXY, &[("x-forwarded-for", value)]);
        for (value, client) in [
            ("203.0.113.5", "203.0.113.5"),
            ("198.51.100.1, 203.0.113.5", "203.0.113.5"),
            ("198.51.100.1, 203.0.113.5, 10.9.9.9, 192.0.2.7", "203.0.113.5"),
            ("198.51.100.1,203.0.113.5:4711", "203.0.113.5"),
            ("[2001:db8:2::5]:443", "2001:db8:2::5"),
            ("[2001:db8:2::5], 2001:db8:1::9", "2001:db8:2::5"),
            ("::ffff:203.0.113.5", "203.0.113.5"),
            ("203.0.113.5, ::ffff:10.1.2.3", "203.0.113.5"),
            // From within: the farthest that is known.
            ("10.2.2.2, 10.3.3.3", "10.2.2.2"),
            ("", PROXY),
            (" , ", PROXY),
            // What is left of what nobody understands is nobody's word.
            ("203.0.113.5, unknown", PROXY),
            ("203.0.113.5, unknown, 10.3.3.3", "10.3.3.3"),
            ("203.0.113.5, 1.2.3.4.5", PROXY),
            ("203.0.113.5, <script>", PROXY),
        ] {
            assert_eq!(xff(value), client, "{value}");
        }
        // Several lines are one list.
        let lines = [("x-forwarded-for", "198.51.100.1"), ("x-forwarded-for", "203.0.113.5")];
        assert_eq!(asks(PROXY, &lines), "203.0.113.5");
        assert_eq!(asks("::ffff:10.0.0.1", &lines), "203.0.113.5");
    }

    #[test]
    fn forwarded_is_read_strictly() {
        let forwarded = |value| asks(PROXY, &[("forwarded", value)]);
        for (value, client) in [
            ("for=203.0.113.5", "203.0.113.5"),
            ("For=\"203.0.113.5:47011\";proto=https;by=10.0.0.1", "203.0.113.5"),
            ("for=198.51.100.1, for=203.0.113.5;host=x", "203.0.113.5"),
            ("for=\"[2001:db8:2::5]:4711\"", "2001:db8:2::5"),
            ("by=\"a,b;for=6.6.6.6\";for=203.0.113.5", "203.0.113.5"),
            ("for=\"203.\\0.113.5\"", "203.0.113.5"),
            ("for=_hidden", PROXY),
            ("proto=https", PROXY),
            // A quote that a client leaves open, whatever a proxy writes behind it.
            ("for=6.6.6.6;by=\", for=203.0.113.5", PROXY),
            ("for=6.6.6.6;by=\", for=\"203.0.113.5\"", PROXY),
            ("for=6.6.6.6;by=\", for=\"203.0.113.5\";by=\"x\"", PROXY),
            ("for=6.6.6.6, for=\"\\, for=203.0.113.5", PROXY),
            ("for=6.6.6.6, nonsense", PROXY),
            ("for = 6.6.6.6", PROXY),
            ("for=6.6.6.6,", PROXY),
        ] {
            assert_eq!(forwarded(value), client, "{value}");
        }
    }

    #[test]
    fn nobody_else_is_believed() {
        let lines = [("x-forwarded-for", "203.0.113.5"), ("forwarded", "for=203.0.113.5")];
        assert_eq!(asks("198.51.100.9", &lines), "198.51.100.9");
        assert_eq!(client("10.0.0.1".parse().unwrap(), &[], &HeaderMap::new()).to_string(), PROXY);
        // A proxy that sets one passes the other on as it was sent.
        assert_eq!(asks(PROXY, &lines), "203.0.113.5");
        let lines = [("x-forwarded-for", "203.0.113.5"), ("forwarded", "for=6.6.6.6")];
        assert_eq!(asks(PROXY, &lines), PROXY);
        for text in ["", "10.0.0.0/33", "example.com", "10.0.0", "10.0.0.1:80"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }

    proptest! {
        /// Whatever a client sends, what the proxy puts behind it decides.
        #[test]
        fn what_a_client_sends_decides_nothing(sent in "[ -~]{0,60}") {
            let line = |real: &str| format!("{sent}, {real}");
            let xff = asks(PROXY, &[("x-forwarded-for", &line("203.0.113.5"))]);
            prop_assert_eq!(xff, "203.0.113.5");
            for real in ["for=203.0.113.5", "for=\"203.0.113.5\";proto=\"https\""] {
                let found = asks(PROXY, &[("forwarded", &line(real))]);
                prop_assert!(["203.0.113.5", PROXY].contains(&found.as_str()), "{found}");
            }
        }
    }
}
