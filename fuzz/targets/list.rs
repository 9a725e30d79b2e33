//! A list's text in every format: no entry that is no name, and entries written down are read back
//! as they were.
#![cfg_attr(fuzzing, no_main)]

use wardline::list::parse::{self, Column, Format, Heading, ReadOptions};
use wardline::list::{lint, records};
use wardline::name::Name;

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    run(input);
});

/// The first octet chooses the format; its low bits make it a digit in seeds.
pub(crate) fn run(input: &[u8]) -> &'static str {
    let Some((&choice, text)) = input.split_first() else {
        return "too short";
    };
    let format = match choice % 8 {
        0 => Format::Plain,
        1 => Format::Hosts,
        2 => Format::Rpz,
        3 => Format::Csv(Column::Usual),
        4 => Format::Csv(Column::At(u16::from(choice) / 64)),
        _ => Format::Csv(Column::Headed(Heading::new("site").expect("a heading"))),
    };
    let mut entries = 0;
    let parsed = parse::read(text, format, |wire, _| {
        entries += 1;
        assert_eq!(Name::from_wire(wire).expect("a name").as_wire(), wire);
    });
    let parsed = parsed.expect("memory can be read");
    assert_eq!(parsed.entries, entries);
    let march = ReadOptions {
        now: Some(1_772_373_600),
    };
    let then = parse::read_with(text, format, march, |_, _| ()).expect("memory can be read");
    assert_eq!(then.entries + then.expired, entries);
    assert_eq!(then.rejects, parsed.rejects);

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
    if entries > 0 { "entries" } else { "none" }
}
