//! Other keys, or more of them, are asked for: what is kept is held against them at the next start.
//! Only signed kinds have keys.

use toml::Value;

use super::kind::{Kind, each};
use super::scene::{Scene, Setting};
use super::told::Told;

/// What is said of an issue that too few of today's keys have signed.
const TOO_FEW: &str = "of its keys have signed";

fn trust(scene: &Scene, keys: &[usize], signatures: i64) {
    let keys = keys
        .iter()
        .map(|key| scene.source.keys[*key].public().to_string());
    let keys: Vec<Value> = keys.map(Value::String).collect();
    scene.configure_list(|list| {
        list.insert("keys".to_owned(), Value::Array(keys));
        list.insert("signatures".to_owned(), Value::Integer(signatures));
    });
}

/// What the source still has is offered again, where somebody looks for it.
fn offered(kind: Kind, told: Told) -> Told {
    match kind {
        Kind::Push => told,
        _ => told.refused(TOO_FEW),
    }
}

#[test]
fn what_the_new_keys_have_not_signed_stays_unvouched() {
    each(&Kind::SIGNED, |kind| {
        let mut scene = Setting::new(kind).start();
        trust(&scene, &[1], 1);
        scene.restart();
        let unvouched = offered(kind, Told::of(1).alarm("unvouched"));
        scene.stands("another key", &unvouched);
        scene.restart_both_ways("another key", &unvouched);
        let mut issue = scene.next();
        issue.signers = vec![1];
        scene.source.publish(&issue);
        scene.wait_for(2);
        scene.restart_both_ways("an issue by the new key", &Told::of(2));
        // The old key signs once more: it counts no longer.
        scene.publish();
        scene.wait_for_refusal(TOO_FEW);
        scene.stands("an issue by the old key", &Told::of(2).refused(TOO_FEW));
        scene.close("another key");
    });
}

#[test]
fn a_threshold_that_is_raised_holds_for_what_is_kept() {
    each(&Kind::SIGNED, |kind| {
        let mut scene = Setting::new(kind).start();
        trust(&scene, &[0, 1], 2);
        scene.restart();
        let unvouched = offered(kind, Told::of(1).alarm("unvouched"));
        scene.stands("two signatures", &unvouched);
        let mut issue = scene.next();
        issue.signers = vec![0, 1];
        scene.source.publish(&issue);
        scene.wait_for(2);
        scene.restart_both_ways("an issue by both", &Told::of(2));
        trust(&scene, &[0], 1);
        scene.restart();
        scene.stands("one signature again", &Told::of(2));
        scene.close("a threshold");
    });
}

#[test]
fn the_newest_issue_that_the_keys_left_have_signed_is_in_force() {
    each(&Kind::SIGNED, |kind| {
        let mut scene = Setting::new(kind).start();
        trust(&scene, &[0, 1], 1);
        scene.restart();
        let mut issue = scene.next();
        issue.signers = vec![1];
        scene.source.publish(&issue);
        scene.wait_for(2);
        scene.stands("an issue by the second key", &Told::of(2));
        trust(&scene, &[0], 1);
        scene.restart();
        scene.restart_both_ways("without the second key", &offered(kind, Told::of(1)));
        // A thief's serial locks nobody out.
        scene.publish();
        scene.wait_for(3);
        scene.restart_both_ways("an issue by the first key", &Told::of(3));
        scene.close("a key taken out");
    });
}

/// The issue that the new key has signed is there before the chain that names the key.
fn chain_comes_late(kind: Kind) {
    let mut scene = Setting::new(kind).start();
    let mut issue = scene.next();
    issue.signers = vec![1];
    scene.source.publish(&issue);
    scene.wait_for_refusal(TOO_FEW);
    scene.stands("a key that nobody knows", &Told::of(1).refused(TOO_FEW));
    scene.source.hand_out_keys(1);
    scene.wait_for(2);
    scene.restart_both_ways("a chain of keys", &Told::of(2));
    scene.close("a chain of keys");
}

#[test]
fn an_issue_that_comes_before_its_chain_of_keys_waits_for_it() {
    each(
        &[Kind::Folder, Kind::Push, Kind::Encrypted],
        chain_comes_late,
    );
}

#[test]
fn an_issue_that_is_pulled_before_its_chain_of_keys_waits_for_it() {
    chain_comes_late(Kind::Pull);
}
