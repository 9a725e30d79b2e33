//! Trials over restarts: what is tried out goes on being tried out, and what a trial held back is
//! held back still.
//!
//! The formats of a file share a column: a trial begins when a text has been read.

use serde_json::Value;

use super::kind::{Kind, each};
use super::scene::{Scene, Setting};
use super::source::name_of;
use super::told::Told;
use crate::kit::ask::{Client, Question};

/// As long as it takes, until so many questions have been asked; the looks of a test are few of
/// them.
const STAGE: &str = "stage = { shadow_s = 3600, questions_max = 400, percent_max = 40.0 }";
const QUESTIONS_MAX: u64 = 400;

/// Ask, without having anybody outside asked.
fn ask_often(scene: &Scene, name: &str, count: u64) {
    for _ in 0..count {
        let question = Question::new(name, "A").without_recursion();
        let reply = Client::udp(scene.running.address()).ask(&question);
        assert!(!reply.is_stopped(), "{name}");
    }
}

fn questions(scene: &Scene) -> u64 {
    scene.status()["trial"]["questions"].as_u64().unwrap_or(0)
}

/// How often it is said in the history that a trial began.
fn begun(scene: &Scene) -> usize {
    let history = scene.running.json(&["history", "one", "--json"]);
    let events = history["events"].as_array().expect("events").iter();
    let staged = events.filter(|event| event["kind"] == "staged");
    staged
        .filter(|event| event["body"]["seconds"].is_u64())
        .count()
}

fn in_trial(kind: Kind) -> Scene {
    let mut scene = Setting::new(kind).list(STAGE).start();
    scene.publish();
    scene.until("a trial", || {
        (!scene.status()["trial"].is_null()).then_some(())
    });
    scene.stands("a trial", &Told::of(1).tried());
    scene
}

/// Until the verdict so far has been written down, which is done every ten seconds.
fn wait_for_record(scene: &Scene, questions: u64) {
    let place = scene.kept().join("record.json");
    scene.until("the record", || {
        let record = std::fs::read(&place).ok()?;
        let record: Value = serde_json::from_slice(&record).ok()?;
        (record["trial"]["questions"].as_u64() >= Some(questions)).then_some(())
    });
}

/// Stop, start, and look at the trial before anybody asks.
fn assert_goes_on(scene: &mut Scene, signal: i32, before: u64) {
    scene.running.kill(signal);
    scene.running.wait_exit();
    scene.running.restart();
    scene.until("the trial", || {
        (!scene.status()["trial"].is_null()).then_some(())
    });
    let (kind, after) = (scene.kind(), questions(scene));
    assert!(
        after >= before,
        "{kind:?}, signal {signal}: {after} of {before} questions"
    );
    scene.stands("a trial, then a start", &Told::of(1).tried());
}

fn trial_and_restart(kind: Kind) {
    let mut scene = in_trial(kind);
    ask_often(&scene, "free.example", 50);
    wait_for_record(&scene, 50);
    for signal in [libc::SIGTERM, libc::SIGKILL] {
        assert_goes_on(&mut scene, signal, 50);
    }
    assert_eq!(begun(&scene), 1, "{kind:?}: it is one trial");
    ask_often(&scene, "free.example", QUESTIONS_MAX);
    scene.wait_for(2);
    scene.restart_both_ways("a trial that ended well", &Told::of(2));
    scene.close("a trial");
}

#[test]
fn a_trial_goes_on_after_a_restart() {
    each(&Kind::WAYS, trial_and_restart);
}

#[test]
fn an_orderly_stop_loses_nothing_of_a_trial() {
    each(&Kind::KEPT, |kind| {
        let mut scene = in_trial(kind);
        ask_often(&scene, "free.example", 50);
        assert_goes_on(&mut scene, libc::SIGTERM, 50);
        scene.close("a stop in a trial");
    });
}

const GUARD: &str = "guard.shadow";

fn refused_trial_and_restart(kind: Kind) {
    let mut scene = in_trial(kind);
    ask_often(&scene, &name_of(2), QUESTIONS_MAX);
    scene.wait_for_refusal(GUARD);
    let refused = Told::of(1).refused(GUARD);
    scene.stands("a refused trial", &refused);
    scene.restart_both_ways("a refused trial", &refused);
    assert_eq!(begun(&scene), 1, "{kind:?}: it is tried out once");
    scene.command(&["reload", "one", "--override", GUARD, "--reason", "meant"]);
    let passed = Told::of(2).let_pass();
    scene.stands("an override", &passed);
    scene.restart_both_ways("an override of a trial", &passed);
    scene.close("a refused trial");
}

#[test]
fn a_refused_trial_is_refused_after_a_restart() {
    each(&Kind::KEPT, refused_trial_and_restart);
}

#[test]
fn a_refused_trial_of_a_zone_is_refused_after_a_restart() {
    each(&[Kind::Transfer], refused_trial_and_restart);
}
