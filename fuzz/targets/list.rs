//! A list's text in every format: no entry that is no name, and entries written down are read back
//! as they were.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wardline::list::parse::{self, Column, Format, Heading};
use wardline::list::{lint, records};
use wardline::name::Name;

fuzz_target!(|input: (u8, &[u8])| {
    let (choice, text) = input;
    let format = match choice % 6 {
        0 => Format::Plain,
        1 => Format::Hosts,
        2 => Format::Rpz,
        3 => Format::Csv(Column::Usual),
        4 => Format::Csv(Column::At(u16::from(choice))),
        _ => Format::Csv(Column::Headed(Heading::new("site").expect("a heading"))),
    };
    let mut entries = 0;
    let parsed = parse::read(text, format, |wire, _| {
        entries += 1;
        assert_eq!(Name::from_wire(wire).expect("a name").as_wire(), wire);
    });
    assert_eq!(parsed.expect("memory can be read").entries, entries);

    let (read, _) = records::read(text).expect("memory can be read");
    lint::lint(&read, parse::read_day("2026-01-01").expect("a day"), 90);
    let read: Vec<_> = read.into_iter().map(|(_, record)| record).collect();
    let written = records::write(&read);
    let (again, rest) = records::read(written.as_bytes()).expect("memory can be read");
    assert_eq!(
        (again.len(), rest.rejects),
        (read.len(), 0),
        "what was written is read back"
    );
    let again: Vec<_> = again.into_iter().map(|(_, record)| record).collect();
    assert_eq!(records::write(&again), written);
});
