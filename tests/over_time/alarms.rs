//! What has an end, ends, and is told before: lists that expire, entries that expire, sources that
//! bring nothing, and age keys that nobody needs any more.

use std::time::{Duration, Instant};

use serde_json::Value;
use wardline::clock::wall_s;
use wardline::seal::age::Identity;

use super::kind::{Kind, each};
use super::scene::{Scene, Setting};
use super::source::GOOD_S;
use super::told::Told;
use crate::kit::tool::{FAKETIME, is_missing};

const HOUR_S: i64 = 3600;
const DAY_S: i64 = 24 * HOUR_S;
/// The longest that an entry may block after its last day.
const EXPIRED_MAX: Duration = Duration::from_secs(60);

/// Whose sources are looked at. A file that is not there is a refusal, and who only pushes says
/// nothing by being silent.
const LOOKED_AT: [Kind; 4] = [Kind::Transfer, Kind::Folder, Kind::Pull, Kind::Encrypted];

fn gone(kind: Kind, told: Told) -> Told {
    match kind {
        Kind::Transfer => told.refused("zone rpz.example from"),
        _ => told,
    }
}

#[test]
fn a_source_that_is_gone_for_over_an_hour_is_an_alarm() {
    if is_missing(&FAKETIME) {
        return;
    }
    each(&LOOKED_AT, |kind| {
        let mut scene = Setting::new(kind).clock(0).start();
        scene.source.go_away();
        scene.restart();
        scene.stands("a source that is gone", &gone(kind, Told::of(1)));
        scene.set_clock(HOUR_S + 60);
        let silent = gone(kind, Told::of(1).alarm("silent"));
        scene.stands("a source gone for an hour", &silent);
        let (_, said, _) = scene.running.run(&["status"]);
        assert!(
            said.contains("ALARM: list one: no source has been reached since"),
            "{said}"
        );
        scene.until("the metric", || {
            let page = scene.running.metrics_page();
            let line = page
                .lines()
                .find(|line| line.contains("list=\"one\"") && line.contains("\"silent\""))?;
            line.ends_with(" 1").then_some(())
        });
        // It is gone for a month, and the program begins again meanwhile.
        scene.set_clock(30 * DAY_S);
        scene.stands("a source gone for a month", &silent);
        scene.restart();
        scene.stands("a start without it", &gone(kind, Told::of(1)));
        scene.set_clock(30 * DAY_S + HOUR_S + 60);
        scene.stands("an hour after that", &silent);
        scene.source.come_back();
        scene.stands("the source is there again", &Told::of(1));
        let said = scene.running.stderr();
        assert!(said.contains("an alarm is over"), "{kind:?}: {said}");
        scene.close("silence");
    });
}

#[test]
fn a_clock_that_is_set_forward_is_no_silence() {
    if is_missing(&FAKETIME) {
        return;
    }
    each(&LOOKED_AT, |kind| {
        let mut scene = Setting::new(kind).clock(0).start();
        scene.set_clock(2 * HOUR_S);
        scene.until("the clock is seen", || {
            let said = scene.running.stderr();
            said.contains("the clock was set forward").then_some(())
        });
        scene.stands("a clock set forward", &Told::of(1));
        let said = scene.running.stderr();
        assert!(
            !said.contains("no source has been reached"),
            "{kind:?}: {said}"
        );
        scene.close("a clock set forward");
    });
}

#[test]
fn who_only_pushes_is_not_silent() {
    if is_missing(&FAKETIME) {
        return;
    }
    let mut scene = Setting::new(Kind::Push).clock(0).start();
    scene.set_clock(30 * HOUR_S);
    scene.until("the clock is seen", || {
        let said = scene.running.stderr();
        said.contains("the clock was set forward").then_some(())
    });
    scene.restart();
    scene.stands("a day without a push", &Told::of(1));
    scene.close("no push for a day");
}

/// Events of a kind that the history tells.
fn events(scene: &Scene, kind: &str) -> Vec<Value> {
    let history = scene.running.json(&["history", "one", "--json"]);
    let events = history["events"].as_array().expect("events").iter();
    events
        .filter(|event| event["kind"] == kind)
        .cloned()
        .collect()
}

/// Only what has a manifest has a last day.
#[test]
fn a_list_that_expires_is_told_before_and_clears_when_it_is_renewed() {
    if is_missing(&FAKETIME) {
        return;
    }
    each(&Kind::SIGNED, |kind| {
        let mut scene = Setting::new(kind).clock(0).start();
        scene.end();
        scene.set_clock(61 * DAY_S);
        scene.running.restart();
        scene.stands("29 days are left", &Told::of(1).alarm("expiry"));
        // A clock that comes right clears it at once.
        scene.set_clock(0);
        scene.stands("a clock that comes right", &Told::of(1));
        scene.source.good_s = HOUR_S / 2;
        scene.publish();
        scene.wait_for(2);
        scene.stands("half an hour is left", &Told::of(2));
        scene.set_clock(HOUR_S / 2 + 60);
        let expiry = Told::of(2).alarm("expiry");
        scene.stands("it has run out", &expiry);
        assert_eq!(scene.status()["is_expired"], true, "{kind:?}");
        let lists = scene.running.run(&["lists"]).1;
        assert!(lists.contains("live, run out"), "{kind:?}: {lists}");
        scene.until("the history", || {
            (events(&scene, "expired").len() == 1).then_some(())
        });
        scene.restart_both_ways("it has run out", &expiry);
        scene.source.good_s = GOOD_S;
        scene.publish();
        scene.wait_for(3);
        scene.stands("it was renewed", &Told::of(3));
        assert_eq!(scene.status()["is_expired"], false, "{kind:?}");
        scene.restart_both_ways("it was renewed", &Told::of(3));
        scene.close("a list that ran out");
    });
}

/// A zone has its own last day, which its primary tells and the monotonic clock measures.
#[test]
fn a_zone_that_expires_blocks_on_and_is_told() {
    let scene = Setting::new(Kind::Transfer).start();
    scene.source.set_zone_expiry(1);
    scene.until("the new timers", || {
        let copy = std::fs::read_to_string(scene.state().join("transfer/one.zone"));
        copy.ok()?.contains(" 1 0\n").then_some(())
    });
    scene.source.go_away();
    scene.wait_for_refusal("it has expired");
    scene.stands(
        "a zone that has expired",
        &Told::of(1).refused("it has expired"),
    );
    scene.source.come_back();
    scene.stands("a primary that is there again", &Told::of(1));
    scene.close("a zone that expired");
}

/// Only our own format has last days; the four signed kinds and plain files are read in it.
#[test]
fn an_entry_stops_blocking_with_its_last_day_while_the_program_runs() {
    if is_missing(&FAKETIME) {
        return;
    }
    let kinds = [&Kind::SIGNED[..], &[Kind::Plain]].concat();
    each(&kinds, |kind| {
        let now = wall_s();
        // Ten minutes before a day is over.
        let midnight = now - now % DAY_S + 10 * DAY_S;
        let late = midnight - HOUR_S / 6 - now;
        let mut scene = Setting::new(kind).clock(late).start();
        let day = jiff::Timestamp::from_second(midnight - 1).expect("a time");
        let day = day.strftime("%Y-%m-%d");
        let issue = scene.next().with(&format!("brief.example expires={day}"));
        scene.source.publish(&issue);
        scene.wait_for(2);
        scene.stands("an entry on its last day", &Told::of(2).entries(3));
        assert!(
            scene.blocks("brief.example"),
            "{kind:?}: its last day is not over"
        );
        scene.set_clock(late + HOUR_S / 6);
        let begun = Instant::now();
        scene.until("the entry is over", || {
            (!scene.blocks("brief.example")).then_some(())
        });
        assert!(
            begun.elapsed() < EXPIRED_MAX,
            "{kind:?}: {:?}",
            begun.elapsed()
        );
        scene.stands("an entry that is over", &Told::of(2));
        scene.restart_both_ways("an entry that is over", &Told::of(2));
        assert!(!scene.blocks("brief.example"), "{kind:?}");
        scene.close("an entry that is over");
    });
}

#[test]
fn an_age_key_that_is_not_needed_is_told() {
    let mut scene = Setting::new(Kind::Encrypted).start();
    let new = Identity::generate().expect("an identity");
    let old = scene
        .source
        .identity
        .recipient()
        .expect("a recipient")
        .to_string();
    let both = format!(
        "{}\n{}\n",
        scene.source.identity.to_text().as_str(),
        new.to_text().as_str()
    );
    let unused = |scene: &Scene| scene.status()["unused_identities"].to_string();
    assert_eq!(unused(&scene), "[]");
    // The new key is there before the curator knows of it.
    std::fs::write(scene.source.path("age.key"), both).expect("a file");
    scene.restart();
    let recipient = new.recipient().expect("a recipient").to_string();
    assert_eq!(unused(&scene), format!("[\"{recipient}\"]"));
    scene.stands("a second age key", &Told::of(1));
    // The curator encrypts to the new one alone: the old one may go.
    scene.source.identity = new;
    scene.publish();
    scene.wait_for(2);
    assert_eq!(unused(&scene), format!("[\"{old}\"]"));
    let (_, said, _) = scene.running.run(&["status"]);
    let told = format!("one: the issue in force is not encrypted to {old}");
    assert!(said.contains(&told), "{said}");
    scene.restart_both_ways("an age key that is not needed", &Told::of(2));
    assert_eq!(unused(&scene), format!("[\"{old}\"]"));
    scene.close("age keys");
}
