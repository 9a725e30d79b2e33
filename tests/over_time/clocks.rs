//! The program's clock is wrong, and comes right: what is in force stays, and what could not be
//! believed meanwhile is taken up by itself.
//!
//! The formats of a file share a column: no text has a time in it but the last days of entries.

use wardline::clock::wall_s;

use super::kind::{Kind, each};
use super::scene::{Scene, Setting};
use super::told::Told;
use crate::kit::tool::{FAKETIME, is_missing};

const DAY_S: i64 = 86_400;
/// All but what is pulled.
const LOOKED_AT_AGAIN: [Kind; 5] = [
    Kind::Plain,
    Kind::Transfer,
    Kind::Folder,
    Kind::Push,
    Kind::Encrypted,
];

/// An owner whose clock is right publishes an issue, which a clock that is wrong here may make
/// unbelievable; with the clock it comes right.
fn publish_and_set_right(scene: &mut Scene, event: &str, wrong: &Told, words: Option<&str>) {
    scene.publish();
    let new = scene.issue;
    match words.filter(|_| scene.kind().is_signed()) {
        Some(words) => {
            scene.wait_for_refusal(words);
            scene.stands(event, &wrong.clone().refused(words));
        }
        // It does not come before the clock is right: neither is there anything to refuse.
        None if scene.kind().is_signed() => scene.stands(event, wrong),
        None => scene.wait_for(new),
    }
    scene.set_program_clock(0);
    scene.wait_for(new);
    scene.stands(&format!("{event}, and right again"), &Told::of(new));
    scene.restart_both_ways(&format!("{event}, and right again"), &Told::of(new));
}

fn a_day_back(kind: Kind) {
    let mut scene = Setting::new(kind).clock(0).start();
    scene.set_program_clock(-DAY_S);
    scene.stands("a day back", &Told::of(1));
    scene.restart_both_ways("a day back", &Told::of(1));
    let words = Some("s in the future");
    publish_and_set_right(&mut scene, "an issue a day ahead", &Told::of(1), words);
    scene.close("a day back");
}

#[test]
fn a_clock_a_day_back_changes_nothing_that_is_in_force() {
    if !is_missing(&FAKETIME) {
        each(&LOOKED_AT_AGAIN, a_day_back);
    }
}

fn a_year_ahead(kind: Kind) {
    let mut scene = Setting::new(kind).clock(0).start();
    scene.set_program_clock(365 * DAY_S);
    let wrong = match kind.is_signed() {
        true => Told::of(1).alarm("expiry"),
        false => Told::of(1),
    };
    scene.stands("a year ahead", &wrong);
    scene.restart_both_ways("a year ahead", &wrong);
    let words = Some("it ran out");
    publish_and_set_right(&mut scene, "an issue of last year", &wrong, words);
    scene.close("a year ahead");
}

#[test]
fn a_clock_a_year_ahead_and_back_changes_nothing_that_is_in_force() {
    if !is_missing(&FAKETIME) {
        each(&LOOKED_AT_AGAIN, a_year_ahead);
    }
}

#[test]
fn what_is_pulled_is_taken_up_when_the_clock_comes_right() {
    if !is_missing(&FAKETIME) {
        a_day_back(Kind::Pull);
        a_year_ahead(Kind::Pull);
    }
}

#[test]
fn a_start_in_1970_puts_in_force_what_is_kept() {
    if is_missing(&FAKETIME) {
        return;
    }
    each(&Kind::WAYS, |kind| {
        let mut scene = Setting::new(kind).clock(0).start();
        scene.end();
        scene.set_program_clock(1000 - wall_s());
        scene.running.restart();
        scene.stands("1970", &Told::of(1));
        // The certificate of a server on the web or of a listener is not valid yet.
        let words = (kind != Kind::Pull).then_some("s in the future");
        publish_and_set_right(&mut scene, "an issue in 1970", &Told::of(1), words);
        scene.close("1970");
    });
}

#[test]
fn a_first_start_in_1970_waits_for_the_clock_with_what_is_dated() {
    if is_missing(&FAKETIME) {
        return;
    }
    each(&Kind::WAYS, |kind| {
        let mut scene = Setting::new(kind).clock(0).prepare();
        scene.set_program_clock(1000 - wall_s());
        scene.publish();
        scene.running.restart();
        scene.source.lay_out();
        assert!(scene.blocks("other.example"), "{kind:?}");
        if kind.is_signed() {
            assert!(
                scene.running.stdout().contains("list one NOT IN FORCE ("),
                "{kind:?}"
            );
            assert!(!scene.blocks("one.example"), "{kind:?}");
            assert_eq!(scene.status()["live_since"], 0, "{kind:?}");
        } else {
            scene.wait_for(1);
        }
        scene.set_program_clock(0);
        scene.wait_for(1);
        scene.restart_both_ways("a first start in 1970", &Told::of(1));
        scene.close("a first start in 1970");
    });
}
