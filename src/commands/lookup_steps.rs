//! The steps of a resolution, a line or two each, for people.

use super::output::{count, time};
use crate::resolve::{
    ExchangeOutcome, ExchangeStep, KeysKnownBy, ReplySeen, ServerStanding, TcpReason, TraceEvent,
    TraceStep, rcode_name,
};

/// Servers of a zone that are shown on a line each.
const SERVERS_SHOWN: usize = 6;

/// One step, indented.
pub(super) fn describe_step(step: &TraceStep) -> String {
    let at = format!("  {:>9.3} ms  ", step.at_us as f64 / 1e3);
    let beneath = format!("\n{}", " ".repeat(at.len() + 2));
    let lines = describe_event(&step.event);
    format!("{at}{}", lines.join(&beneath))
}

fn describe_event(event: &TraceEvent) -> Vec<String> {
    let line = match event {
        TraceEvent::Question { name, rtype } => format!("looks for {name} {rtype}"),
        TraceEvent::Kept {
            name,
            rtype,
            zone,
            age_s,
            left_s,
            sets,
        } => {
            let what = if *sets == 0 { "a denial" } else { "an answer" };
            let left = left_s.map_or_else(String::new, |left_s| format!(", {left_s} s left"));
            format!("{name} {rtype}: {what} of the servers of {zone} is kept since {age_s} s{left}")
        }
        TraceEvent::Start {
            name,
            rtype,
            zone,
            left_s,
        } => {
            let left = left_s.map_or_else(String::new, |left_s| {
                format!(", whose delegation holds for {left_s} s more")
            });
            format!("the way to {name} {rtype} begins at {zone}{left}")
        }
        TraceEvent::Zone {
            zone,
            servers,
            names,
        } => return describe_zone(zone, servers, names),
        TraceEvent::Exchange(exchange) => return describe_exchange(exchange),
        TraceEvent::RootCopy {
            name,
            rtype,
            outcome,
        } => format!(
            "{name} {rtype}: from the root's copy: {}",
            describe_outcome(outcome)
        ),
        TraceEvent::Address { server } => format!("looks for the address of the server {server}"),
        TraceEvent::Retry { why } => format!("tries again: {why}"),
        TraceEvent::Alias { name, target } => format!("{name} is an alias of {target}"),
        _ => describe_validation(event),
    };
    vec![line]
}

fn describe_validation(event: &TraceEvent) -> String {
    match event {
        TraceEvent::Signature {
            name,
            rtype,
            zone,
            key_tag,
            algorithm,
            fault,
        } => match (key_tag, algorithm, fault) {
            (Some(tag), Some(algorithm), _) => {
                format!("{name} {rtype}: signed by {zone}, key {tag}, algorithm {algorithm}")
            }
            (_, _, fault) => {
                let fault = fault.as_deref().unwrap_or_default();
                format!("{name} {rtype}: no signature of {zone} holds: {fault}")
            }
        },
        TraceEvent::Keys {
            zone,
            by,
            key_tags,
            insecure,
        } => {
            let by = match by {
                KeysKnownBy::Kept => "from before",
                KeysKnownBy::Anchor => "by a trust anchor",
                KeysKnownBy::Parent => "by the zone above",
            };
            match insecure {
                Some(why) => format!("zone {zone} is insecure ({by}): {why}"),
                None => format!("keys of {zone} ({by}): {}", tags(key_tags)),
            }
        }
        TraceEvent::Delegation {
            child,
            ds_tags,
            meaning,
        } if ds_tags.is_empty() => format!("the delegation of {child}: {meaning}"),
        TraceEvent::Delegation { child, ds_tags, .. } => {
            format!("the delegation of {child}: signed, DS {}", tags(ds_tags))
        }
        TraceEvent::Proof { name, rtype } => {
            format!("{name} {rtype}: a proof seen before answers (RFC 8198)")
        }
        TraceEvent::Verdict {
            name,
            rtype,
            verdict,
            ede,
        } => format!("{name} {rtype}: {verdict}{}", describe_ede(*ede)),
        TraceEvent::Failure { why, ede } => {
            format!("no answer: {why}{}", describe_ede(Some(*ede)))
        }
        _ => String::new(),
    }
}

fn describe_ede(ede: Option<u16>) -> String {
    ede.map_or_else(String::new, |code| format!(" (extended error {code})"))
}

fn tags(tags: &[u16]) -> String {
    let tags: Vec<String> = tags.iter().map(u16::to_string).collect();
    tags.join(", ")
}

fn describe_zone(zone: &str, servers: &[ServerStanding], names: &[String]) -> Vec<String> {
    let mut lines = vec![format!("servers of {zone}:")];
    lines.extend(servers.iter().take(SERVERS_SHOWN).map(describe_server));
    if servers.len() > SERVERS_SHOWN {
        lines.push(format!("and {} more", servers.len() - SERVERS_SHOWN));
    }
    if servers.is_empty() {
        lines.push("none whose address is known and may be asked".to_owned());
    }
    if servers.is_empty() && !names.is_empty() {
        lines.push(format!("addresses can be looked for: {}", names.join(", ")));
    }
    lines
}

/// A server on a line: who it is, how quick it is, and what is wrong with it.
pub(super) fn describe_server(server: &ServerStanding) -> String {
    let mut words = vec![server.address.to_string()];
    words.extend(server.name.clone());
    words.push(server.round_trip_us.map_or_else(
        || "never heard".to_owned(),
        |us| format!("{:.1} ms", f64::from(us) / 1e3),
    ));
    words.extend(match server.silences {
        0 => None,
        1 => Some("silent once".to_owned()),
        more => Some(format!("silent {more} times in a row")),
    });
    let for_s = |what: &str, s: Option<u64>| s.map(|s| format!("{what} {s} s"));
    words.extend(for_s("for", server.silent_for_s));
    words.extend(for_s("left alone for", server.left_alone_for_s));
    let lame = server.lame_since;
    words.extend(lame.map(|since| format!("lame since {}", time(since))));
    words.extend(for_s("over TCP alone for", server.tcp_alone_for_s));
    words.extend(for_s("without EDNS for", server.no_edns_for_s));
    if server.is_respelling {
        words.push("asked in lower case".to_owned());
    }
    if server.under_way > 0 {
        words.push(format!("{} under way", server.under_way));
    }
    words.join(", ")
}

fn describe_exchange(exchange: &ExchangeStep) -> Vec<String> {
    let mut over = Vec::new();
    for (count, transport) in [
        (exchange.udp, "UDP"),
        (exchange.tcp, "TCP"),
        (exchange.tls, "TLS"),
    ] {
        match count {
            0 => {}
            1 => over.push(transport.to_owned()),
            more => over.push(format!("{transport} \u{d7} {more}")),
        }
    }
    let over = if over.is_empty() {
        "nothing sent".to_owned()
    } else {
        over.join(" and ")
    };
    let edns = if exchange.edns { "" } else { ", without EDNS" };
    let zone = exchange
        .zone
        .as_ref()
        .map_or_else(String::new, |zone| format!(" for {zone}"));
    let mut lines = vec![format!(
        "asks {}{zone}: {} {} ({over}{edns}, {:.1} ms)",
        exchange.server,
        exchange.name,
        exchange.rtype,
        exchange.took_us as f64 / 1e3
    )];
    lines.extend(exchange.tcp_why.map(|why| {
        let why = match why {
            TcpReason::Truncated => "the reply over UDP was cut short",
            TcpReason::Respelled => "the name came back in another spelling",
            TcpReason::NearMiss => "something came that almost matches, as of somebody who guesses",
            TcpReason::SilentUdp => "UDP does not seem to get through: both at once",
        };
        format!("over TCP: {why}")
    }));
    let said = exchange.reply.as_ref().map(describe_seen);
    let outcome = describe_outcome(&exchange.outcome);
    lines.push(said.map_or_else(|| outcome.clone(), |said| format!("{said}: {outcome}")));
    lines
}

fn describe_seen(seen: &ReplySeen) -> String {
    let mut words = vec![rcode_name(seen.rcode)];
    words.extend(seen.flags.iter().cloned());
    let [answer, authority, additional] = seen.counts;
    words.push(format!("{answer}/{authority}/{additional} records"));
    words.push(match seen.edns_octets {
        Some(octets) => format!("EDNS {octets}"),
        None => "no EDNS".to_owned(),
    });
    words.extend(seen.ede.iter().map(|code| format!("extended error {code}")));
    words.join(" ")
}

fn describe_outcome(outcome: &ExchangeOutcome) -> String {
    match outcome {
        ExchangeOutcome::Answer { second_hand: false } => "an answer".to_owned(),
        ExchangeOutcome::Answer { second_hand: true } => {
            "an answer that the server has from others".to_owned()
        }
        ExchangeOutcome::Alias => "an alias".to_owned(),
        ExchangeOutcome::NoData => "no such records (NODATA)".to_owned(),
        ExchangeOutcome::NoSuchName => "no such name".to_owned(),
        ExchangeOutcome::Referral {
            child,
            servers,
            is_signed,
        } => {
            let signed = match is_signed {
                Some(true) => "with DS",
                Some(false) => "with the denial of DS",
                None => "without a word on DS",
            };
            let servers = count(*servers as u64, "server");
            format!("a referral to {child}, {servers}, {signed}")
        }
        ExchangeOutcome::Apex { child } => format!("{child} is a zone of these servers"),
        ExchangeOutcome::Malformed => "USELESS: cannot be read".to_owned(),
        ExchangeOutcome::NoEdns => "USELESS: does not read EDNS or the question".to_owned(),
        ExchangeOutcome::Refuses => "USELESS: will not answer".to_owned(),
        ExchangeOutcome::Lame => "USELESS: lame, does not know the zone".to_owned(),
        ExchangeOutcome::Silent => "SILENT".to_owned(),
        ExchangeOutcome::Broken => "UNREACHABLE: the network or the host said no".to_owned(),
        ExchangeOutcome::Unsent => "NOT SENT: no way to that address".to_owned(),
        ExchangeOutcome::GivenUp => "given up: the question's time or budget was over".to_owned(),
    }
}
