//! Tickets: a text as it is (first byte 0), or the bytes behind the letters, which get their
//! checksum here (any other first byte).

#![no_main]

use bech32::{Bech32m, Hrp};
use catalog_node::Ticket;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((mode, rest)) = bytes.split_first() else { return };
    let encoded;
    let text = match mode {
        0 => std::str::from_utf8(rest).unwrap_or_default(),
        _ => {
            encoded = bech32::encode::<Bech32m>(Hrp::parse_unchecked("catalog"), rest);
            encoded.as_deref().unwrap_or_default()
        }
    };
    if let Ok(ticket) = text.parse::<Ticket>() {
        assert_eq!(ticket.to_string(), text.trim());
        assert_eq!(ticket.to_string().parse().as_ref(), Ok(&ticket));
    }
});
