//! `wardline servers`, `upstreams`, `anchors` and `questions`: how what stands outside stands, each
//! on a screen of its own.

use super::ask::{Asking, check_name};
use super::failure::CommandFailure;
use super::lookup_steps::describe_server;
use super::output::{TextColumn, count, number, table, time};
use super::status::{describe_anchor, span};
use crate::control::{
    AnchorsReply, ControlReply, NegativeAnchorOrigin, QuestionsReply, Request, ServersReply,
    UpstreamsReply,
};

/// `wardline servers ZONE`.
pub(super) fn servers(asking: &Asking, zone: &str) -> Result<(), CommandFailure> {
    check_name(zone)?;
    let request = Request::Servers {
        zone: zone.to_owned(),
    };
    let text = |reply: &ControlReply| match reply {
        ControlReply::Servers(reply) => Some(describe_servers(reply)),
        _ => None,
    };
    asking.ask(&request, text).map(drop)
}

/// `wardline upstreams`.
pub(super) fn upstreams(asking: &Asking) -> Result<(), CommandFailure> {
    let text = |reply: &ControlReply| match reply {
        ControlReply::Upstreams(reply) => Some(describe_upstreams(reply)),
        _ => None,
    };
    asking.ask(&Request::Upstreams, text).map(drop)
}

/// `wardline anchors`.
pub(super) fn anchors(asking: &Asking) -> Result<(), CommandFailure> {
    let text = |reply: &ControlReply| match reply {
        ControlReply::Anchors(reply) => Some(describe_anchors(reply)),
        _ => None,
    };
    asking.ask(&Request::Anchors, text).map(drop)
}

/// `wardline questions`.
pub(super) fn questions(asking: &Asking) -> Result<(), CommandFailure> {
    let text = |reply: &ControlReply| match reply {
        ControlReply::Questions(reply) => Some(describe_questions(reply)),
        _ => None,
    };
    asking.ask(&Request::Questions, text).map(drop)
}

fn describe_servers(reply: &ServersReply) -> String {
    let Some(known) = &reply.known else {
        return format!(
            "{}: resolvers are asked about it: `wardline upstreams` shows them\n",
            reply.asked
        );
    };
    let mut lines = Vec::new();
    if known.zone != reply.asked {
        lines.push(format!(
            "{}: no delegation is known; the closest zone that is:",
            reply.asked
        ));
    }
    let left = known.left_s.map_or_else(
        || "always known".to_owned(),
        |left_s| format!("known for {} more", span(left_s.try_into().unwrap_or(0))),
    );
    let signed = match known.is_signed {
        Some(true) => ", signed",
        Some(false) => ", not signed",
        None => "",
    };
    lines.push(format!("{}  {left}{signed}", known.zone));
    lines.extend(
        known
            .servers
            .iter()
            .map(|server| format!("  {}", describe_server(server))),
    );
    let nowhere = known.without_address.iter();
    lines.extend(nowhere.map(|name| format!("  {name}: no address is known yet")));
    lines.join("\n") + "\n"
}

fn describe_upstreams(reply: &UpstreamsReply) -> String {
    if reply.upstreams.is_empty() {
        return "no resolvers are asked: the authorities are\n".to_owned();
    }
    let columns = [
        TextColumn::Left("UPSTREAM"),
        TextColumn::Left("ZONE"),
        TextColumn::Left("STATE"),
        TextColumn::Right("USUALLY"),
        TextColumn::Right("ASKED"),
        TextColumn::Right("FAILED"),
        TextColumn::Right("IN A ROW"),
        TextColumn::Right("UNDER WAY"),
    ];
    let rows = reply.upstreams.iter().map(|upstream| {
        let state = match upstream.down_since {
            Some(since) => format!("passed over since {}", time(since)),
            None if upstream.is_up => "up".to_owned(),
            None => "passed over".to_owned(),
        };
        let tcp = if upstream.needs_tcp { ", TCP too" } else { "" };
        vec![
            upstream.address.clone(),
            upstream.zone.clone().unwrap_or_else(|| "all".to_owned()),
            format!("{state}{tcp}"),
            format!("{:.1} ms", f64::from(upstream.usual_us) / 1e3),
            number(upstream.asked),
            number(upstream.failed),
            upstream.failures_in_a_row.to_string(),
            upstream.under_way.to_string(),
        ]
    });
    table(&columns, &rows.collect::<Vec<_>>())
}

fn describe_anchors(reply: &AnchorsReply) -> String {
    let mut lines: Vec<String> = Vec::new();
    if reply.anchors.is_empty() {
        lines.push("no trust anchors: no signatures are checked here".to_owned());
    }
    for anchor in &reply.anchors {
        lines.push(format!("anchor    {}", describe_anchor(anchor).1));
        let fault = anchor.fault.iter();
        lines.extend(fault.map(|fault| format!("  ALARM: its zone's keys: {fault}")));
    }
    lines.extend(reply.negative.iter().map(|negative| {
        let origin = match negative.origin {
            NegativeAnchorOrigin::Configuration => "of the configuration",
            NegativeAnchorOrigin::Zone => "a zone with `validate = false`",
            NegativeAnchorOrigin::Temporary => "until the next start",
        };
        format!("negative  {} {origin}", negative.name)
    }));
    lines.join("\n") + "\n"
}

fn describe_questions(reply: &QuestionsReply) -> String {
    let mut lines = vec![format!(
        "{} under way, {} waiting for them",
        count(reply.under_way, "question"),
        count(reply.waiting, "client")
    )];
    lines.extend(
        reply
            .oldest_ms
            .map(|ms| format!("the oldest came {:.1} s ago", ms as f64 / 1e3)),
    );
    let mut tops: Vec<_> = reply.by_top_level.iter().collect();
    tops.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let asked: u64 = reply.others + tops.iter().map(|(_, count)| **count).sum::<u64>();
    if asked > 0 {
        lines.push(format!(
            "servers are being asked for {}:",
            count(asked, "name")
        ));
        lines.extend(
            tops.iter()
                .map(|(top, count)| format!("  {} below {top}", number(**count))),
        );
        if reply.others > 0 {
            lines.push(format!("  {} elsewhere", number(reply.others)));
        }
    }
    if reply.in_fullest_zone > 0 {
        lines.push(format!(
            "the zone in which most wait has {} of at most {}",
            number(reply.in_fullest_zone.into()),
            number(reply.in_zone_max.into())
        ));
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::control::{NegativeAnchorStatus, UpstreamStatus};
    use crate::resolve::{AnchorStatus, KeyState, ServerStanding, ZoneStanding};

    fn server() -> ServerStanding {
        ServerStanding {
            name: Some("ns1.example.".to_owned()),
            address: ([192, 0, 2, 1], 53).into(),
            round_trip_us: Some(12_300),
            silences: 8,
            silent_for_s: Some(70),
            left_alone_for_s: Some(3),
            lame_since: Some(0),
            tcp_alone_for_s: Some(5),
            no_edns_for_s: Some(6),
            is_respelling: true,
            under_way: 2,
        }
    }

    #[test]
    fn servers_and_what_is_wrong_with_them_are_shown() {
        let known = ZoneStanding {
            zone: "example.".to_owned(),
            left_s: Some(61),
            is_signed: Some(true),
            servers: vec![server()],
            without_address: vec!["ns2.elsewhere.".to_owned()],
        };
        let reply = ServersReply {
            asked: "www.example.".to_owned(),
            known: Some(known),
        };
        let expected = "\
www.example.: no delegation is known; the closest zone that is:
example.  known for 1 min 1 s more, signed
  192.0.2.1:53, ns1.example., 12.3 ms, silent 8 times in a row, for 70 s, left alone for 3 s, \
lame since 1970-01-01T00:00:00Z, over TCP alone for 5 s, without EDNS for 6 s, asked in lower case, \
2 under way
  ns2.elsewhere.: no address is known yet
";
        assert_eq!(describe_servers(&reply), expected);
        let forwarded = ServersReply {
            known: None,
            ..reply
        };
        assert!(describe_servers(&forwarded).contains("wardline upstreams"));
    }

    #[test]
    fn upstreams_and_anchors_are_shown() {
        let upstream = UpstreamStatus {
            address: "192.0.2.53:53".to_owned(),
            zone: None,
            is_up: false,
            asked: 1_200,
            failed: 3,
            down_since: Some(0),
            failures_in_a_row: 3,
            usual_us: 10_500,
            needs_tcp: true,
            under_way: 1,
        };
        let text = describe_upstreams(&UpstreamsReply {
            upstreams: vec![upstream],
        });
        let row = "192.0.2.53:53  all   passed over since 1970-01-01T00:00:00Z, TCP too  10.5 ms  \
                   1,200       3         3          1";
        assert_eq!(text.lines().nth(1), Some(row));
        let anchor = AnchorStatus {
            zone: ".".to_owned(),
            key_tag: 20_326,
            algorithm: 8,
            state: Some(KeyState::Valid),
            since: 0,
            left_s: None,
            fault: Some("no server answered in time".to_owned()),
        };
        let negative = NegativeAnchorStatus {
            name: "broken.example.".to_owned(),
            origin: NegativeAnchorOrigin::Temporary,
        };
        let text = describe_anchors(&AnchorsReply {
            anchors: vec![anchor],
            negative: vec![negative],
        });
        let expected = "\
anchor    . 20326 valid
  ALARM: its zone's keys: no server answered in time
negative  broken.example. until the next start
";
        assert_eq!(text, expected);
        let none = describe_upstreams(&UpstreamsReply { upstreams: vec![] });
        assert!(none.contains("authorities"), "{none}");
    }

    #[test]
    fn questions_are_counted_and_not_named() {
        let reply = QuestionsReply {
            under_way: 2_030,
            waiting: 1,
            oldest_ms: Some(3_940),
            by_top_level: BTreeMap::from([("com".to_owned(), 2_000), ("org".to_owned(), 12)]),
            others: 3,
            in_fullest_zone: 190,
            in_zone_max: 200,
        };
        let expected = "\
2,030 questions under way, 1 client waiting for them
the oldest came 3.9 s ago
servers are being asked for 2,015 names:
  2,000 below com
  12 below org
  3 elsewhere
the zone in which most wait has 190 of at most 200
";
        assert_eq!(describe_questions(&reply), expected);
        let none = describe_questions(&QuestionsReply::default());
        assert_eq!(none, "0 questions under way, 0 clients waiting for them\n");
    }
}
