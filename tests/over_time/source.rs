//! Where the list `one` comes from: what its owner publishes, takes away and brings back.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use tempfile::TempDir;
use wardline::clock::wall_s;
use wardline::list::key_chain::{KeyChain, write_chain};
use wardline::list::key_link::KeyLink;
use wardline::list::manifest::{Manifest, Secrecy, Settlement};
use wardline::list::removal::CarriedRemoval;
use wardline::seal::age::{Identity, armor, encrypt};
use wardline::seal::{Note, SigningKey};

use super::kind::Kind;
use crate::kit::papers::manifest;
use crate::kit::primary::{Primary, PrimaryZone};
use crate::kit::program::STOP;
use crate::kit::web::{CERT, KEY, Web, request};

const TOKEN: &str = "0123456789abcdef";
const DAY_S: i64 = 86_400;
/// How long an issue is good for, unless its owner says otherwise.
pub(super) const GOOD_S: i64 = 90 * DAY_S;
/// How long a zone may be believed without a word from its primary.
const ZONE_S: u32 = 100_000;

/// What is published next.
#[derive(Clone)]
pub(super) struct Issue {
    pub(super) serial: u64,
    pub(super) names: Vec<String>,
    /// Which keys sign it.
    pub(super) signers: Vec<usize>,
    pub(super) settles: Settlement,
}

impl Issue {
    /// With `one.example`, and a name that no other issue has.
    pub(super) fn new(serial: u64) -> Self {
        Self {
            serial,
            names: vec!["one.example".to_owned(), name_of(serial)],
            signers: vec![0],
            settles: Settlement::Named(Vec::new()),
        }
    }

    pub(super) fn with(mut self, name: &str) -> Self {
        self.names.push(name.to_owned());
        self
    }
}

/// An entry that the guard holds back: it covers a public suffix.
pub(super) const SUFFIX: &str = "xn--55qx5d.cn";

/// The owners of a name in a zone: a wildcard too where the names below it are to be covered.
fn owners_of(name: &String) -> Vec<String> {
    match name.as_str() {
        SUFFIX => vec![name.clone(), format!("*.{name}")],
        _ => vec![name.clone()],
    }
}

/// The name that this issue alone has.
pub(super) fn name_of(serial: u64) -> String {
    format!("issue-{serial}.example")
}

/// What was published last: it is the same when it comes back.
struct Published {
    entries_file: String,
    entries: Vec<u8>,
    note: Option<String>,
}

/// Whoever makes the list.
pub(super) struct Source {
    pub(super) kind: Kind,
    folder: TempDir,
    pub(super) keys: [SigningKey; 3],
    pub(super) identity: Identity,
    web: Option<Web>,
    primary: Option<Primary>,
    push: SocketAddr,
    published: Option<Published>,
    /// By which the owner's clock is ahead.
    pub(super) ahead_s: i64,
    /// How long an issue is good for.
    pub(super) good_s: i64,
}

impl Source {
    /// One that has published nothing; pushes go to this address.
    pub(super) fn new(kind: Kind, push: SocketAddr) -> Self {
        let folder = TempDir::new().expect("a folder");
        let keys = ["a.example", "b.example", "c.example"];
        let identity = Identity::generate().expect("an identity");
        let files = [
            ("cert.pem", CERT.to_owned()),
            ("key.pem", KEY.to_owned()),
            ("tokens", format!("{TOKEN}\n")),
            ("age.key", identity.to_text().to_string()),
        ];
        for (name, text) in files {
            fs::write(folder.path().join(name), text).expect("a file");
        }
        fs::create_dir(folder.path().join("issue")).expect("a folder");
        Self {
            kind,
            web: (kind == Kind::Pull).then(|| Web::serve(&folder.path().join("issue"))),
            primary: (kind == Kind::Transfer).then(Primary::serve),
            keys: keys.map(|name| SigningKey::generate(name).expect("a key")),
            identity,
            push,
            published: None,
            ahead_s: 0,
            good_s: GOOD_S,
            folder,
        }
    }

    /// How an operator configures it under this id.
    pub(super) fn config(&self, id: &str, more: &str) -> String {
        let way = self.way(id);
        format!(
            "[[list]]\nid = {id:?}\nauthority = \"Example Authority\"\nbasis = \"law\"\n\
             legal_basis = \"Example Act\"\nstop = {STOP:?}\n{way}\n{more}"
        )
    }

    fn way(&self, id: &str) -> String {
        let key = self.keys[0].public().to_string();
        let signed = format!("keys = [{key:?}]\nsignatures = 1");
        let [issue, cert, age] = ["issue", "cert.pem", "age.key"].map(|name| self.path(name));
        match self.kind {
            kind if kind.is_file() => format!(
                "file = {:?}\nunsigned = \"allow\"\nformat = {:?}",
                self.file(),
                kind.format()
            ),
            Kind::Transfer => format!(
                "unsigned = \"allow\"\nformat = \"rpz\"\n\
                 transfer = {{ zone = \"rpz.example\", primaries = [\"{}\"] }}",
                self.primary.as_ref().expect("a primary").address()
            ),
            Kind::Pull => {
                let port = self.web.as_ref().expect("a server").port();
                format!(
                    "{signed}\npull = {{ urls = [\"https://127.0.0.1:{port}/lists/{id}.manifest\"],\
                     addresses = [\"127.0.0.1:{port}\"], ca = {cert:?}, every_s = 1 }}"
                )
            }
            Kind::Push => format!("{signed}\npush = true"),
            Kind::Encrypted => {
                format!("{signed}\nidentity = {age:?}\nfolder = {{ path = {issue:?} }}")
            }
            _ => format!("{signed}\nfolder = {{ path = {issue:?} }}"),
        }
    }

    /// What the whole program is told besides.
    pub(super) fn program(&self) -> String {
        if self.kind != Kind::Push {
            return String::new();
        }
        let [cert, key, tokens] = ["cert.pem", "key.pem", "tokens"].map(|name| self.path(name));
        format!(
            "[push]\nlisten = \"{}\"\ncertificate = {cert:?}\nkey = {key:?}\ntokens = {tokens:?}\n",
            self.push
        )
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The list's own file, where it has one.
    pub(super) fn file(&self) -> PathBuf {
        self.path("one.txt")
    }

    /// Where issues, removals and keys are laid out.
    pub(super) fn issue_folder(&self) -> PathBuf {
        self.path("issue")
    }

    /// The manifest of an issue as this owner would sign it now.
    pub(super) fn manifest(&self, issue: &Issue) -> Manifest {
        let text = self.kind.text(&issue.names);
        let now = wall_s() + self.ahead_s;
        let secrecy = match self.kind {
            Kind::Encrypted => Secrecy::Age,
            _ => Secrecy::Open,
        };
        Manifest {
            issued: now,
            expires: now + self.good_s,
            entries: issue.names.len() as u64,
            secrecy,
            settles: issue.settles.clone(),
            ..manifest("one", issue.serial, &text)
        }
    }

    /// Publish an issue; a push goes to whoever listens.
    pub(super) fn publish(&mut self, issue: &Issue) {
        let text = self.kind.text(&issue.names).into_bytes();
        if let Some(primary) = &self.primary {
            primary.change(|zone| {
                *zone = PrimaryZone {
                    serial: issue.serial as u32,
                    names: issue.names.iter().flat_map(owners_of).collect(),
                    expire_s: ZONE_S,
                    is_down: false,
                };
            });
        }
        let manifest = self.manifest(issue);
        let note = self.kind.is_signed().then(|| {
            let mut note = Note::new(&manifest.to_text()).expect("a note");
            for signer in &issue.signers {
                note.sign(&self.keys[*signer]).expect("a signature");
            }
            note.to_string()
        });
        let entries = match self.kind {
            Kind::Encrypted => {
                let recipient = self.identity.recipient().expect("a recipient");
                encrypt(&text, &[recipient]).expect("an age file")
            }
            _ => text,
        };
        self.published = Some(Published {
            entries_file: manifest.entries_file(),
            entries,
            note,
        });
        self.lay_out();
    }

    /// Publish what was published last, once more.
    pub(super) fn lay_out(&self) {
        let Some(Published {
            entries_file,
            entries,
            note,
        }) = &self.published
        else {
            return;
        };
        match (self.kind, note) {
            (Kind::Transfer, _) => {}
            (Kind::Push, Some(note)) => {
                let entries = BASE64.encode(entries);
                let body = serde_json::json!({ "manifest": note, "entries": entries });
                self.put_to_listener("", &body.to_string());
            }
            (_, None) => put(&self.file(), entries),
            (_, Some(note)) => {
                put(&self.issue_folder().join(entries_file), entries);
                put(&self.issue_folder().join("one.manifest"), note.as_bytes());
            }
        }
    }

    /// Hand out removals, all that have not ended in one file.
    pub(super) fn hand_out_removals(&self, removals: &[CarriedRemoval]) {
        let text: String = removals.iter().map(CarriedRemoval::to_text).collect();
        match self.kind {
            Kind::Push => self.put_to_listener("/removal", &text),
            _ => put(&self.issue_folder().join("one.removal"), text.as_bytes()),
        }
    }

    /// Hand out a chain of keys: that from now on this key alone signs.
    pub(super) fn hand_out_keys(&self, key: usize) {
        let old = self.keys[0].public();
        let chain = KeyChain::start("one", &[old], 1);
        let link = KeyLink {
            list: "one".to_owned(),
            number: 1,
            origin: chain.origin(),
            issued: wall_s() + self.ahead_s,
            threshold: 1,
            keys: vec![self.keys[key].public()],
            revoked: vec![],
        };
        let mut note = Note::new(&link.to_text()).expect("a note");
        for key in [0, key] {
            note.sign(&self.keys[key]).expect("a signature");
        }
        let chain = write_chain(&[note]);
        match self.kind {
            Kind::Push => self.put_to_listener("/keys", &chain),
            _ => put(&self.issue_folder().join("one.keys"), chain.as_bytes()),
        }
    }

    /// A removal's note as it travels: encrypted where the list is.
    pub(super) fn carry(&self, note: Note) -> CarriedRemoval {
        if self.kind != Kind::Encrypted {
            return CarriedRemoval::Open(note);
        }
        let recipient = self.identity.recipient().expect("a recipient");
        let sealed = encrypt(note.to_string().as_bytes(), &[recipient]).expect("an age file");
        CarriedRemoval::Sealed(armor(&sealed))
    }

    fn put_to_listener(&self, part: &str, body: &str) {
        // Nobody listens while the program is down: what is pushed then is lost.
        if TcpStream::connect(self.push).is_err() {
            return;
        }
        let path = format!("/v1/lists/one{part}");
        let reply = request(self.push, TOKEN, "PUT", &path, body);
        assert!(reply.starts_with("HTTP/1.1 20"), "{reply}");
    }

    /// Nothing comes any more.
    pub(super) fn go_away(&self) {
        match self.kind {
            Kind::Transfer => self.set_primary_down(true),
            Kind::Pull => self.web.as_ref().expect("a server").go_down(),
            Kind::Push => {}
            kind if kind.is_file() => fs::remove_file(self.file()).expect("a file"),
            _ => {
                fs::remove_dir_all(self.issue_folder()).expect("a folder");
            }
        }
    }

    /// What was published last is there again; who pushes waits for the next issue.
    pub(super) fn come_back(&self) {
        match self.kind {
            Kind::Push => return,
            Kind::Transfer => self.set_primary_down(false),
            Kind::Pull => self.web.as_ref().expect("a server").come_back(),
            Kind::Folder | Kind::Encrypted => {
                fs::create_dir(self.issue_folder()).expect("a folder");
            }
            _ => {}
        }
        self.lay_out();
    }

    fn set_primary_down(&self, is_down: bool) {
        let primary = self.primary.as_ref().expect("a primary");
        primary.change(|zone| zone.is_down = is_down);
    }

    /// For how long the zone may be believed without a word from its primary.
    pub(super) fn set_zone_expiry(&self, expire_s: u32) {
        let primary = self.primary.as_ref().expect("a primary");
        primary.change(|zone| {
            (zone.expire_s, zone.serial) = (expire_s, zone.serial + 1);
        });
    }
}

/// Replace a file with one rename.
pub(super) fn put(to: &Path, text: &[u8]) {
    let beside = to.with_extension("part");
    fs::write(&beside, text).expect("a file");
    fs::rename(beside, to).expect("a file");
}
