//! What the operator decided holds: an override for the issue that it was given for, a rollback
//! until something newer comes.
//!
//! The formats of a file share a column: an override and a rollback go by the hash of a text.

use super::kind::{Kind, each};
use super::scene::Setting;
use super::source::SUFFIX;
use super::told::Told;

const GUARD: &str = "guard.public-suffix";

fn let_pass() -> [&'static str; 6] {
    ["reload", "one", "--override", GUARD, "--reason", "ours"]
}

fn override_and_restart(kind: Kind) {
    let mut scene = Setting::new(kind).start();
    let issue = scene.next().with(SUFFIX);
    scene.source.publish(&issue);
    scene.wait_for_refusal(GUARD);
    let held = Told::of(1).refused(GUARD);
    scene.restart_both_ways("held back", &held);
    scene.command(&let_pass());
    let passed = Told::of(2).passed();
    scene.stands("an override", &passed);
    scene.restart_both_ways("an override", &passed);
    // The next issue with the same finding is judged anew.
    let issue = scene.next().with(SUFFIX);
    scene.source.publish(&issue);
    scene.wait_for_refusal(GUARD);
    scene.restart_both_ways(
        "the issue after an override",
        &passed.clone().refused(GUARD),
    );
    scene.publish();
    scene.wait_for(4);
    scene.restart_both_ways("an issue in order", &Told::of(4));
    scene.close("overrides");
}

#[test]
fn an_override_holds_for_its_issue_over_restarts_and_for_no_other() {
    each(&Kind::KEPT, override_and_restart);
}

#[test]
fn an_override_holds_for_its_zone_over_restarts() {
    each(&[Kind::Transfer], override_and_restart);
}

/// A name that the operator protects, and lets pass for one issue: the list blocks it as it asks.
#[test]
fn an_override_of_a_protected_name_is_proven() {
    let mut scene = Setting::new(Kind::Folder).start();
    let issue = scene.next().with("stop.example");
    scene.source.publish(&issue);
    scene.wait_for_refusal("guard.never-block");
    let words = ["--override", "guard.never-block", "--reason", "ours"];
    scene.command(&[&["reload", "one"], &words[..]].concat());
    scene.until("a receipt", || {
        scene.status()["receipt"].is_i64().then_some(())
    });
    scene.close("a protected name");
}

#[test]
fn a_rollback_holds_over_restarts_until_something_newer_comes() {
    each(&Kind::WAYS, |kind| {
        let mut scene = Setting::new(kind).start();
        scene.publish();
        scene.wait_for(2);
        scene.command(&["rollback", "one", "--reason", "a mistake"]);
        let back = Told::of(1).rolled_back();
        scene.stands("a rollback", &back);
        scene.command(&["reload"]);
        scene.restart_both_ways("a rollback", &back);
        // The source has the issue that was gone back from, and offers it once more.
        scene.source.go_away();
        scene.restart_both_ways(
            "a rollback, and the source gone",
            &match kind {
                Kind::Plain => back.clone().refused("the file is not there"),
                Kind::Transfer => back.clone().refused("zone rpz.example from"),
                _ => back.clone(),
            },
        );
        scene.source.come_back();
        scene.restart_both_ways("a rollback, and the source back", &back);
        scene.publish();
        scene.wait_for(3);
        scene.restart_both_ways("an issue after a rollback", &Told::of(3));
        scene.close("rollbacks");
    });
}
