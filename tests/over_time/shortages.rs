//! Nothing is left of what an issue needs to be accepted: a full disk, and no descriptor for a file
//! or a socket. What is in force stays, and what was refused is taken up again by itself.

use super::kind::{Kind, each};
use super::scene::{Scene, Setting};
use super::told::Told;
use crate::kit::small_disk::SmallDisk;
use crate::kit::tool::{MOUNT, is_missing};

/// What the system says.
const FULL: &str = "No space left on device";

/// All but files.
const WAITING: [Kind; 5] = [
    Kind::Transfer,
    Kind::Folder,
    Kind::Pull,
    Kind::Push,
    Kind::Encrypted,
];
const FILES: [Kind; 4] = [Kind::Plain, Kind::Hosts, Kind::Csv, Kind::Rpz];

fn disk(scene: &Scene) -> &SmallDisk {
    scene.disk.as_ref().expect("a disk")
}

/// The second issue comes when there is no room.
fn issue_on_a_full_disk(kind: Kind) -> Scene {
    let mut scene = Setting::new(kind).small_disk().start();
    disk(&scene).fill();
    scene.publish();
    scene
}

/// What is signed or transferred waits for room.
#[test]
fn a_disk_that_is_full_when_an_issue_comes_delays_it() {
    if is_missing(&MOUNT) {
        return;
    }
    each(&WAITING, |kind| {
        let mut scene = issue_on_a_full_disk(kind);
        scene.wait_for_refusal(FULL);
        scene.stands("a full disk", &Told::of(1).refused(FULL));
        disk(&scene).clear();
        scene.wait_for(2);
        scene.stands("room again", &Told::of(2));
        scene.restart_both_ways("room again", &Told::of(2));
        scene.close("a full disk");
    });
}

/// A file can be read again at the next start, and comes in force all the same.
#[test]
fn a_disk_that_is_full_when_a_file_changes_delays_nothing() {
    if is_missing(&MOUNT) {
        return;
    }
    each(&FILES, |kind| {
        let mut scene = issue_on_a_full_disk(kind);
        scene.wait_for(2);
        disk(&scene).clear();
        scene.restart_both_ways("a full disk", &Told::of(2));
        scene.close("a full disk");
    });
}

#[test]
fn a_file_that_could_not_be_kept_is_kept_when_there_is_room() {
    if is_missing(&MOUNT) {
        return;
    }
    each(&FILES, |kind| {
        let scene = issue_on_a_full_disk(kind);
        scene.wait_for(2);
        disk(&scene).clear();
        scene.stands("room again", &Told::of(2));
        scene.close("a full disk");
    });
}

/// The history cannot be read meanwhile: the counts, which it stands in, were not opened.
#[test]
fn a_disk_that_is_full_at_a_start_keeps_nobody_waiting() {
    if is_missing(&MOUNT) {
        return;
    }
    each(&Kind::ALL, |kind| {
        let mut scene = Setting::new(kind).small_disk().start();
        scene.end();
        disk(&scene).fill();
        scene.running.restart();
        scene.stands("a start on a full disk", &Told::of(1).without_history());
        scene.publish();
        if kind.is_file() {
            scene.wait_for(2);
        } else {
            scene.wait_for_refusal(FULL);
            let waiting = Told::of(1).refused(FULL).without_history();
            scene.stands("an issue after a start on a full disk", &waiting);
        }
        disk(&scene).clear();
        scene.wait_for(2);
        scene.restart_both_ways("room again after the start", &Told::of(2));
        scene.close("a start on a full disk");
    });
}

#[test]
fn the_history_can_be_read_on_a_full_disk() {
    if is_missing(&MOUNT) {
        return;
    }
    let mut scene = Setting::new(Kind::Plain).small_disk().start();
    scene.end();
    disk(&scene).fill();
    scene.running.restart();
    scene.stands("a start on a full disk", &Told::of(1));
}

/// The program can open nothing more: neither can it be asked for its status, until it can again.
#[test]
fn an_issue_that_comes_while_no_descriptor_is_left_is_taken_up_later() {
    each(&Kind::ALL, |kind| {
        let mut scene = Setting::new(kind).start();
        scene.running.limit_descriptors(Some(0));
        let issue = scene.next();
        std::thread::scope(|scope| {
            let source = &mut scene.source;
            // Nobody takes what is pushed before there are descriptors again.
            let publishing = scope.spawn(move || source.publish(&issue));
            if kind.is_looked_for() {
                publishing.join().expect("the owner");
                let running = &scene.running;
                crate::kit::until("the shortage", super::PATIENCE, || {
                    running
                        .stderr()
                        .contains("Too many open files")
                        .then_some(())
                });
            }
            for name in ["one.example", "issue-1.example", "other.example"] {
                assert!(
                    crate::kit::is_blocked(&scene.running, name),
                    "{kind:?}: {name}"
                );
            }
            assert!(
                !crate::kit::is_blocked(&scene.running, "issue-2.example"),
                "{kind:?}"
            );
            scene.running.limit_descriptors(None);
        });
        scene.wait_for(2);
        scene.stands("descriptors again", &Told::of(2));
        scene.restart_both_ways("descriptors again", &Told::of(2));
        scene.close("no descriptors");
    });
}
