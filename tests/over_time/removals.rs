//! Removals: they hold over older issues, restarts and rollbacks, and end with the issue that takes
//! them up or with their time. Only signed kinds have them: a removal goes by the list's keys.

use wardline::clock::wall_s;
use wardline::list::Scope;
use wardline::list::manifest::Settlement;
use wardline::list::removal::{CarriedRemoval, Removal};
use wardline::name::Name;
use wardline::seal::Note;

use super::kind::{Kind, each};
use super::scene::{Scene, Setting};
use super::told::Told;
use crate::kit::tool::{FAKETIME, is_missing};

/// For how long a removal holds.
const TERM_S: i64 = 1800;

/// As the list's owner would sign it now, for half an hour.
fn removal(scene: &Scene, name: &str) -> CarriedRemoval {
    let from = wall_s() + scene.source.ahead_s;
    let removal = Removal {
        list: "one".to_owned(),
        from,
        until: from + TERM_S,
        reason: "listed by mistake".to_owned(),
        entries: vec![(Name::parse(name).expect("a name"), Scope::Below)],
    };
    let mut note = Note::new(&removal.to_text()).expect("a note");
    note.sign(&scene.source.keys[0]).expect("a signature");
    scene.source.carry(note)
}

/// How removals ended, as the history tells it.
fn ends(scene: &Scene) -> Vec<String> {
    let history = scene.running.json(&["history", "one", "--json"]);
    let events = history["events"].as_array().expect("events").iter();
    let ends = events.filter_map(|event| event["body"]["end"].as_str());
    ends.map(str::to_owned).collect()
}

fn wait_until_free(scene: &Scene, name: &str) {
    scene.until(name, || (!scene.blocks(name)).then_some(()));
}

#[test]
fn removals_hold_until_the_issue_that_takes_them_up() {
    each(&Kind::SIGNED, |kind| {
        let mut scene = Setting::new(kind).start();
        let first = removal(&scene, "one.example");
        scene.source.hand_out_removals(std::slice::from_ref(&first));
        wait_until_free(&scene, "one.example");
        let without_one = Told::of(1).without(&["one.example"], 1);
        scene.stands("a removal", &without_one);
        scene.restart_both_ways("a removal", &without_one);
        // An issue that was made before it, or knows nothing of it.
        scene.publish();
        scene.wait_for(2);
        scene.stands("an older issue", &Told::of(2).without(&["one.example"], 1));
        let second = removal(&scene, "issue-2.example");
        let both = [first, second];
        scene.source.hand_out_removals(&both);
        wait_until_free(&scene, "issue-2.example");
        let removed = ["one.example", "issue-2.example"];
        scene.restart_both_ways("a second removal", &Told::of(2).without(&removed, 2));
        scene.command(&["rollback", "one", "--reason", "a mistake"]);
        // The issue before has one of the two names.
        let back = Told::of(1).without(&removed, 1).rolled_back();
        scene.stands("a rollback", &back);
        scene.restart_both_ways("a rollback", &back);
        let mut hashes: Vec<_> = both.iter().map(CarriedRemoval::known_by).collect();
        hashes.sort();
        let mut issue = scene.next();
        issue.settles = Settlement::Named(hashes);
        scene.source.publish(&issue);
        scene.wait_for(3);
        scene.stands("the issue that takes them up", &Told::of(3));
        scene.until("the history", || {
            (ends(&scene) == ["settled", "settled"]).then_some(())
        });
        // The file of removals still lies where it was.
        scene.restart_both_ways("removals that are over", &Told::of(3));
        scene.close("removals");
    });
}

/// An issue that takes up one of two leaves the other.
#[test]
fn an_issue_ends_the_removals_that_it_names_and_no_other() {
    each(&Kind::SIGNED, |kind| {
        let mut scene = Setting::new(kind).start();
        let both = ["one.example", "issue-1.example"].map(|name| removal(&scene, name));
        scene.source.hand_out_removals(&both);
        wait_until_free(&scene, "one.example");
        wait_until_free(&scene, "issue-1.example");
        let mut issue = scene.next().with("issue-1.example");
        issue.settles = Settlement::Named(vec![both[0].known_by()]);
        scene.source.publish(&issue);
        scene.wait_for(2);
        let told = Told::of(2).entries(3).without(&["issue-1.example"], 1);
        scene.restart_both_ways("one of two is taken up", &told);
        assert!(scene.blocks("one.example"), "{kind:?}");
        scene.close("one of two removals");
    });
}

#[test]
fn a_removal_whose_time_is_over_blocks_again_and_is_told() {
    if is_missing(&FAKETIME) {
        return;
    }
    each(&Kind::SIGNED, |kind| {
        let mut scene = Setting::new(kind).clock(0).start();
        let removal = removal(&scene, "one.example");
        scene.source.hand_out_removals(&[removal]);
        wait_until_free(&scene, "one.example");
        scene.stands("a removal", &Told::of(1).without(&["one.example"], 1));
        scene.set_clock(TERM_S + 60);
        scene.until("it is blocked again", || {
            scene.blocks("one.example").then_some(())
        });
        scene.stands("a removal that ran out", &Told::of(1));
        scene.until("the history", || {
            (ends(&scene) == ["ran out"]).then_some(())
        });
        if kind == Kind::Push {
            scene.restart_both_ways("a removal that ran out", &Told::of(1));
        }
        scene.close("a removal that ran out");
    });
}

/// The file of removals still lies where it was.
#[test]
fn a_removal_whose_time_is_over_is_over_after_a_restart_too() {
    if is_missing(&FAKETIME) {
        return;
    }
    let mut scene = Setting::new(Kind::Folder).clock(0).start();
    let removal = removal(&scene, "one.example");
    scene.source.hand_out_removals(&[removal]);
    wait_until_free(&scene, "one.example");
    scene.set_clock(TERM_S + 60);
    scene.until("it is blocked again", || {
        scene.blocks("one.example").then_some(())
    });
    scene.restart();
    scene.until("the file is seen", || {
        (!scene.status()["reached"].is_null()).then_some(())
    });
    scene.publish();
    scene.wait_for(2);
    scene.restart();
    // By then the files have been looked at: those of a folder are in one pass.
    scene.publish();
    scene.wait_for(3);
    assert!(!scene.running.stderr().contains("the removal ran out"));
    scene.close("a removal that ran out");
}
