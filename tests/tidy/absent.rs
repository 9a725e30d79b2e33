//! What must not be there: addresses where we count, hickory outside its place, unsafe code outside
//! one.

use super::scan::Source;
use super::{Finding, finding};

/// Modules that must not be able to say who asked.
const BLIND: [&str; 3] = ["count", "report", "store"];
/// Words that can carry a client's address.
const ADDRESSES: [&str; 12] = [
    "IpAddr",
    "Ipv4Addr",
    "Ipv6Addr",
    "SocketAddr",
    "SocketAddrV4",
    "SocketAddrV6",
    "SockAddr",
    "IpNet",
    "Ipv4Net",
    "Ipv6Net",
    "ipnet",
    "prefix_trie",
];
/// Where hickory may be named: its records and signatures are the words that iterating and
/// validating are written in. The rest of the program speaks of octets, so that a new hickory
/// touches one module.
const HICKORY: &str = "src/resolve/";
/// The batched socket calls.
const UNSAFE: &str = "src/serve/kernel.rs";

pub(super) fn check(source: &Source) -> Vec<Finding> {
    let mut findings = addresses(source);
    findings.extend(hickory(source));
    findings.extend(unsafe_code(source));
    findings
}

fn addresses(source: &Source) -> Vec<Finding> {
    let tokens = source.tokens();
    if !source
        .modules()
        .first()
        .is_some_and(|module| BLIND.contains(module))
    {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let near = |offset: isize| {
            at.checked_add_signed(offset)
                .and_then(|at| tokens.get(at))
                .map_or("", |token| token.text)
        };
        let in_path = near(-1) == "::"
            || near(1) == "::"
            || (matches!(near(-1), "{" | ",") && matches!(near(1), "}" | ","));
        let is_client = token.text == "client"
            && matches!((near(-2), near(-1)), ("policy", "::") | ("::", "{"));
        if ADDRESSES.contains(&token.text)
            || token.text.starts_with("sockaddr")
            || (token.text == "net" && in_path)
            || is_client
        {
            let what = format!("`{}` in a module that must not know who asked", token.text);
            findings.push(finding(
                source,
                token.line,
                &what,
                "leave addresses to policy::client and the doors",
            ));
        }
    }
    findings
}

/// `tests` modules may use hickory as their oracle.
fn hickory(source: &Source) -> Vec<Finding> {
    if source.path.starts_with(HICKORY) {
        return Vec::new();
    }
    let tests_from = source.tests_from().unwrap_or(usize::MAX);
    let named = source
        .tokens()
        .into_iter()
        .filter(|token| token.text.starts_with("hickory_") && token.line < tests_from);
    let remedy = "put it behind src/resolve/";
    named
        .map(|token| {
            finding(
                source,
                token.line,
                &format!("`{}` is named", token.text),
                remedy,
            )
        })
        .collect()
}

fn unsafe_code(source: &Source) -> Vec<Finding> {
    let tokens = source.tokens();
    let mut findings = Vec::new();
    for pair in tokens.windows(2).filter(|pair| pair[0].text == "unsafe") {
        let line = pair[0].line;
        if source.path != UNSAFE {
            findings.push(finding(
                source,
                line,
                "unsafe code",
                &format!("do without, or move it to {UNSAFE}"),
            ));
        } else if matches!(pair[1].text, "{" | "impl") && !is_argued(source, line) {
            findings.push(finding(
                source,
                line,
                "unsafe code without its reason",
                "say why it is sound in a `// SAFETY:` line right above",
            ));
        }
    }
    findings
}

/// The comment right above `line`, attributes passed over, has a line that starts with `//
/// SAFETY:`.
fn is_argued(source: &Source, line: usize) -> bool {
    let above: Vec<&str> = source.text.lines().take(line - 1).map(str::trim).collect();
    let nearby = above
        .iter()
        .rev()
        .take_while(|line| line.starts_with("//") || line.starts_with("#["));
    nearby
        .into_iter()
        .any(|line| line.starts_with("// SAFETY:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> usize {
        check(&Source::new(path, text)).len()
    }

    #[test]
    fn addresses_are_refused_where_we_count() {
        for bad in [
            "use std::net::TcpStream;",
            "use std::{io, net};",
            "fn a(b: IpAddr) {}",
            "fn a(b: SocketAddr) {}",
            "use ipnet::Contains;",
            "use tokio::net;",
            "let a: libc::sockaddr_in;",
            "use crate::policy::client::Group;",
            "use crate::policy::{client::Group};",
        ] {
            for path in ["src/count/cells.rs", "src/report.rs", "src/store/mod.rs"] {
                assert!(findings(path, bad) > 0, "{path}: {bad}");
            }
            assert_eq!(findings("src/policy/client.rs", bad), 0, "{bad}");
        }
        assert_eq!(
            findings(
                "src/count/cells.rs",
                "// IpAddr\nlet net = gross - \"std::net\".len();"
            ),
            0
        );
    }

    #[test]
    fn hickory_stays_in_its_place() {
        let names = "use hickory_proto::rr::Name;";
        for path in [
            "src/query.rs",
            "src/resolve.rs",
            "src/serve/hickory.rs",
            "src/resolved/mod.rs",
        ] {
            assert_eq!(findings(path, names), 1, "{path}");
        }
        for path in ["src/resolve/mod.rs", "src/resolve/iterate/wire.rs"] {
            assert_eq!(findings(path, names), 0, "{path}");
        }
        assert_eq!(
            findings(
                "src/serve/mod.rs",
                "// hickory_proto\nmod hickory;\nconst QUIET: &str = \"hickory_server=warn\";"
            ),
            0
        );
        assert_eq!(
            findings(
                "src/wire/reply.rs",
                &format!("#[cfg(test)]\nmod tests {{\n{names}\n}}")
            ),
            0
        );
    }

    #[test]
    fn unsafe_code_stays_in_one_file_and_says_why() {
        let argued = "// SAFETY: the slice outlives the call,\n// which does not keep \
                      it.\n#[allow(a)]\nlet n = unsafe { call() };";
        assert_eq!(findings(UNSAFE, argued), 0);
        assert_eq!(findings("src/name.rs", argued), 1);
        assert_eq!(findings(UNSAFE, "let n = unsafe { call() };"), 1);
        assert_eq!(
            findings(
                UNSAFE,
                "// SAFETY: of another line\n\nunsafe impl Send for A {}"
            ),
            1
        );
        assert_eq!(
            findings(UNSAFE, &format!("{argued}\nlet m = unsafe {{ call() }};")),
            1
        );
        assert_eq!(
            findings("src/name.rs", "#![allow(unsafe_code)] // unsafe {}"),
            0
        );
    }
}
