//! How the program ends: told to stop, it loses nothing; killed, it loses no more than the last
//! flush interval and says so.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use wardline::seal::SigningKey;

use crate::kit::ask::{Client, Question, Response, ask};
use crate::kit::dice::{self, Dice};
use crate::kit::internet::Internet;
use crate::kit::load::{Asked, Load};
use crate::kit::program::Program;
use crate::kit::running::Running;
use crate::kit::until;

const QUESTIONS_PER_S: u32 = 1000;
const FLUSH: Duration = Duration::from_secs(1);
/// What a flush itself may take on a busy disk: what is counted meanwhile waits for the next one.
const FLUSH_TAKES: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(5);

fn program() -> Program {
    Program::new()
        .list("stop", "stop.example\n")
        .toml("[count]\nflush_s = 1\n[limits]\nudp_replies_per_s = 0\n")
}

fn slow(internet: &Internet) -> Program {
    program()
        .forward(internet.forwarder_slow())
        .toml("[resolve]\nspecial_use = false\n")
}

fn load(running: &Running) -> Load {
    Load::start(running.address(), QUESTIONS_PER_S, |number| {
        Question::new(&format!("n{number}.stop.example"), "A")
    })
}

/// All questions, and those that the list blocked.
fn reported(report: &Value) -> (usize, usize) {
    let sums = &report["sums"];
    assert_eq!(sums["ended"]["blocked"], sums["blocked"]["stop"]["sum"]);
    let figure = |value: &Value| value.as_u64().expect("a number") as usize;
    (
        figure(&sums["questions"]),
        figure(&sums["ended"]["blocked"]),
    )
}

fn gaps(report: &Value, kind: &str) -> usize {
    report["gaps"]
        .as_array()
        .expect("gaps")
        .iter()
        .filter(|gap| gap["kind"] == kind)
        .count()
}

fn answered(asked: &[Asked]) -> impl Iterator<Item = &(Instant, Response)> {
    asked.iter().filter_map(|asked| asked.reply.as_ref())
}

/// How long before its death a killed program had written last, at the most, over several kills.
fn kill_at_random_moments(seed: u64, kills: usize) -> Duration {
    let (mut dice, mut running, mut before, mut checkpoints) =
        (Dice(seed), program().start(), 0, vec![]);
    let mut longest = Duration::ZERO;
    let log = running.folder().join("log").display().to_string();
    let key = running.run(&["audit", "key"]).1.trim().to_owned();
    for number in 1..=kills {
        let load = load(&running);
        let enough = dice.roll(2600) as usize;
        until("answers", PATIENCE, || {
            (load.answered() >= enough).then_some(())
        });
        running.kill(libc::SIGKILL);
        let (killed, killed_at) = (Instant::now(), jiff::Timestamp::now());
        assert_eq!(running.wait_exit(), 128 + libc::SIGKILL);
        let asked = load.stop(Duration::from_millis(20));

        let report = running.report();
        let (questions, blocked) = reported(&report);
        // What a thread was answering when the counts were written has come in and not ended.
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let under_way = 0..=threads;
        let left = questions.checked_sub(blocked);
        assert!(
            left.is_some_and(|left| under_way.contains(&left)),
            "{questions} came, {blocked} were blocked"
        );
        assert_eq!(gaps(&report, "crash"), number, "{report}");
        let written = last_writing(&report);
        longest =
            longest.max(Duration::try_from(killed_at.duration_since(written)).unwrap_or_default());
        let answers = answered(&asked).count();
        let last = answered(&asked)
            .filter(|(at, _)| *at + FLUSH + FLUSH_TAKES >= killed)
            .count();
        let counted = questions - before;
        assert!(
            counted <= asked.len() && counted + last >= answers,
            "of {answers} answers {counted} are reported: {report}"
        );
        before = questions;
        running.restart();
        let report = running.report();
        assert_eq!(
            (reported(&report), gaps(&report, "crash")),
            ((questions, blocked), number),
            "after the restart"
        );
        // What was signed before is the beginning of all that comes later.
        assert_eq!(running.run(&["audit", "export", &log]).0, 0);
        let seen = running
            .folder()
            .join(format!("seen-{number}"))
            .display()
            .to_string();
        std::fs::copy(running.folder().join("log/checkpoint"), &seen).expect("a checkpoint");
        checkpoints.extend(["--since".to_owned(), seen]);
    }
    every_crash_is_told_and_recorded(running, kills, &key, &checkpoints);
    longest
}

/// In the report, and in the log: by the key it had at first, and as an extension of each of the
/// checkpoints seen since.
fn every_crash_is_told_and_recorded(
    mut running: Running,
    kills: usize,
    key: &str,
    checkpoints: &[String],
) {
    let text = running.run(&["report", "--exact"]).1;
    assert!(
        text.contains(
            "crash: the resolver ended unexpectedly; what it counted after its last writing is lost"
        ),
        "{text}"
    );
    running.kill(libc::SIGTERM);
    assert_eq!(running.wait_exit(), 0);
    assert_eq!(
        gaps(&running.report(), "crash"),
        kills,
        "a clean stop is no crash"
    );
    let log = running.folder().join("log").display().to_string();
    assert_eq!(running.run(&["audit", "export", &log]).0, 0);
    let mut arguments = vec!["audit", "verify", &log, "--key", key, "--json"];
    arguments.extend(checkpoints.iter().map(String::as_str));
    let outcome = running.json(&arguments);
    let events = &outcome["logs"][0]["events"];
    assert_eq!(
        (&events["start"], &events["crash"], &events["stop"]),
        (&(kills + 1).into(), &kills.into(), &1.into()),
        "{outcome}"
    );
}

/// When the run that was killed last had written last: where the report's last gap begins.
fn last_writing(report: &Value) -> jiff::Timestamp {
    let gap = report["gaps"]
        .as_array()
        .expect("gaps")
        .iter()
        .rfind(|gap| gap["kind"] == "crash")
        .expect("a gap");
    gap["from"]
        .as_str()
        .and_then(|from| from.parse().ok())
        .expect("a time")
}

/// Several programs at once, each with a load of its own; the seed is printed, and WARDLINE_SEED
/// gives it again.
fn kill_in_parallel(programs: usize, kills: usize) {
    let seed = dice::seed();
    let killers = (0..programs as u64).map(|number| {
        thread::spawn(move || kill_at_random_moments(seed.wrapping_add(number), kills))
    });
    let killers: Vec<_> = killers.collect();
    let longest = killers
        .into_iter()
        .map(|killer| killer.join().expect("kills"))
        .max()
        .unwrap_or_default();
    println!(
        "{} kills: no leaf lost, {} crashes told, the last writing at most {longest:.1?} before",
        programs * kills,
        programs * kills
    );
    // The record has whole seconds.
    assert!(
        longest <= FLUSH + FLUSH_TAKES + Duration::from_secs(1),
        "{longest:?}"
    );
}

#[test]
fn kill_at_any_moment_loses_at_most_the_last_interval() {
    kill_in_parallel(5, 10);
}

#[test]
#[ignore = "long run: a thousand kills take some minutes"]
fn a_thousand_kills_lose_at_most_the_last_interval_each() {
    kill_in_parallel(8, 125);
}

#[test]
fn a_clean_stop_loses_nothing() {
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let mut running = program().tls().start();
        let load = load(&running);
        let question = Question::new("stop.example", "HTTPS");
        let doors = running.doors();
        doors.iter().for_each(|door| drop(door.ask(&question)));
        until("answers", PATIENCE, || {
            (load.answered() >= 500).then_some(())
        });
        running.kill(signal);
        assert_eq!(running.wait_exit(), 0, "{}", running.stderr());
        let asked = load.stop(Duration::from_millis(50));
        let answers = answered(&asked).count();
        let report = running.report();
        println!(
            "signal {signal}: {answers} answered over UDP and {} at the doors, {:?} reported",
            doors.len(),
            reported(&report)
        );
        assert_eq!(
            reported(&report),
            (answers + doors.len(), answers + doors.len())
        );
        assert_eq!(gaps(&report, "crash"), 0);
        running.restart();
        assert_eq!(
            reported(&running.report()),
            (answers + doors.len(), answers + doors.len()),
            "{signal}"
        );
    }
}

#[test]
fn what_is_in_flight_is_answered_before_the_end() {
    let internet = Internet::start();
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let mut running = slow(&internet).tls().start();
        let askers = running
            .doors()
            .into_iter()
            .enumerate()
            .map(|(number, door)| {
                let question =
                    Question::new(&format!("door-{number}.signal-{signal}.slow.test"), "A");
                thread::spawn(move || door.ask(&question))
            });
        let askers: Vec<_> = askers.collect();
        for number in 0..askers.len() {
            let name = format!("door-{number}.signal-{signal}.slow.test.");
            until(&name, PATIENCE, || {
                (internet.forwarded(&name, "A") > 0).then_some(())
            });
        }
        running.kill(signal);
        for asker in askers {
            let response = asker.join().expect("an answer");
            assert!(
                response.answers()[0].ends_with(" A 198.51.100.66"),
                "{response:?}"
            );
        }
        assert_eq!(running.wait_exit(), 0, "{}", running.stderr());
        assert_eq!(running.report()["sums"]["ended"]["miss"], 3);
    }
}

#[test]
fn the_doors_are_closed_at_once_and_idle_connections_do_not_hold_the_end_up() {
    let mut running = program().tls().toml("[limits]\nidle_s = 60\n").start();
    let mut idle: Vec<_> = running.doors()[1..].iter().map(Client::connect).collect();
    for connection in &mut idle {
        connection.ask(&Question::new("stop.example", "A"));
    }
    let begun = Instant::now();
    running.kill(libc::SIGTERM);
    assert_eq!(running.wait_exit(), 0);
    println!(
        "stopped with {} idle connections in {:?}",
        idle.len(),
        begun.elapsed()
    );
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    assert!(std::net::TcpStream::connect(running.address()).is_err());
}

/// A web server and a primary that take the connection and say nothing, for as long as anybody
/// waits for them.
#[test]
fn a_stop_takes_five_seconds_at_the_most_whatever_a_source_does() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = silent.local_addr().expect("an address");
    let (asked, connections) = channel();
    thread::spawn(move || {
        let mut held = Vec::new();
        for stream in silent.incoming().flatten() {
            held.push(stream);
            let _ = asked.send(());
        }
    });
    let key = SigningKey::generate("agency.test").expect("a key").public();
    let head = "authority = \"A\"\nbasis = \"law\"\nlegal_basis = \"Act\"\n\
                stop = [\"192.0.2.1\"]\n";
    let mut running = program()
        .toml(&format!(
            "[[list]]\nid = \"pulled\"\n{head}keys = [\"{key}\"]\nsignatures = 1\n\
             pull = {{ urls = [\"https://{address}/pulled.manifest\"], addresses = \
             [\"{address}\"], ca = \"/etc/ssl/certs/ca-certificates.crt\" }}\n\
             [[list]]\nid = \"zone\"\n{head}unsigned = \"allow\"\nformat = \"rpz\"\n\
             transfer = {{ zone = \"rpz.example\", primaries = [\"{address}\"] }}\n"
        ))
        .start();
    // Of the list, of its keys and removals, and of the zone.
    for _ in 0..3 {
        connections.recv_timeout(PATIENCE).expect("a connection");
    }
    let told = Instant::now();
    running.kill(libc::SIGTERM);
    assert_eq!(running.wait_exit(), 0);
    assert!(told.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_second_program_on_the_same_state_or_door_is_refused() {
    let running = program().start();
    let state = running.folder().join("state").display().to_string();
    let refused = |second: &Running, words: &str| {
        let (code, stdout, stderr) = second.run(&["serve"]);
        assert_eq!((code, stdout.as_str()), (1, ""), "{stderr}");
        assert!(
            stderr
                .lines()
                .last()
                .is_some_and(|line| line.starts_with("wardline: ") && line.contains(words)),
            "{stderr}"
        );
    };
    refused(
        &program().toml(&format!("state = {state:?}\n")).prepare(),
        "already running",
    );
    let other_socket = format!("state = {state:?}\n[control]\nsocket = \"mine.sock\"\n");
    refused(
        &program().toml(&other_socket).prepare(),
        "another wardline runs with the state folder",
    );
    for door in ["udp", "tcp"] {
        let second = program().prepare();
        let config = std::fs::read_to_string(second.config_file()).expect("a configuration");
        let mut config: toml::Table = config.parse().expect("TOML");
        let other = if door == "udp" { "tcp" } else { "udp" };
        config["listen"][door] = vec![running.address().to_string()].into();
        config["listen"]
            .as_table_mut()
            .expect("a table")
            .insert(other.to_owned(), toml::Value::Array(vec![]));
        std::fs::write(second.config_file(), config.to_string()).expect("a configuration");
        refused(&second, &format!("{}", running.address()));
    }
    assert_eq!(
        ask(running.address(), "stop.example", "A").answers(),
        ["stop.example. A 192.0.2.1"]
    );
    assert_eq!(
        running.run(&["status"]).0,
        0,
        "the first one goes on, its control socket too"
    );
}

/// A socket of somebody else who shares the port would get part of our questions.
#[test]
fn a_port_that_another_program_shares_is_refused() {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None)
        .expect("a UDP socket");
    socket.set_reuse_port(true).expect("a UDP socket");
    socket
        .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
        .expect("a port");
    let socket = UdpSocket::from(socket);
    let taken = socket.local_addr().expect("an address");
    let running = program().prepare();
    let config = std::fs::read_to_string(running.config_file()).expect("a configuration");
    let config = config.replace(&running.address().to_string(), &taken.to_string());
    std::fs::write(running.config_file(), config).expect("a configuration");
    let (code, _, stderr) = running.run(&["serve"]);
    assert!(
        code == 1 && stderr.contains(&format!("cannot listen on {taken} over UDP")),
        "{stderr}"
    );
}

/// Each door in turn is taken when the program starts: its log has no run of that, so that nobody
/// reads a crash there.
#[test]
fn a_start_that_failed_is_no_crash() {
    let mut running = program().metrics().start();
    let config = std::fs::read_to_string(running.config_file()).expect("a configuration");
    running.kill(libc::SIGTERM);
    assert_eq!(running.wait_exit(), 0, "{}", running.stderr());
    let udp = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let tcp = TcpListener::bind("127.0.0.1:0").expect("a port");
    let udp_taken = udp.local_addr().expect("an address");
    let tcp_taken = tcp.local_addr().expect("an address");
    let doors = [
        (running.address(), udp_taken),
        (running.address(), tcp_taken),
        (running.metrics_address(), tcp_taken),
    ];
    for (door, taken) in doors {
        let taken_config = config.replace(&door.to_string(), &taken.to_string());
        std::fs::write(running.config_file(), taken_config).expect("a configuration");
        let (code, _, stderr) = running.run(&["serve"]);
        assert!(code == 1 && stderr.contains(&taken.to_string()), "{stderr}");
    }
    std::fs::write(running.config_file(), config).expect("a configuration");
    let export = running.folder().join("export");
    let export = export.to_str().expect("a path");
    assert_eq!(running.run(&["audit", "export", export]).0, 0);
    let key = format!("{export}/key");
    let outcome = running.json(&["audit", "verify", export, "--key", &key, "--json"]);
    let events = &outcome["logs"][0]["events"];
    assert_eq!(
        (
            &outcome["verdict"],
            &events["start"],
            &events["stop"],
            &events["crash"]
        ),
        (
            &Value::from("in order"),
            &Value::from(1),
            &Value::from(1),
            &Value::Null
        ),
        "{outcome:#}"
    );
}
