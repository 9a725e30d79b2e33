//! Holds `docs/extended-errors.md` together with the codes that the program knows, and shows the
//! one that no other test meets.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use wardline::count::Door;
use wardline::query::{Asked, Outcome, Rate};

use crate::kit::in_process::{answering, cached_name, question};

/// The numbers between these two marks on the lines of a file.
fn numbers(file: &str, before: &str, after: &str) -> BTreeSet<u16> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = fs::read_to_string(path).expect("a file");
    text.lines()
        .filter_map(|line| {
            let (_, rest) = line.split_once(before)?;
            rest.split_once(after)?.0.trim().parse().ok()
        })
        .collect()
}

#[test]
fn every_extended_error_is_documented() {
    let mut known = numbers("src/resolve/failure.rs", "=> ", ",");
    known.extend(numbers("src/resolve/validate/verdict.rs", "Some(", ")"));
    let named = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/wire/mod.rs"));
    let named = named.expect("a file");
    let (_, named) = named.split_once("pub mod ede {").expect("the codes");
    let codes = named
        .lines()
        .filter_map(|line| line.split_once("u16 = ")?.1.strip_suffix(';')?.parse().ok());
    known.extend(codes.collect::<Vec<u16>>());
    assert_eq!(numbers("docs/extended-errors.md", "| ", " |"), known);
}

/// Over the limit a truncated reply says why it is one (code 31), to those with EDNS.
#[test]
fn a_reply_cut_for_the_rate_says_so() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let _guard = runtime.enter();
    let answering = answering(1, 1);
    let mut desk = answering.desk();
    let round = answering.round(&mut desk);
    let plain = question(&cached_name(0));
    let mut with_edns = [&plain[..], b"\0\0\x29\x04\xd0\0\0\0\0\0\0"].concat();
    with_edns[11] = 1;
    for (packet, opt) in [
        (plain.clone(), &b""[..]),
        (
            with_edns,
            b"\0\0\x29\x04\xd0\0\0\0\0\0\x06\0\x0f\0\x02\0\x1f",
        ),
    ] {
        let asked = Asked {
            packet: &packet,
            standing: answering.clients().classify([127, 0, 0, 1].into()),
            door: Door::Udp,
            rate: Rate::Slip,
            seat: 0,
        };
        let mut out = [0; 1232];
        let Outcome::Reply(len) = answering.answer(&round, &mut desk, &asked, &mut out) else {
            panic!("a reply")
        };
        assert_eq!(out[2] & 0x02, 0x02, "TC");
        assert_eq!(&out[plain.len()..len], opt);
    }
}
