//! `wardline list push DIR URL…`: sends an issue to resolvers and waits for the receipts that prove
//! it is applied; or a removal.

mod arrival;
use arrival::{Arrival, describe};

mod client;
use super::super::failure::CommandFailure;
use super::super::files::read;
use super::super::key_file::read_public;
use super::super::output::{Style, print, print_json, time};
use super::desk::{Desk, Issue};
use super::removals;
use crate::clock::{monotonic, since_epoch, wall_s};
use crate::list::manifest::Manifest;
use crate::list::receipt::Receipt;
use crate::list::removal::CarriedRemoval;
use crate::seal::{Note, VerifyKey};
use client::{Parcel, PushClient, printable};
use data_encoding::BASE64;
use indicatif::ProgressBar;
use std::path::PathBuf;
use std::time::Duration;

const POLL_FIRST: Duration = Duration::from_millis(20);
const POLL_LAST: Duration = Duration::from_secs(1);

/// How long a resolver that says the same as before the push may take to judge the issue.
const REFUSED_AGAIN: Duration = Duration::from_secs(10);

#[derive(Debug, clap::Args)]
pub(in crate::commands) struct Args {
    /// The list's folder.
    folder: PathBuf,
    /// A resolver's push listener: https://resolver.example:8443
    #[arg(required = true, value_name = "URL")]
    urls: Vec<String>,
    /// The file with the token that the listeners ask for.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The certificates of the authorities that vouch for the listeners; without it those that the
    /// system trusts.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The public key that a resolver signs its receipts with, besides those in list.toml; once for
    /// each.
    #[arg(long = "receipt-key", value_name = "PUBLIC")]
    receipt_keys: Vec<String>,
    /// Wait for receipts for so many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    wait: u64,
    /// Send the emergency removals that have not run out rather than the issue; they are live with
    /// the resolver's answer, and there is no receipt for them.
    #[arg(long)]
    removal: bool,
}

/// What is sent, and what proves that it arrived.
struct Shipment {
    list: String,
    /// The chain of keys, which goes first; nothing where the keys never changed.
    keys: Option<Vec<u8>>,
    load: Load,
    receipt_keys: Vec<VerifyKey>,
    started_ms: i64,
    wait: Duration,
}

enum Load {
    /// The emergency removals as they travel, the newest first.
    Removals(Vec<String>),
    /// The parcel's JSON, and the manifest that a receipt must speak of.
    Issue(Vec<u8>, Box<Manifest>),
}

/// A resolver's listener, and where the list stands on it.
struct PushTarget<'a> {
    url: &'a str,
    place: String,
}

pub(super) fn run(args: &Args, style: Style) -> Result<(), CommandFailure> {
    let shipment = pack(args)?;
    let client = PushClient::new(args.ca.as_deref(), args.token_file.as_deref())?;
    // Drawn on a terminal alone.
    let progress = ProgressBar::new(args.urls.len() as u64);
    let arrivals: Vec<Arrival> = std::thread::scope(|scope| {
        let send = |url| {
            let (client, shipment, progress) = (&client, &shipment, &progress);
            scope.spawn(move || {
                let arrival = deliver(client, shipment, url);
                progress.inc(1);
                arrival
            })
        };
        let threads: Vec<_> = args.urls.iter().map(|url| (url, send(url))).collect();
        let lost = |url: &str| {
            Arrival::failed(
                url,
                "failed: the thread that spoke to it broke off".to_owned(),
            )
        };
        threads
            .into_iter()
            .map(|(url, thread)| thread.join().unwrap_or_else(|_| lost(url)))
            .collect()
    });
    progress.finish_and_clear();
    match style {
        Style::Text => print(&describe(&arrivals))?,
        Style::Json => print_json(&arrivals)?,
    }
    let missing = arrivals
        .iter()
        .filter(|arrival| !arrival.is_applied)
        .count();
    if missing == 0 {
        Ok(())
    } else {
        Err(CommandFailure::Failed(format!(
            "not applied by {missing} of {} resolvers",
            arrivals.len()
        )))
    }
}

/// Gather what is to be sent; refuses here what every resolver would refuse.
fn pack(args: &Args) -> Result<Shipment, CommandFailure> {
    let desk = Desk::open(&args.folder)?;
    let list = desk.settings.id.clone();
    let given = desk.settings.receipt_keys.iter().chain(&args.receipt_keys);
    let receipt_keys = given
        .map(|key| read_public(key))
        .collect::<Result<Vec<_>, _>>()?;
    let load = if args.removal {
        let none = || {
            CommandFailure::Failed(
                "there is no removal that holds now: `wardline list remove --now` makes one"
                    .to_owned(),
            )
        };
        Load::Removals(read_removals(&desk)?.ok_or_else(none)?)
    } else if receipt_keys.is_empty() {
        let why = "no receipt can be checked: give the resolvers' public keys with --receipt-key \
                   or in list.toml";
        return Err(CommandFailure::Usage(why.to_owned()));
    } else {
        let (parcel, manifest) = pack_issue(&desk)?;
        Load::Issue(parcel, Box::new(manifest))
    };
    let started_ms = i64::try_from(since_epoch().as_millis()).unwrap_or(i64::MAX);
    let chain = desk.chain_place();
    let keys = chain.exists().then(|| read(&chain)).transpose()?;
    Ok(Shipment {
        list,
        keys,
        load,
        receipt_keys,
        started_ms,
        wait: Duration::from_secs(args.wait),
    })
}

fn pack_issue(desk: &Desk) -> Result<(Vec<u8>, Manifest), CommandFailure> {
    let unissued =
        || CommandFailure::Failed("nothing is issued yet: `wardline list sign` does it".to_owned());
    let Issue { note, manifest } = desk.issue()?.ok_or_else(unissued)?;
    let place = desk.handed_out(&Manifest::file(&manifest.list));
    let signers = note
        .signers(&desk.keys)
        .map_err(|error| CommandFailure::Failed(format!("{}: {error}", place.display())))?;
    let needed = desk.signatures;
    if signers.len() < needed {
        let what = format!(
            "signed by {} of {needed} keys: it needs more signatures",
            signers.len()
        );
        return Err(CommandFailure::Failed(format!(
            "{}: {what}",
            place.display()
        )));
    }
    let entries = BASE64.encode(&read(&desk.handed_out(&manifest.entries_file()))?);
    let parcel = serde_json::to_vec(&Parcel {
        manifest: note.to_string(),
        entries,
    });
    Ok((
        parcel.map_err(|error| {
            CommandFailure::Failed(format!("no JSON can be made of it: {error}"))
        })?,
        manifest,
    ))
}

/// The removals that are handed out and have not run out; nothing where there is none.
fn read_removals(desk: &Desk) -> Result<Option<Vec<String>>, CommandFailure> {
    let (known, now) = (removals::known(desk)?, wall_s());
    let mut all = removals::handed_out(desk)?;
    all.retain(|carried| {
        known
            .get(&carried.known_by())
            .is_some_and(|removal| !removal.is_over_at(now))
    });
    let texts: Vec<String> = all.iter().rev().map(CarriedRemoval::to_text).collect();
    Ok((!texts.is_empty()).then_some(texts))
}

/// What texts are sent as.
const TEXT: &str = "text/plain; charset=utf-8";

/// Send removals, each by itself.
fn deliver_removals(client: &PushClient, removals: &[String], place: &str, url: &str) -> Arrival {
    for removal in removals {
        if let Err(error) = client.put(&format!("{place}/removal"), TEXT, removal.as_bytes()) {
            return Arrival::failed(url, format!("refused: {error}"));
        }
    }
    Arrival {
        is_applied: true,
        ..Arrival::failed(url, "removed".to_owned())
    }
}

fn deliver(client: &PushClient, shipment: &Shipment, url: &str) -> Arrival {
    let place = format!("{}/v1/lists/{}", url.trim_end_matches('/'), shipment.list);
    if let Some(keys) = &shipment.keys
        && let Err(error) = client.put(&format!("{place}/keys"), TEXT, keys)
    {
        return Arrival::failed(url, format!("refused: the chain of keys: {error}"));
    }
    let (parcel, manifest) = match &shipment.load {
        Load::Removals(removals) => return deliver_removals(client, removals, &place, url),
        Load::Issue(parcel, manifest) => (parcel, manifest),
    };
    // What the resolver said of an older issue must not be taken for its word on this one.
    let before = client
        .standing(&place)
        .ok()
        .and_then(|standing| standing.message);
    match client.put(&place, "application/json", parcel) {
        Err(error) => Arrival::failed(url, format!("refused: {error}")),
        Ok(()) => await_receipt(
            client,
            shipment,
            manifest,
            before.as_deref(),
            &PushTarget { url, place },
        ),
    }
}

/// Ask until a receipt proves that the issue is applied, the resolver refuses it, or the patience
/// ends. `before` is what the resolver said before it had the issue: the same word again may be the
/// old one, and gets some time to change.
fn await_receipt(
    client: &PushClient,
    shipment: &Shipment,
    manifest: &Manifest,
    before: Option<&str>,
    target: &PushTarget<'_>,
) -> Arrival {
    let start = monotonic();
    let mut pause = POLL_FIRST;
    loop {
        let mut arrival = Arrival::failed(target.url, String::new());
        let mut patience = shipment.wait;
        match client.standing(&target.place) {
            Err(error) => arrival.state = format!("sent, then: {error}"),
            Ok(standing) => {
                arrival.serial = standing.serial;
                let receipt = standing
                    .receipt
                    .map(|text| check_receipt(&text, manifest, &shipment.receipt_keys));
                match (receipt, standing.message) {
                    (Some(Ok(receipt)), _) => {
                        return arrival.proven_by(receipt, shipment.started_ms);
                    }
                    (_, Some(message)) => {
                        let ours = manifest.hash().to_string();
                        patience = patience.min(match standing.refused {
                            Some(refused) if refused == ours => Duration::ZERO,
                            // What it says is about another issue.
                            Some(_) => patience,
                            None if before == Some(message.as_str()) => REFUSED_AGAIN,
                            None => Duration::ZERO,
                        });
                        arrival.state = format!("refused: {}", printable(&message));
                    }
                    _ if standing.shadow_until.is_some() => {
                        arrival.state = format!(
                            "in shadow until {}",
                            standing.shadow_until.map(time).unwrap_or_default()
                        );
                    }
                    (Some(Err(why)), None) => arrival.state = why,
                    (None, None) => {
                        arrival.state = standing
                            .state
                            .map_or_else(|| "no receipt".to_owned(), |state| printable(&state))
                    }
                }
            }
        }
        if start.elapsed() + pause > patience {
            return arrival;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(POLL_LAST);
    }
}

/// Is it a receipt of a resolver that we know, for the issue that we sent, with every probe
/// answered right?
fn check_receipt(text: &str, manifest: &Manifest, keys: &[VerifyKey]) -> Result<Receipt, String> {
    let note = Note::parse(text.as_bytes()).map_err(|error| format!("receipt: {error}"))?;
    let signers = note
        .signers(keys)
        .map_err(|error| format!("receipt: {error}"))?;
    let receipt = Receipt::parse(note.text()).map_err(|fault| format!("receipt: {fault}"))?;
    if !signers
        .iter()
        .any(|signer| signer.name() == receipt.resolver)
    {
        return Err("receipt: not signed by a resolver that we know".to_owned());
    }
    if receipt.list != manifest.list
        || receipt.manifest != manifest.hash()
        || receipt.entries != manifest.sha256
    {
        return Err(format!("receipt is for serial {}", receipt.serial));
    }
    if receipt
        .term
        .is_some_and(|term| term.issued != manifest.issued)
    {
        return Err("receipt: it counts from another time than the issue was made at".to_owned());
    }
    if !receipt.is_proof() {
        return Err(format!(
            "receipt: {} of {} probes were answered right",
            receipt.probes_right, receipt.probes
        ));
    }
    Ok(receipt)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::Hash;
    use crate::list::manifest::{ListAction, ManifestBasis, Secrecy, Settlement};
    use crate::list::receipt::ReceiptTerm;
    use crate::seal::SigningKey;

    fn manifest() -> Manifest {
        Manifest {
            list: "example".to_owned(),
            authority: "Example Authority".to_owned(),
            basis: ManifestBasis::Law,
            legal_basis: "Example Act".to_owned(),
            action: ListAction::StopPage,
            serial: 7,
            issued: 0,
            expires: 1,
            previous: None,
            entries: 2,
            sha256: Hash::of(b"entries"),
            test_entry: None,
            secrecy: Secrecy::Open,
            settles: Settlement::ByDate,
        }
    }

    fn receipt() -> Receipt {
        Receipt {
            resolver: "ns1.example".to_owned(),
            list: "example".to_owned(),
            serial: 7,
            manifest: manifest().hash(),
            entries: manifest().sha256,
            received_ms: 1,
            verified_ms: 2,
            live_ms: 3,
            probed_ms: 4,
            generation: 1,
            probes: 3,
            probes_right: 3,
            term: None,
        }
    }

    #[test]
    fn only_a_receipt_for_this_issue_by_that_resolver_is_proof() {
        let (one, other) = (
            SigningKey::generate("ns1.example").unwrap(),
            SigningKey::generate("ns2.example").unwrap(),
        );
        let keys = [one.public(), other.public()];
        let check = |receipt: &Receipt, key: &SigningKey| {
            let mut note = Note::new(&receipt.to_text()).unwrap();
            note.sign(key).unwrap();
            check_receipt(&note.to_string(), &manifest(), &keys)
        };
        assert_eq!(check(&receipt(), &one), Ok(receipt()));
        let why = |receipt: Receipt, key: &SigningKey| check(&receipt, key).unwrap_err();
        assert_eq!(
            why(receipt(), &other),
            "receipt: not signed by a resolver that we know"
        );
        assert_eq!(
            why(
                Receipt {
                    serial: 6,
                    manifest: Hash::of(b"old"),
                    ..receipt()
                },
                &one
            ),
            "receipt is for serial 6"
        );
        assert_eq!(
            why(
                Receipt {
                    probes_right: 2,
                    ..receipt()
                },
                &one
            ),
            "receipt: 2 of 3 probes were answered right"
        );
        let with_term = |issued| Receipt {
            term: Some(ReceiptTerm {
                issued,
                apply_within_s: 60,
            }),
            ..receipt()
        };
        let issued = manifest().issued;
        assert_eq!(
            why(with_term(issued + 1), &one),
            "receipt: it counts from another time than the issue was made at"
        );
        let mut note = Note::new(&receipt().to_text()).unwrap();
        note.sign(&one).unwrap();
        let forged = note.to_string().replacen("serial: 7", "serial: 8", 1);
        assert!(
            check_receipt(&forged, &manifest(), &keys)
                .unwrap_err()
                .contains("signature 1 does not hold")
        );
    }
}
