//! Where a mirror can be reached, for those whom nobody gave its ticket.
//!
//! A mirror says its addresses in a register, as far as others could dial them. Who reads one
//! believes nothing: whoever answers there has to prove the node's key before it is asked for
//! anything. What is read is bounded, and leads neither to this machine nor to many at once.

use std::net::{IpAddr, SocketAddr};

use catalog::cbor::{self, CodecError, Fields, Map, Value};
use catalog::register::VALUE_BYTES_MAX;

/// The name of the register that carries them.
pub(super) const NAME: &str = "mirror/address";

/// The most addresses that a mirror says and that are read.
pub(super) const ADDRS_MAX: usize = 8;

/// The version of the layout.
const VERSION: u64 = 1;

/// Who is asked where this node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standpoint {
    /// It listens on this machine's loopback interface only, so others do as well.
    Loopback,
    /// Anywhere else.
    Network,
}

impl Standpoint {
    pub(super) fn of(listen: &SocketAddr) -> Self {
        match listen.ip().is_loopback() {
            true => Self::Loopback,
            false => Self::Network,
        }
    }

    /// Whether an address can lead to another node.
    fn reaches(self, addr: &SocketAddr) -> bool {
        let ip = addr.ip().to_canonical();
        let is_one_host = match ip {
            IpAddr::V4(ip) => !ip.is_broadcast() && !ip.is_multicast() && !ip.is_unspecified(),
            IpAddr::V6(ip) => !ip.is_multicast() && !ip.is_unspecified(),
        };
        is_one_host && addr.port() != 0 && (self == Self::Loopback || !ip.is_loopback())
    }
}

/// The value of a register that says them; those that lead nowhere are left out.
pub(super) fn encode(addrs: &[SocketAddr], from: Standpoint) -> Vec<u8> {
    let mut addrs: Vec<String> =
        addrs.iter().filter(|addr| from.reaches(addr)).map(ToString::to_string).collect();
    addrs.truncate(ADDRS_MAX);
    let mut map = Map::new();
    map.insert("addrs", addrs.iter().map(|addr| Value::from(addr.as_str())).collect::<Value>());
    map.insert("v", VERSION);
    cbor::encode(&Value::Map(map))
}

/// Reads the value of a register; addresses that lead nowhere are left out.
///
/// # Errors
/// [`CodecError`]; any node can cause it.
pub(super) fn decode(value: &[u8], from: Standpoint) -> Result<Vec<SocketAddr>, CodecError> {
    let mut fields = Fields::of(cbor::decode(value, VALUE_BYTES_MAX)?)?;
    let version = fields.uint("v")?;
    if version != VERSION {
        return Err(CodecError::Version { found: version });
    }
    let texts = fields.texts("addrs")?;
    fields.finish()?;
    if texts.len() > ADDRS_MAX {
        return Err(CodecError::invalid("addrs", format!("{} addresses", texts.len())));
    }
    let mut addrs = Vec::new();
    for text in texts {
        let addr = text.parse().map_err(|error| CodecError::invalid("addrs", error))?;
        if from.reaches(&addr) {
            addrs.push(addr);
        }
    }
    Ok(addrs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addrs(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn addresses_have_these_bytes() {
        let said = encode(&addrs(&["192.0.2.1:4433", "[2001:db8::1]:9"]), Standpoint::Network);
        let bytes = ["a2", "617601", "656164647273", "82"].concat()
            + "6e3139322e302e322e313a34343333"
            + "6f5b323030313a6462383a3a315d3a39";
        assert_eq!(hex::encode(&said), bytes);
        let read = decode(&said, Standpoint::Network).unwrap();
        assert_eq!(read, addrs(&["192.0.2.1:4433", "[2001:db8::1]:9"]));
    }

    #[test]
    fn an_address_of_this_machine_is_not_dialled_from_a_network() {
        let odd = ["127.0.0.1:9", "[::1]:9", "0.0.0.0:9", "224.0.0.1:9", "255.255.255.255:9"];
        let said = |texts: &[&str]| {
            let mut map = Map::new();
            map.insert("addrs", texts.iter().map(|text| Value::from(*text)).collect::<Value>());
            map.insert("v", VERSION);
            cbor::encode(&Value::Map(map))
        };
        assert_eq!(decode(&said(&odd), Standpoint::Network), Ok(vec![]));
        assert_eq!(decode(&said(&odd), Standpoint::Loopback), Ok(addrs(&odd[..2])));
        assert_eq!(decode(&said(&["192.0.2.1:0"]), Standpoint::Network), Ok(vec![]));
        assert!(decode(&said(&["example.org:80"]), Standpoint::Network).is_err());
        assert!(decode(&said(&["192.0.2.1:9"; 9]), Standpoint::Network).is_err());
    }
}
