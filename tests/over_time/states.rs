//! The state folder is not what it was: deleted, restored from an older copy, copied to another
//! machine, or a file of it cut, empty or missing.

use std::fs;
use std::path::{Path, PathBuf};

use super::kind::{Kind, each};
use super::scene::{Scene, Setting};
use super::told::Told;
use crate::kit::papers::copy_folder;

/// What was pushed comes again when the curator sees that it is missing.
fn push_again(scene: &Scene) {
    if !scene.kind().is_looked_for() {
        scene.source.lay_out();
    }
}

/// Only what is signed has a promise that an emptied state breaks.
#[test]
fn a_state_folder_that_is_deleted_is_made_anew_from_the_sources() {
    each(&Kind::ALL, |kind| {
        let mut scene = Setting::new(kind).start();
        scene.end();
        fs::remove_dir_all(scene.state()).expect("a folder");
        scene.running.restart();
        assert!(scene.blocks("other.example"), "{kind:?}");
        push_again(&scene);
        scene.wait_for(1);
        scene.stands("the state deleted", &Told::of(1));
        let said = scene.running.stderr();
        assert!(said.contains("restored: "), "{kind:?}: {said}");
        // As on a new machine.
        scene.end();
        let promised = scene.running.folder().join("state.promised");
        for folder in [scene.state(), promised] {
            fs::remove_dir_all(folder).expect("a folder");
        }
        scene.running.restart();
        push_again(&scene);
        scene.wait_for(1);
        scene.restart_both_ways("all of it deleted", &Told::of(1));
        scene.close("a state that was deleted");
    });
}

#[test]
fn an_older_copy_of_the_state_goes_below_nothing_that_was_promised() {
    each(&Kind::ALL, |kind| {
        let mut scene = Setting::new(kind).start();
        scene.end();
        let backup = scene.running.folder().join("backup");
        copy_folder(&scene.state(), &backup);
        scene.running.restart();
        scene.publish();
        scene.wait_for(2);
        scene.stands("an issue after the copy was made", &Told::of(2));
        scene.end();
        fs::remove_dir_all(scene.state()).expect("a folder");
        copy_folder(&backup, &scene.state());
        scene.running.restart();
        assert!(
            scene.blocks("one.example") && scene.blocks("other.example"),
            "{kind:?}"
        );
        if !kind.is_looked_for() {
            scene.stands("an older copy", &Told::of(1).alarm("restored"));
            scene.source.lay_out();
        }
        scene.wait_for(2);
        scene.stands("an older copy", &Told::of(2));
        assert!(scene.running.stderr().contains("restored: "), "{kind:?}");
        scene.restart_both_ways("an older copy", &Told::of(2));
        scene.close("an older copy");
    });
}

#[test]
fn a_state_that_is_copied_to_another_machine_is_in_force_there() {
    each(&Kind::ALL, |kind| {
        let mut scene = Setting::new(kind).start();
        scene.end();
        let mut other = scene.elsewhere();
        other.source.go_away();
        other.running.restart();
        other.wait_for(1);
        assert!(
            other.blocks("one.example") && other.blocks("other.example"),
            "{kind:?}"
        );
        let said = other.running.stderr();
        assert!(
            said.contains("restored or copied: it is not known"),
            "{kind:?}: {said}"
        );
        other.source.come_back();
        other.stands("another machine", &Told::of(1));
        other.publish();
        other.wait_for(2);
        other.restart_both_ways("an issue on another machine", &Told::of(2));
        other.close("another machine");
    });
}

/// What happens to a file.
type Damage = (&'static str, fn(&Path));

const DAMAGES: [Damage; 3] = [
    ("cut", |file| {
        let octets = fs::read(file).expect("a file");
        fs::write(file, &octets[..octets.len() / 2]).expect("a file");
    }),
    ("empty", |file| fs::write(file, "").expect("a file")),
    ("missing", |file| fs::remove_file(file).expect("a file")),
];

/// The files that the state of this list consists of now.
fn files_of_list(scene: &Scene) -> Vec<PathBuf> {
    let number = scene.status()["kept"].as_u64().expect("a generation");
    let kept = scene.kept();
    let mut files = vec![
        kept.join("record.json"),
        kept.join(format!("{number}.entries")),
    ];
    if scene.kind().is_signed() {
        files.push(kept.join(format!("{number}.manifest")));
    }
    if scene.kind() == Kind::Transfer {
        files.push(scene.state().join("transfer/one.zone"));
    }
    files
}

/// The formats of a file share a column: they are kept as they came, and read as they come.
#[test]
fn a_damaged_file_of_a_list_is_made_anew_from_its_source() {
    each(&Kind::WAYS, |kind| {
        let mut scene = Setting::new(kind).start();
        for at in 0..files_of_list(&scene).len() {
            for (word, damage) in DAMAGES {
                let file = files_of_list(&scene)[at].clone();
                let event = format!("{} {word}", file.display());
                scene.end();
                damage(&file);
                scene.running.restart();
                assert!(scene.blocks("other.example"), "{kind:?}, {event}");
                push_again(&scene);
                scene.wait_for(1);
                scene.stands(&event, &Told::of(1));
            }
        }
        scene.publish();
        scene.wait_for(2);
        scene.restart_both_ways("an issue after all that", &Told::of(2));
        scene.close("damaged files");
    });
}

/// What belongs to no list: the counts, what was promised, and the receipts' key. It is the same
/// for whatever way a list comes by; one kind has receipts, and one has none.
#[test]
fn a_damaged_file_of_the_evidence_keeps_nobody_waiting() {
    const FILES: [&str; 3] = [
        "state/counts.sqlite",
        "state/receipt.key",
        "state.promised/promised.json",
    ];
    each(&[Kind::Plain, Kind::Folder], |kind| {
        let mut scene = Setting::new(kind).start();
        for file in FILES {
            for (word, damage) in DAMAGES {
                let place = scene.running.folder().join(file);
                scene.end();
                let before = fs::read(&place).expect("a file");
                damage(&place);
                scene.running.restart();
                scene.stands(&format!("{file} {word}"), &Told::of(1));
                scene.end();
                // A key is put back by hand, as the message asks; all else is made anew.
                if file.ends_with(".key") {
                    fs::write(&place, before).expect("a file");
                }
                scene.running.restart();
            }
        }
        scene.publish();
        scene.wait_for(2);
        scene.restart_both_ways("an issue after all that", &Told::of(2));
    });
}

/// Counts wait in memory until the log's key is put back, and lists do not.
fn log_key_damaged(kind: Kind, damages: &[Damage]) {
    let mut scene = Setting::new(kind).start();
    let place = scene.state().join("audit.key");
    for (word, damage) in damages {
        scene.end();
        let before = fs::read(&place).expect("a key");
        damage(&place);
        scene.running.restart();
        scene.stands(&format!("the log's key {word}"), &Told::of(scene.issue));
        fs::write(&place, before).expect("a key");
        scene.publish();
        scene.wait_for(scene.issue);
        scene.stands("the key put back", &Told::of(scene.issue));
    }
    scene.close("the log's key");
}

#[test]
fn a_damaged_key_of_the_log_keeps_nobody_waiting() {
    each(&[Kind::Plain, Kind::Folder], |kind| {
        log_key_damaged(kind, &DAMAGES[..2])
    });
}

#[test]
fn a_missing_key_of_the_log_keeps_nobody_waiting() {
    each(&[Kind::Plain, Kind::Folder], |kind| {
        log_key_damaged(kind, &DAMAGES[2..])
    });
}
