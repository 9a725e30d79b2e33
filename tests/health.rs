//! Whether clients can be sent here: what is said at the metrics door, by `healthcheck` and in the
//! log, from a resolver that is well to one that reaches nobody.

use std::fs;
use std::time::Duration;

use crate::kit::ask::ask;
use crate::kit::internet::Internet;
use crate::kit::program::Program;
use crate::kit::running::Running;
use crate::kit::until;

/// What is noticed within a second is on show a second later.
const NOTICED: Duration = Duration::from_secs(5);
/// As many seconds as three tries in vain can take, and what is noticed.
const UNREACHED: Duration = Duration::from_secs(30);

/// The status line's number and the first line.
fn readyz(running: &Running) -> (u16, String) {
    let (status, body) = running.ask_metrics_door("/readyz");
    (status, body.lines().next().unwrap_or_default().to_owned())
}

fn is(status: u16, word: &str) -> impl Fn(&Running) -> bool + use<> {
    let wanted = (status, word.to_owned());
    move |running| readyz(running) == wanted
}

fn soon(running: &Running, what: &str, holds: impl Fn(&Running) -> bool) {
    until(what, NOTICED, || holds(running).then_some(()));
}

#[test]
fn a_resolver_that_leaves_says_so_and_goes_on_answering() {
    let internet = Internet::start();
    let forward = Program::new().forward(internet.forwarder());
    let mut running = forward.list("first", "bad.wild.test\n").metrics().start();
    soon(&running, "ready", is(200, "ready"));
    assert_eq!(
        running.ask_metrics_door("/livez"),
        (200, "alive\n".to_owned())
    );
    assert_eq!(running.run(&["healthcheck"]).0, 0);
    assert_eq!(running.run(&["drain"]).0, 0);
    soon(&running, "leaving", is(503, "leaving"));
    assert!(ask(running.address(), "bad.wild.test", "A").is_stopped());
    let (code, said, _) = running.run(&["healthcheck"]);
    assert!(code == 1 && said.starts_with("leaving"), "{said}");
    assert_eq!(
        running.json(&["status", "--json"])["readiness"]["state"],
        "leaving"
    );
    assert_eq!(running.run(&["resume"]).0, 0);
    soon(&running, "ready again", is(200, "ready"));
    running.kill(libc::SIGTERM);
    running.wait_exit();
    assert_eq!(running.run(&["healthcheck"]).0, 3);
}

#[test]
fn a_list_that_is_not_in_force_takes_no_site_down() {
    let internet = Internet::start();
    let forward = Program::new().forward(internet.forwarder());
    let running = forward
        .list("first", "not a name at all\n")
        .metrics()
        .start();
    soon(&running, "degraded", is(200, "degraded"));
    let (_, body) = running.ask_metrics_door("/readyz");
    assert!(body.contains("list first: not in force"), "{body}");
    let (code, said, _) = running.run(&["healthcheck"]);
    assert!(code == 0 && said.starts_with("degraded"), "{said}");
    running.replace_list("first", "bad.wild.test\n");
    soon(&running, "ready", is(200, "ready"));
}

#[test]
fn a_resolver_that_reaches_nobody_says_so_until_it_does() {
    let internet = Internet::start();
    let good = Program::new()
        .forward(internet.forwarder())
        .metrics()
        .start();
    soon(&good, "ready", is(200, "ready"));
    let running = Program::new()
        .forward(internet.forwarder_silent())
        .metrics()
        .start();
    // Nobody asks: it tries by itself.
    until("that it is told", UNREACHED, || {
        running
            .stderr()
            .contains("CANNOT RESOLVE: no upstream")
            .then_some(())
    });
    soon(&running, "down", is(503, "down"));
    assert!(running.run(&["healthcheck"]).1.contains("check the route"));
    let silent = internet.forwarder_silent().to_string();
    let config = fs::read_to_string(running.config_file()).unwrap();
    let mended = config.replace(&silent, &internet.forwarder().to_string());
    assert_ne!(config, mended);
    fs::write(running.config_file(), mended).unwrap();
    assert_eq!(running.run(&["reload"]).0, 0);
    // A client asks.
    ask(running.address(), "a.wild.test", "A");
    soon(&running, "ready", is(200, "ready"));
    let stderr = running.stderr();
    assert_eq!(stderr.matches("CANNOT RESOLVE").count(), 1, "{stderr}");
    assert!(stderr.contains("names are resolved again"), "{stderr}");
}
