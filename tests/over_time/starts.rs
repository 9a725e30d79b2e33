//! Starts and ends: orderly ones, kill -9 before, during and after an issue is accepted, and those
//! for which a source is gone.

use std::process::{Child, Command, Stdio};

use super::kind::{Kind, each};
use super::scene::{Scene, Setting};
use super::source::name_of;
use super::told::Told;
use crate::kit::tool::{STRACE, is_missing};

#[test]
fn a_restart_changes_nothing() {
    each(&Kind::ALL, |kind| {
        let mut scene = Setting::new(kind).start();
        scene.restart();
        scene.stands("a restart", &Told::of(1));
        scene.publish();
        scene.wait_for(2);
        scene.stands("an issue", &Told::of(2));
        scene.restart();
        scene.stands("a restart after the issue", &Told::of(2));
        scene.close("restarts");
    });
}

#[test]
fn a_kill_before_or_after_an_issue_is_accepted_loses_nothing() {
    each(&Kind::ALL, |kind| {
        let mut scene = Setting::new(kind).start();
        scene.kill();
        scene.publish();
        scene.running.restart();
        // Nobody pushes again by himself: what was pushed to nobody is lost.
        if !kind.is_looked_for() {
            scene.stands("a push to nobody", &Told::of(1));
            scene.source.lay_out();
        }
        scene.wait_for(2);
        scene.stands("kill -9 before", &Told::of(2));
        scene.publish();
        scene.wait_for(3);
        scene.kill();
        scene.running.restart();
        scene.stands("kill -9 after", &Told::of(3));
        scene.close("kills");
    });
}

/// As soon as a customer is blocked by it. The formats of a file are kept in one way.
fn killed_at_once(kind: Kind) {
    let mut scene = Setting::new(kind).start();
    for issue in 2..5 {
        scene.publish();
        scene.wait_until_live(issue);
        scene.kill();
        scene.running.restart();
        scene.stands("kill -9 at once after", &Told::of(issue));
    }
    scene.close("kills at once");
}

#[test]
fn a_kill_at_once_after_an_issue_is_in_force_loses_nothing() {
    each(&Kind::KEPT, killed_at_once);
}

#[test]
fn a_kill_at_once_after_a_zone_is_in_force_loses_nothing() {
    each(&[Kind::Transfer], killed_at_once);
}

/// Sends SIGKILL to a program when one of its threads renames a file for the n-th time: that is how
/// everything is written down.
struct KillAtRename(Child);

impl KillAtRename {
    fn start(scene: &Scene, number: usize) -> Self {
        let inject = format!("inject=rename,renameat,renameat2:signal=SIGKILL:when={number}");
        let child = Command::new(STRACE.name)
            .args(["-f", "-qq", "-o", "/dev/null", "-e"])
            .args(["trace=rename,renameat,renameat2", "-e", &inject, "-p"])
            .arg(scene.running.pid().to_string())
            .stderr(Stdio::null())
            .spawn()
            .expect("strace");
        Self(child)
    }
}

impl Drop for KillAtRename {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The formats of a file are kept in one way; a zone comes by the copy of it, as above.
#[test]
fn a_kill_while_an_issue_is_accepted_leaves_the_old_one_or_the_new_one() {
    if is_missing(&STRACE) {
        return;
    }
    each(&Kind::KEPT, |kind| {
        let mut scene = Setting::new(kind).start();
        for number in 1..=4 {
            killed_at(&mut scene, number);
        }
        scene.close("kills at a rename");
    });
}

fn killed_at(scene: &mut Scene, number: usize) {
    let killer = KillAtRename::start(scene, number);
    scene.until("somebody traces", || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", scene.running.pid()));
        let status = status.expect("a status");
        (!status.contains("TracerPid:\t0\n")).then_some(())
    });
    scene.publish();
    let (old, new) = (scene.issue - 1, scene.issue);
    // With fewer renames than that nobody is killed.
    let was_killed = scene.until("a kill, or the issue", || {
        let has_ended = !scene.running.is_alive();
        (has_ended || scene.is_in_force(new)).then_some(has_ended)
    });
    drop(killer);
    scene.kill();
    scene.running.restart();
    // It may come in force between two questions.
    let [was_new, is_old, is_new] = [new, old, new].map(|issue| scene.blocks(&name_of(issue)));
    let at = format!("{:?}, killed at rename {number}", scene.kind());
    assert!(was_killed || number > 1, "{at}: nothing was renamed");
    let is_one = is_old != is_new || was_new != is_new;
    assert!(is_one, "{at}: {}", scene.running.stderr());
    if !is_new && !scene.kind().is_looked_for() {
        scene.stands(&at, &Told::of(old));
        scene.source.lay_out();
    }
    scene.wait_for(new);
    scene.stands(&at, &Told::of(new));
}

#[test]
fn a_source_that_is_gone_at_a_start_leaves_what_is_in_force() {
    each(&Kind::ALL, |kind| {
        let mut scene = Setting::new(kind).start();
        scene.source.go_away();
        for signal in [libc::SIGTERM, libc::SIGKILL] {
            scene.running.kill(signal);
            scene.running.wait_exit();
            scene.running.restart();
            let told = match kind {
                kind if kind.is_file() => Told::of(1).refused("the file is not there"),
                Kind::Transfer => Told::of(1).refused("zone rpz.example from"),
                // What is looked for on the web and in folders may be there again with the next
                // look; it is silence for an hour that is told.
                _ => Told::of(1),
            };
            scene.stands("a start without its source", &told);
        }
        scene.source.come_back();
        scene.publish();
        scene.wait_for(2);
        scene.stands("the source is there again", &Told::of(2));
        scene.close("a source that was gone");
    });
}
