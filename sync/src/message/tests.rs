use super::*;
use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

fn state() -> State {
    State { root: [2; 32], count: 300, position: 5, takes: true }
}

fn hello() -> Hello {
    Hello { view: View::All, state: state(), odd: [3; 112], cells: vec![[4; 12], [5; 12]] }
}

/// Every message once, with its bytes after the byte that says whether more follows.
fn messages() -> Vec<(Message, String)> {
    let thirty_two = |byte: &str| byte.repeat(32);
    let state_hex = format!("{}ac020501", thirty_two("02"));
    let odd_hex = "03".repeat(112);
    let cursor = Cursor { epoch: [7; 16], seq: 300 };
    let after = After { cursor, odd: [3; 112] };
    let root = [2; 32];
    let answer = |odd, ask| Message::Answer(Answer { state: state(), odd, ask });
    vec![
        (Message::Probe { view: View::All, root }, format!("000101{}", thirty_two("02"))),
        (
            Message::Since { view: View::Urgent, root, after: None },
            format!("010100{}00", thirty_two("02")),
        ),
        (
            Message::Since { view: View::Urgent, root, after: Some(after.clone()) },
            format!("010100{}01{}ac02{odd_hex}", thirty_two("02"), "07".repeat(16)),
        ),
        (
            Message::Hello(Box::new(hello())),
            format!("020101{state_hex}{odd_hex}18{}{}", "04".repeat(12), "05".repeat(12)),
        ),
        (Message::Same { position: 9 }, "0309".into()),
        (answer(Telling::Nothing, Ask::Nothing), format!("04{state_hex}0000")),
        (answer(Telling::Odd([3; 112]), Ask::Hello), format!("04{state_hex}01{odd_hex}01")),
        (
            answer(Telling::Fine([3; 448].into()), Ask::Hello),
            format!("04{state_hex}02{}01", odd_hex.repeat(4)),
        ),
        (Message::Ask(Ask::Cells), "0502".into()),
        (Message::Ask(Ask::Walk), "0503".into()),
        (Message::Ask(Ask::Everything), "0504".into()),
        (Message::Ask(Ask::Items(vec![[6; 8]])), "0505080606060606060606".into()),
        (Message::Cells(vec![[4; 12]]), format!("060c{}", "04".repeat(12))),
        (
            Message::Walk { nonce: [8; 16], groups: vec![1, 2] },
            format!("07{}020102", "08".repeat(16)),
        ),
        (Message::Step(vec![9]), "080109".into()),
        (Message::Records(vec![vec![1, 2], vec![]]), "090202010200".into()),
        (Message::End { position: 300 }, "0aac02".into()),
        (Message::Cut, "0b".into()),
        (Message::Over { agreed: true }, "0c01".into()),
        (
            Message::Fetch { view: View::All, ids: vec![[6; 32]] },
            format!("0d010120{}", thirty_two("06")),
        ),
    ]
}

/// Nodes that are already running read these bytes.
#[test]
fn the_messages_have_these_bytes() {
    for (message, expected) in messages() {
        let frame = Frame { more: true, message };
        assert_eq!(hex::encode(frame.encode()), format!("01{expected}"), "{frame:?}");
        assert_eq!(Frame::decode(&frame.encode()).unwrap(), frame);
    }
}

#[test]
fn only_the_first_messages_of_an_opener_name_a_view() {
    for (message, _) in messages() {
        let opens = matches!(
            message,
            Message::Probe { .. }
                | Message::Since { .. }
                | Message::Hello(_)
                | Message::Fetch { .. }
        );
        assert_eq!(Frame { more: false, message }.opens().is_some(), opens);
    }
}

#[test]
fn half_frames_and_trailing_bytes_are_malformed() {
    for (message, _) in messages() {
        let bytes = Frame { more: false, message }.encode();
        for length in 0..bytes.len() {
            assert!(Frame::decode(&bytes[..length]).is_err());
        }
        assert_eq!(Frame::decode(&[&bytes[..], &[0]].concat()), Err(FrameError::Malformed));
    }
    let large = vec![0; FRAME_BYTES_MAX + 1];
    assert_eq!(Frame::decode(&large), Err(FrameError::TooLarge { bytes: large.len() }));
}

/// Threat row 33: a count is compared with the bytes that are there before memory is taken.
#[test]
fn a_count_beyond_the_bytes_takes_no_memory() {
    // The largest number that postcard writes: 2^64 - 1 cells, sids, bytes or records.
    let number = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    for tag in [&[0, 6][..], &[0, 5, 5], &[0, 8], &[0, 9]] {
        assert_eq!(Frame::decode(&[tag, &number].concat()), Err(FrameError::Malformed));
    }
    // An empty record takes one byte on the wire and 24 in memory.
    let records = Message::Records(vec![Vec::new(); RECORDS_MAX]);
    let mut bytes = Frame { more: false, message: records }.encode();
    assert!(Frame::decode(&bytes).is_ok());
    // 4096 is written 80 20, so this makes it one more.
    bytes[2] += 1;
    bytes.push(0);
    assert_eq!(Frame::decode(&bytes), Err(FrameError::Malformed));
}

#[test]
fn lists_of_one_size_are_cut_evenly_or_not_at_all() {
    assert!(Frame::decode(&[0, 6, 12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]).is_ok());
    assert!(Frame::decode(&[0, 6, 11, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]).is_err());
    assert!(Frame::decode(&[0, 5, 5, 7, 1, 2, 3, 4, 5, 6, 7]).is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        if let Ok(frame) = Frame::decode(&bytes) {
            prop_assert!(frame.encode().len() <= bytes.len());
        }
    }

    #[test]
    fn a_flipped_bit_is_read_or_refused(which in 0..20usize, at in any::<prop::sample::Index>(), bit in 0..8u8) {
        let message = messages().swap_remove(which).0;
        let mut bytes = Frame { more: false, message }.encode();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(frame) = Frame::decode(&bytes) {
            prop_assert_eq!(Frame::decode(&frame.encode()).unwrap(), frame);
        }
    }
}
