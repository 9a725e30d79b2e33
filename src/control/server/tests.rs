//! The socket from outside: every request, what does not belong there, and what a crash leaves
//! behind.

use std::collections::BTreeMap;
use std::sync::Mutex;

use tempfile::TempDir;

use super::super::protocol::*;
use super::super::standings::{QuestionsReply, UpstreamStatus};
use super::super::verdict::{EntryPlace, GroupVerdict};
use super::super::{
    AskFault, Configuration, Facts, ReloadTurn, RequestRates, Resolution, TemporaryChange,
};
use super::*;
use crate::cache::{Flush, FlushKind};
use crate::count::{Board, Kind};
use crate::list::parse::Format;
use crate::name::Name;
use crate::policy::{Action, Basis, Clients, GroupSettings, ListRules};
use crate::query::{LookedUp, Lookup};
use crate::resolve::{AnchorStatus, ZoneStanding};
use crate::store::Health;
use crate::update::{ListChange, ListSource, Settings, Text, Updater};

struct Desk(Mutex<Vec<Option<String>>>);

impl Resolution for Desk {
    fn cache(&self) -> CacheStatus {
        CacheStatus {
            answers: 3,
            octets: 300,
            octets_max: 1000,
            ..CacheStatus::default()
        }
    }

    fn flush(&self, what: Flush<'_>, _: FlushKind) -> u64 {
        self.0.lock().unwrap().push(match what {
            Flush::All => None,
            Flush::Name(name) => Some(name.to_string()),
            Flush::Below(name) => Some(format!("below {name}")),
        });
        self.0.lock().unwrap().len() as u64
    }

    fn root_copy(&self) -> Option<RootCopyStatus> {
        None
    }

    fn rebindings(&self) -> Option<u64> {
        None
    }

    fn trust_anchors(&self) -> Vec<AnchorStatus> {
        Vec::new()
    }

    fn upstreams(&self) -> Vec<UpstreamStatus> {
        Vec::new()
    }

    fn zone_standing(&self, _: &Name) -> Option<ZoneStanding> {
        None
    }

    fn questions(&self) -> QuestionsReply {
        QuestionsReply::default()
    }

    fn look_up(&self, _: &Lookup) -> Result<LookedUp, String> {
        Err("nobody is there".to_owned())
    }
}

/// A configuration that is what it was.
struct Unchanging;

impl Configuration for Unchanging {
    fn reload(&self, turn: ReloadTurn) -> Result<ConfigReload, String> {
        Ok(ConfigReload {
            dry_run: turn == ReloadTurn::DryRun,
            ..ConfigReload::default()
        })
    }

    fn change(&self, change: &TemporaryChange) -> Result<Vec<String>, String> {
        Ok(vec![format!("{change:?}")])
    }
}

fn parts() -> ServerParts {
    let text = Text::Embedded("blocked.example\n=exact.example\n");
    let source = ListSource::unsigned("a", 0, text, Format::Plain);
    let (updater, _) = Updater::start(Settings {
        lists: vec![source],
        quiet: Duration::from_millis(10),
        ..Settings::default()
    })
    .unwrap();
    let rules = ListRules {
        contact: Vec::new(),
        filtering_databases: Vec::new(),
        language: "en".to_owned(),
        id: "a".to_owned(),
        authority: "Authority".to_owned(),
        legal_basis: "Act".to_owned(),
        basis: Basis::Law,
        action: Action::NxDomain,
        ttl_s: 60,
    };
    let exempt = GroupSettings {
        name: "investigators".to_owned(),
        prefixes: vec!["127.0.9.0/24".parse().unwrap()],
        lists: vec![],
    };
    let board = Arc::new(Board::new(1));
    board.cells().note_blocked(0, Kind::Address);
    ServerParts {
        updater,
        facts: Arc::new(ArcSwap::from_pointee(Facts {
            clients: Arc::new(Clients::new(&[], &[exempt], &[0])),
            rules: BTreeMap::from([(0, rules)]),
            doors: vec!["udp 127.0.0.1:5300".to_owned()],
            octets_without_lists: 1000,
            waiting: Vec::new(),
            temporary: Vec::new(),
            is_leaving: false,
            certificate_until: None,
            negative_anchors: Vec::new(),
            witnesses: crate::witness::Witnesses::default(),
        })),
        configuration: Box::new(Unchanging),
        board,
        health: Health::default(),
        readiness: Default::default(),
        resolution: Box::new(Desk(Mutex::default())),
        underway: Underway::default(),
        started: monotonic(),
        rates: RequestRates::default(),
    }
}

fn ask(path: &Path, request: &Request) -> Result<ControlReply, AskFault> {
    super::super::ask(path, request, || {})
}

/// A program that has nothing yet but its socket.
fn starting(path: &Path) -> ControlServer {
    let socket = Socket::bind(path).unwrap();
    ControlServer::start(socket, Underway::default(), monotonic()).unwrap()
}

fn serve() -> (TempDir, PathBuf, ControlServer) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("control.sock");
    let server = starting(&path);
    server.replace(parts());
    (folder, path, server)
}

fn verdicts(path: &Path, name: &str) -> Vec<GroupVerdict> {
    match ask(
        path,
        &Request::Why {
            name: name.to_owned(),
        },
    )
    .unwrap()
    {
        ControlReply::Why(why) => why.groups.into_iter().map(|group| group.verdict).collect(),
        reply => panic!("{reply:?}"),
    }
}

#[test]
fn every_request_has_its_reply() {
    let (_folder, path, _server) = serve();
    let ControlReply::Status(status) = ask(&path, &Request::Status).unwrap() else {
        panic!()
    };
    assert_eq!(
        (
            status.pid,
            status.generation,
            status.doors.len(),
            status.cache.answers
        ),
        (std::process::id(), 3, 1, 3)
    );
    assert_eq!(
        (
            status.lists[0].state.entries,
            status.lists[0].blocked,
            status.questions.ended["blocked"]
        ),
        (2, 1, 1)
    );
    for list in [None, Some("a".to_owned())] {
        let ControlReply::Reload(reloaded) = ask(
            &path,
            &Request::Reload {
                list,
                dry_run: false,
            },
        )
        .unwrap() else {
            panic!()
        };
        assert_eq!(reloaded.lists[0].change, ListChange::Unchanged);
    }
    let ControlReply::Failed { message } = ask(
        &path,
        &Request::Reload {
            list: Some("b".to_owned()),
            dry_run: false,
        },
    )
    .unwrap() else {
        panic!()
    };
    assert_eq!(message, "there is no list \"b\": the lists are a");
    assert_eq!(
        ask(
            &path,
            &Request::Flush {
                name: Some("X.test.".to_owned()),
                below: false,
                kind: None,
            }
        )
        .unwrap(),
        ControlReply::Flush(Flushed { removed: 1 })
    );
    assert_eq!(
        ask(
            &path,
            &Request::Flush {
                name: None,
                below: false,
                kind: None,
            }
        )
        .unwrap(),
        ControlReply::Flush(Flushed { removed: 2 })
    );
}

#[test]
fn a_program_that_starts_says_what_it_is_at_and_nothing_else() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("control.sock");
    let underway = Underway::default();
    let socket = Socket::bind(&path).unwrap();
    let server = ControlServer::start(socket, underway.clone(), monotonic()).unwrap();
    let work = underway.begin("the lists are read");
    let ControlReply::Status(status) = ask(&path, &Request::Status).unwrap() else {
        panic!()
    };
    assert_eq!(status.underway[0].what, "the lists are read");
    assert_eq!((status.pid, status.lists.len()), (std::process::id(), 0));
    let ControlReply::Failed { message } = ask(
        &path,
        &Request::Flush {
            name: None,
            below: false,
            kind: None,
        },
    )
    .unwrap() else {
        panic!()
    };
    let expected = "the program starts (the lists are read, for ";
    assert!(message.starts_with(expected), "{message}");
    drop(work);
    server.replace(parts());
    let ControlReply::Status(status) = ask(&path, &Request::Status).unwrap() else {
        panic!()
    };
    assert_eq!((status.underway.len(), status.lists.len()), (0, 1));
}

/// A program that is stopped holds its socket all the same.
#[test]
fn silence_is_told_after_a_second_and_at_last_a_fault() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("control.sock");
    let _nobody = UnixListener::bind(&path).unwrap();
    let told = std::cell::Cell::new(None);
    let begun = monotonic();
    let fault = super::super::ask(&path, &Request::Status, || told.set(Some(begun.elapsed())));
    let fault = fault.unwrap_err();
    assert!(matches!(fault, AskFault::Silent(..)), "{fault}");
    let told = told.get().expect("a word after a second");
    assert!(told >= Duration::from_secs(1), "{told:?}");
}

#[test]
fn why_says_which_list_and_which_entry() {
    let (_folder, path, _server) = serve();
    let block = |entry: &str, place| GroupVerdict::Block {
        list: "a".to_owned(),
        authority: "Authority".to_owned(),
        legal_basis: "Act".to_owned(),
        action: "nxdomain".to_owned(),
        entry: entry.to_owned(),
        labels: 2,
        place,
        others: Vec::new(),
    };
    assert_eq!(
        verdicts(&path, "A.b.Blocked.example"),
        [
            block("blocked.example", EntryPlace::Parent),
            GroupVerdict::Exempt
        ]
    );
    assert_eq!(
        verdicts(&path, "exact.example."),
        [
            block("exact.example", EntryPlace::Itself),
            GroupVerdict::Exempt
        ]
    );
    assert_eq!(
        verdicts(&path, "www.exact.example"),
        [GroupVerdict::Pass, GroupVerdict::Exempt]
    );
    let ControlReply::Failed { message } = ask(
        &path,
        &Request::Why {
            name: "a..b".to_owned(),
        },
    )
    .unwrap() else {
        panic!()
    };
    assert!(message.starts_with("not a domain name"));
}

/// The socket tells of a name whether it is listed: it is not to be asked about names by the
/// million.
#[test]
fn names_are_asked_about_ten_times_a_second_at_most() {
    let (_folder, path, _server) = serve();
    let request = Request::Why {
        name: "a.test".to_owned(),
    };
    let start = monotonic();
    let refused = loop {
        let reply = ask(&path, &request).unwrap();
        if let ControlReply::Failed { message } = reply {
            break message;
        }
        assert!(start.elapsed() < PATIENCE, "nothing is refused");
    };
    assert!(refused.contains("`why` within a second"), "{refused}");
    assert!(matches!(
        ask(&path, &Request::Status).unwrap(),
        ControlReply::Status(_)
    ));
}

#[test]
fn what_is_no_request_is_told_or_dropped() {
    let (_folder, path, _server) = serve();
    let say = |octets: &[u8]| {
        let mut stream = UnixStream::connect(&path).unwrap();
        let _ = stream.write_all(octets);
        let mut reply = String::new();
        let _ = stream.read_to_string(&mut reply);
        reply
    };
    assert!(say(b"{\"ask\":\"dance\"}\n").contains("not a request"));
    assert!(say(b"{\"ask\":\"why\",\"name\":\"a.test\",\"more\":1}\n").contains("not a request"));
    assert!(say(b"\xff\n").contains("not a request"));
    assert_eq!(say(&[b'x'; 100_000]), "");
    assert!(say(b"{\"ask\":\"status\"}\nrest").contains("\"pid\""));
}

#[test]
fn connections_at_once_are_few() {
    let (_folder, path, _server) = serve();
    let silent: Vec<_> = (0..CONNECTIONS_MAX)
        .map(|_| UnixStream::connect(&path).unwrap())
        .collect();
    assert!(
        matches!(ask(&path, &Request::Status).unwrap(), ControlReply::Failed { message } if message.contains("try again"))
    );
    drop(silent);
    let start = monotonic();
    while matches!(
        ask(&path, &Request::Status).unwrap(),
        ControlReply::Failed { .. }
    ) {
        assert!(start.elapsed() < PATIENCE);
    }
}

#[test]
fn the_socket_is_the_owners_and_only_one_process_has_it() {
    let (_folder, path, server) = serve();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(matches!(
        Socket::bind(&path),
        Err(BindRefusal::AlreadyRunning(_))
    ));
    drop(server);
    assert!(!path.exists());
    assert!(matches!(
        ask(&path, &Request::Status),
        Err(AskFault::NotRunning(_))
    ));
}

#[test]
fn what_a_crash_left_is_replaced_and_nothing_else() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("control.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(matches!(
        ask(&path, &Request::Status),
        Err(AskFault::NotRunning(_))
    ));
    drop(Socket::bind(&path).unwrap());
    fs::write(&path, "somebody's").unwrap();
    assert!(matches!(Socket::bind(&path), Err(BindRefusal::Occupied(_))));
    assert!(matches!(
        Socket::bind(&folder.path().join("missing/control.sock")),
        Err(BindRefusal::Io(..))
    ));
}
