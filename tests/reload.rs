//! Lists change while questions pour in: no answer is lost, none comes from half a list, and a bad
//! list never replaces a good one.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use wardline::control::{ControlReply, Request, ask as ask_control};

use crate::kit::ask::{Client, Question, Response, ask};
use crate::kit::internet::Internet;
use crate::kit::load::{Asked, Load, VOLLEY};
use crate::kit::program::{Program, STOP};
use crate::kit::running::Running;
use crate::kit::until;

const SECOND: Duration = Duration::from_secs(1);
/// What the wildcard of the tests' internet says to every name that is not listed.
const FREE: &str = "198.51.100.50";

/// Forwards to the tests' internet, whose names are special-use names to others.
fn program(internet: &Internet) -> Program {
    Program::new()
        .forward(internet.forwarder())
        .toml("[resolve]\nspecial_use = false\n[limits]\nudp_replies_per_s = 0\n")
}

fn is_blocked(response: &Response) -> bool {
    let answers = response.answers();
    match answers.first().and_then(|line| line.rsplit(' ').next()) {
        Some(address) if address == STOP[0] => true,
        Some(address) if address == FREE => false,
        _ => panic!("{} {answers:?}", response.rcode()),
    }
}

fn blocks(running: &Running, name: &str) -> bool {
    is_blocked(&ask(running.address(), name, "A"))
}

/// Which of the two lists is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    A,
    B,
}

impl Side {
    fn other(self) -> Self {
        if self == Self::A { Self::B } else { Self::A }
    }
}

const ENTRIES: usize = 5000;
/// Every so many entries stands one that both lists have.
const SHARED_EVERY: usize = 10;
/// Places in the list that are asked about, the first and the last among them.
const PLACES: usize = 16;
const RELOADS: u32 = 200;
const RELOAD_EVERY: Duration = Duration::from_millis(50);
const QUESTIONS_PER_S: u32 = 2000;

/// The list of one side: its own names, and from its first line to its last those that both sides
/// have.
fn list_of(side: Side) -> String {
    (0..=ENTRIES).fold(String::new(), |mut text, i| {
        if i % SHARED_EVERY == 0 {
            writeln!(text, "both-{i}.wild.test").expect("a string");
        }
        writeln!(text, "{}", own_name(side, i)).expect("a string");
        text
    })
}

fn own_name(side: Side, i: usize) -> String {
    format!("{}-{i}.wild.test", if side == Side::A { "a" } else { "b" })
}

fn place(number: usize) -> usize {
    number % PLACES * ENTRIES / (PLACES - 1)
}

/// What an answer to the question with this number says about the list in force.
enum Says {
    Blocked(Side),
    /// Blocked whatever the list.
    AlwaysBlocked,
    /// On no list.
    NeverBlocked,
}

/// The questions of a volley: both sides at two places, and names that no change may touch.
fn question_of(number: usize) -> (String, Says) {
    let volley = number / VOLLEY;
    let (near, far) = (place(volley), place(volley * 7 + 5));
    let own = |side, i| (own_name(side, i), Says::Blocked(side));
    match number % VOLLEY {
        0 => own(Side::A, near),
        1 => own(Side::B, near),
        2 => ("both-0.wild.test".to_owned(), Says::AlwaysBlocked),
        3 => own(Side::A, far),
        4 => own(Side::B, far),
        5 => (format!("both-{ENTRIES}.wild.test"), Says::AlwaysBlocked),
        6 => ("never.wild.test".to_owned(), Says::NeverBlocked),
        _ => own(Side::B, near),
    }
}

/// A change of the list: it was made after `from`, and in force at `until`.
struct Swap {
    from: Instant,
    until: Instant,
    to: Side,
}

/// Put the other side's list in place and have it read, on time or as soon as the one before is
/// done.
fn reload_often(running: &Running) -> Vec<Swap> {
    let (start, texts) = (Instant::now(), [Side::A, Side::B].map(list_of));
    let (mut side, mut swaps) = (Side::A, vec![]);
    for number in 1..=RELOADS {
        thread::sleep((start + RELOAD_EVERY * number).saturating_duration_since(Instant::now()));
        side = side.other();
        let from = Instant::now();
        running.replace_list("swapped", &texts[side as usize]);
        let reply = ask_control(
            &running.control_socket(),
            &Request::Reload {
                list: None,
                dry_run: false,
            },
            || {},
        )
        .expect("a reply");
        assert!(matches!(reply, ControlReply::Reload(_)), "{reply:?}");
        swaps.push(Swap {
            from,
            until: Instant::now(),
            to: side,
        });
    }
    swaps
}

/// How volleys stood to the swaps.
#[derive(Debug, Default)]
struct Seen {
    between_swaps: usize,
    during_a_swap: usize,
    with_a_change: usize,
}

/// One thread answers a volley in order: it may see as many changes as there were swaps meanwhile,
/// and otherwise one list throughout.
fn judge(volley: &[Asked], first: usize, swaps: &[Swap], seen: &mut Seen) {
    let replies: Vec<_> = volley
        .iter()
        .map(|asked| asked.reply.as_ref().expect("an answer"))
        .collect();
    let (from, until) = (
        volley[0].sent,
        replies.iter().map(|(at, _)| *at).max().expect("answers"),
    );
    let before = swaps
        .iter()
        .rev()
        .find(|swap| swap.until <= from)
        .map_or(Side::A, |swap| swap.to);
    let meanwhile = swaps
        .iter()
        .filter(|swap| swap.until > from && swap.from < until)
        .count();
    let (mut at, mut changes) = (before, 0);
    for (place, (_, response)) in replies.into_iter().enumerate() {
        let (name, says) = question_of(first + place);
        let blocked = is_blocked(response);
        let side = match says {
            Says::AlwaysBlocked | Says::NeverBlocked => {
                assert_eq!(
                    blocked,
                    matches!(says, Says::AlwaysBlocked),
                    "{name}: from half a list"
                );
                continue;
            }
            Says::Blocked(side) => {
                if blocked {
                    side
                } else {
                    side.other()
                }
            }
        };
        changes += usize::from(side != at);
        at = side;
        assert!(
            changes <= meanwhile,
            "{name}: {changes} changes, {meanwhile} swaps meanwhile, {before:?} in force before"
        );
    }
    seen.between_swaps += usize::from(meanwhile == 0);
    seen.during_a_swap += usize::from(meanwhile > 0);
    seen.with_a_change += usize::from(changes > 0);
}

/// Have every name in the cache, so that all answers come from the thread that took the question,
/// in order.
fn warm(running: &Running) {
    for side in [Side::A, Side::B] {
        running.replace_list("swapped", &list_of(side.other()));
        until("the other list", SECOND, || {
            (!blocks(running, &own_name(side, 0))).then_some(())
        });
        (0..PLACES).for_each(|n| assert!(!blocks(running, &own_name(side, place(n)))));
    }
    assert!(!blocks(running, "never.wild.test"));
}

#[test]
fn two_hundred_reloads_under_load_lose_nothing() {
    let internet = Internet::start();
    let running = program(&internet)
        .list_without_budget("swapped", &list_of(Side::A))
        .toml("[lists]\nquiet_ms = 10\n")
        .start();
    warm(&running);
    let resident = running.resident_kib();
    let load = Load::start(running.address(), QUESTIONS_PER_S, |number| {
        Question::new(&question_of(number).0, "A")
    });
    let begun = Instant::now();
    let swaps = reload_often(&running);
    let took = begun.elapsed();
    let asked = load.stop(Duration::from_secs(5));

    let lost = asked.iter().filter(|asked| asked.reply.is_none()).count();
    assert_eq!(lost, 0, "answers lost of {}", asked.len());
    let mut seen = Seen::default();
    for (number, volley) in asked.chunks_exact(VOLLEY).enumerate() {
        judge(volley, number * VOLLEY, &swaps, &mut seen);
    }
    let mut waits: Vec<Duration> = asked
        .iter()
        .map(|asked| asked.reply.as_ref().expect("an answer").0 - asked.sent)
        .collect();
    waits.sort();
    let mut reloads: Vec<Duration> = swaps.iter().map(|swap| swap.until - swap.from).collect();
    reloads.sort();
    let lists = &running.json(&["status", "--json"])["lists"][0];
    println!(
        "{} questions, none lost; {RELOADS} reloads in {took:?}, each {:?} (the longest {:?}); \
         answers took {:?} (99 %: {:?}, the longest {:?}); {seen:?}; generation {}; \
         resident {resident} KiB before, {} KiB after",
        asked.len(),
        reloads[reloads.len() / 2],
        reloads[reloads.len() - 1],
        waits[waits.len() / 2],
        waits[waits.len() * 99 / 100],
        waits[waits.len() - 1],
        lists["generation"],
        running.resident_kib(),
    );
    assert!(
        lists["generation"].as_u64() >= Some(u64::from(RELOADS)) && lists["last_refusal"].is_null(),
        "{lists}"
    );
    assert!(
        seen.between_swaps > 100 && seen.during_a_swap > 100 && seen.with_a_change > 0,
        "the load did not meet the swaps: {seen:?}"
    );
}

/// A hundred thousand names, of which one is new.
fn large_list(new: &str) -> String {
    (1..100_000)
        .map(|i| format!("large-{i}.wild.test\n"))
        .collect::<String>()
        + new
        + ".wild.test\n"
}

#[test]
fn a_large_list_comes_in_force_whole() {
    let internet = Internet::start();
    let running = program(&internet)
        .list("large", &large_list("zero"))
        .start();
    for (new, old, save) in [
        ("one", "zero", "renamed"),
        ("two", "one", "written in place"),
    ] {
        let (text, file) = (large_list(new), running.list_file("large"));
        assert!(!blocks(&running, &format!("{new}.wild.test")));
        if save == "renamed" {
            running.replace_list("large", &text);
        } else {
            fs::write(file, text).expect("a list file");
        }
        let saved = Instant::now();
        let asks = until(new, 10 * SECOND, || {
            blocks(&running, &format!("{new}.wild.test")).then(|| saved.elapsed())
        });
        println!("100,000 names, {save}: enforced {asks:?} after the save");
        assert!(
            !blocks(&running, &format!("{old}.wild.test")),
            "what was taken off is free in the same moment"
        );
        assert!(blocks(&running, "large-1.wild.test") && blocks(&running, "large-99999.wild.test"));
    }
}

fn shell(folder: &Path, script: &str) {
    let status = Command::new("sh")
        .arg("-ec")
        .arg(script)
        .current_dir(folder)
        .status()
        .expect("sh");
    assert!(status.success(), "{script}");
}

/// What editors and programs do to save `next`, the new text, as `l.txt`.
const WAYS: [(&str, &str); 9] = [
    ("written in place", "cat next > l.txt"),
    (
        "written to a new file and renamed",
        "cp next .l.txt.swp; mv .l.txt.swp l.txt",
    ),
    (
        "moved away and written anew",
        "mv l.txt l.txt~; cat next > l.txt",
    ),
    ("deleted and created", "rm l.txt; cat next > l.txt"),
    ("copied over", "cp next l.txt"),
    (
        "copied with its old time and mode",
        "touch -d 2001-01-01 next; cp -p next l.txt",
    ),
    (
        "moved in from another folder",
        "mkdir -p other; cp next other/l; mv other/l l.txt",
    ),
    ("edited by sed", "sed -i \"s/.*/$(cat next)/\" l.txt"),
    (
        "in two pieces",
        "head -c 3 next > l.txt; tail -c +4 next >> l.txt",
    ),
];

#[test]
fn every_way_of_saving_is_seen_within_a_second() {
    let internet = Internet::start();
    let running = program(&internet).list("l", "way-none.wild.test\n").start();
    let folder = running.folder().join("lists");
    let mut before = "way-none.wild.test".to_owned();
    for (number, (way, script)) in WAYS.iter().enumerate() {
        let name = format!("way-{number}.wild.test");
        fs::write(folder.join("next"), format!("{name}\n")).expect("a file");
        shell(&folder, script);
        until(way, SECOND, || blocks(&running, &name).then_some(()));
        assert!(!blocks(&running, &before), "{way}");
        before = name;
    }
    fs::write(folder.join("linked"), "way-link.wild.test\n").expect("a file");
    symlink("linked", folder.join("link")).expect("a link");
    fs::rename(folder.join("link"), running.list_file("l")).expect("a rename");
    until("a link in its place", SECOND, || {
        blocks(&running, "way-link.wild.test").then_some(())
    });
    fs::write(folder.join("linked"), "way-target.wild.test\n").expect("a file");
    until("the target of a link", SECOND, || {
        blocks(&running, "way-target.wild.test").then_some(())
    });
    assert!(!running.stderr().contains("ERROR"), "{}", running.stderr());
}

fn refusal(running: &Running) -> Option<String> {
    let status = running.json(&["status", "--json"]);
    status["lists"][0]["last_refusal"]["message"]
        .as_str()
        .map(str::to_owned)
}

fn count(text: &str, words: &str) -> usize {
    text.matches(words).count()
}

/// What has become of the list, how, and words of the refusal; `FILE` stands for the list's path.
const BAD_LISTS: &str = r"
empty         | : > l.txt                         | FILE: list l: has no entry
only comments | printf '# nothing\n\n' > l.txt    | FILE: list l: has no entry
garbage       | cat garbage > l.txt               | FILE:1: a URL
random octets | head -c 5000 /dev/urandom > l.txt | no entry
vanished      | rm l.txt                          | FILE: list l: the file is not there
a folder      | rm -f l.txt; mkdir l.txt          | FILE: list l: not a regular file
";

#[test]
fn a_bad_list_is_refused_and_the_old_one_stays() {
    let internet = Internet::start();
    let running = program(&internet).list("l", "good.wild.test\n").start();
    let (file, pid) = (running.list_file("l"), running.pid());
    let garbage: String = (0..50)
        .map(|i| format!("https://secret-{i}.wild.test/\n"))
        .collect();
    fs::write(running.folder().join("lists/garbage"), garbage).expect("a file");
    for (number, case) in BAD_LISTS.trim().lines().enumerate() {
        let fields: Vec<&str> = case.split(" | ").map(str::trim).collect();
        let [what, script, words] = fields[..] else {
            panic!("{case}")
        };
        shell(&running.folder().join("lists"), script);
        let words = words.replace("FILE", &file.display().to_string());
        assert_refused(&running, what, &words);
        until(what, SECOND, || {
            (count(&running.stderr(), "stays in force") > number).then_some(())
        });
        let log = running.stderr();
        assert!(
            log.contains(&words) && !log.contains("secret-"),
            "{what}: {log}"
        );
    }
    fs::remove_dir(&file).expect("a folder");
    running.replace_list("l", "better.wild.test\n");
    until("a list in order", SECOND, || {
        blocks(&running, "better.wild.test").then_some(())
    });
    assert_eq!((refusal(&running), running.pid()), (None, pid));
}

/// Both `reload` and the status say so, without a name, and the old list goes on.
fn assert_refused(running: &Running, what: &str, words: &str) {
    let (code, stdout, stderr) = running.run(&["reload"]);
    assert_eq!(
        (code, stdout.as_str()),
        (1, "configuration: unchanged\nl: refused\n"),
        "{what}: {stderr}"
    );
    assert!(
        stderr.contains(words) && stderr.contains("the old list stays in force"),
        "{what}: {stderr}"
    );
    let said = refusal(running).expect("a refusal");
    assert!(
        said.contains(words) && !said.contains("secret-"),
        "{what}: {said}"
    );
    assert!(
        blocks(running, "good.wild.test") && !blocks(running, "secret-0.wild.test"),
        "{what}"
    );
    let status = running.run(&["status"]).1;
    assert!(
        status.contains("\nrefused ") && status.contains(words),
        "{status}"
    );
}

#[test]
fn sighup_and_reload_read_at_once_what_is_at_rest() {
    let internet = Internet::start();
    let running = program(&internet)
        .list("l", "first.wild.test\n")
        .list("m", "other.wild.test\n")
        .start();
    let hang_up = |words: &str| {
        let before = count(&running.stderr(), words);
        running.kill(libc::SIGHUP);
        until("an entry in the log", 5 * SECOND, || {
            (count(&running.stderr(), words) > before).then_some(())
        });
    };
    fs::remove_file(running.list_file("l")).expect("a file");
    until("a refusal", 5 * SECOND, || refusal(&running));
    hang_up("stays in force");
    hang_up("stays in force");
    assert!(blocks(&running, "first.wild.test") && blocks(&running, "other.wild.test"));
    running.replace_list("l", "second.wild.test\n");
    running.kill(libc::SIGHUP);
    until("the new list", SECOND, || {
        blocks(&running, "second.wild.test").then_some(())
    });
    let reloaded = running.json(&["reload", "--json"]);
    assert_eq!(
        reloaded["lists"],
        serde_json::json!([{"id": "l", "change": "unchanged"}, {"id": "m", "change": "unchanged"}])
    );
    running.replace_list("m", "third.wild.test\nhttps://x/\n");
    let (code, stdout, stderr) = running.run(&["reload", "m"]);
    assert_eq!((code, stdout.as_str()), (1, "m: refused\n"), "{stderr}");
    running.replace_list("m", "third.wild.test\nfourth.wild.test\n");
    let (code, stdout, _) = running.run(&["reload", "m"]);
    assert!(
        code == 0 && (stdout == "m: in force with 2 entries\n" || stdout == "m: unchanged\n"),
        "{stdout}"
    );
    assert!(blocks(&running, "third.wild.test") && !blocks(&running, "other.wild.test"));
    let (code, _, stderr) = running.run(&["reload", "nolist"]);
    assert_eq!(
        (code, stderr.as_str()),
        (
            1,
            "wardline: there is no list \"nolist\": the lists are l, m\n"
        )
    );
    Client::tcp(running.address()).ask(&Question::new("third.wild.test", "A"));
}
