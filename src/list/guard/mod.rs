//! The judgement on a new issue of a list before it may come in force: what it would block too
//! much, and what changed too much at once.
//!
//! Pure: the caller brings the entries, the counts and the limits. Entries are spoken of by line
//! and number, never by name.

mod code;
mod finding;
mod protected;

use super::Scope;
pub use code::Code;
pub use finding::{GuardFinding, LinePlace};
pub use protected::Protected;

/// Entries that a finding names; the rest are only counted.
pub const PLACES_SHOWN_MAX: usize = 20;

/// How much may change from one issue to the next without somebody saying that it is meant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GuardLimits {
    /// Entries that may be added.
    pub added_max: u64,
    /// Entries that may be removed.
    pub removed_max: u64,
    /// The same in per cent of the entries before.
    pub added_percent_max: f64,
    /// The same in per cent of the entries before.
    pub removed_percent_max: f64,
    /// Changes of up to this many entries are within per cent, so that a short list can grow.
    pub small_change: u64,
    /// Entries that may be a top-level domain.
    pub tld_max: u64,
    /// Entries that may cover a public suffix.
    pub public_suffix_max: u64,
}

impl Default for GuardLimits {
    fn default() -> Self {
        Self {
            added_max: 5000,
            removed_max: 5000,
            added_percent_max: 50.0,
            removed_percent_max: 20.0,
            small_change: 50,
            tld_max: 0,
            public_suffix_max: 0,
        }
    }
}

impl GuardLimits {
    /// How many entries a finding about single entries may concern and pass.
    const fn entries_max(&self, code: Code) -> u64 {
        match code {
            Code::Tld => self.tld_max,
            Code::PublicSuffix => self.public_suffix_max,
            _ => 0,
        }
    }
}

/// What the new issue is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Different entries in force now; none where the list is new, for which the budget does not
    /// hold.
    pub before: Option<u64>,
    /// Different entries of the new issue.
    pub after: u64,
    /// Entries of the new issue that are not in force now. Those that go are then `before + added -
    /// after`.
    pub added: u64,
}

impl Change {
    /// Entries in force now that the new issue has no longer.
    pub const fn removed(&self) -> u64 {
        match self.before {
            Some(before) => (before + self.added).saturating_sub(self.after),
            None => 0,
        }
    }
}

/// What the guard found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GuardFindings {
    /// What holds the issue back.
    pub held: Vec<GuardFinding>,
    /// What holds nothing back, because as many entries may pass.
    pub passed: Vec<GuardFinding>,
}

/// Takes the entries of a new issue one by one and then says what is wrong with it.
pub struct Guard<'a> {
    protected: &'a Protected,
    findings: Vec<GuardFinding>,
}

impl<'a> Guard<'a> {
    /// Judge against these names.
    pub const fn new(protected: &'a Protected) -> Self {
        Self {
            protected,
            findings: Vec::new(),
        }
    }

    /// Look at one entry; `wire` is its lower-case uncompressed name. Costs two or three look-ups
    /// for an entry in order.
    pub fn see(&mut self, place: LinePlace, wire: &[u8], scope: Scope) {
        for code in self.protected.judge(wire, scope) {
            let at = self
                .findings
                .iter()
                .position(|finding| finding.code == code)
                .unwrap_or(self.findings.len());
            if at == self.findings.len() {
                self.findings.push(GuardFinding {
                    code,
                    count: 0,
                    percent: None,
                    allowed: 0,
                    first: Vec::new(),
                });
            }
            if let Some(finding) = self.findings.get_mut(at) {
                finding.count += 1;
                if finding.first.len() < PLACES_SHOWN_MAX {
                    finding.first.push(place);
                }
            }
        }
    }

    /// Everything that was found, the budget of changes included; in the order of the codes.
    pub fn finish(mut self, limits: &GuardLimits, change: &Change) -> GuardFindings {
        self.limit(limits);
        let (passed, mut held): (Vec<_>, Vec<_>) =
            self.findings.into_iter().partition(GuardFinding::passes);
        held.extend(budget(limits, change));
        let mut findings = GuardFindings { held, passed };
        findings.held.sort_by_key(|finding| finding.code);
        findings.passed.sort_by_key(|finding| finding.code);
        findings
    }

    fn limit(&mut self, limits: &GuardLimits) {
        for finding in &mut self.findings {
            finding.allowed = limits.entries_max(finding.code);
        }
    }
}

fn budget(limits: &GuardLimits, change: &Change) -> Vec<GuardFinding> {
    let mut findings = Vec::new();
    let found = |code, count, allowed, percent| GuardFinding {
        code,
        count,
        percent,
        allowed,
        first: Vec::new(),
    };
    if change.after == 0 {
        findings.push(found(Code::Empty, 0, 1, None));
    }
    let Some(before) = change.before else {
        return findings;
    };
    let sides = [
        (
            Code::Added,
            Code::AddedPercent,
            change.added,
            limits.added_max,
            limits.added_percent_max,
        ),
        (
            Code::Removed,
            Code::RemovedPercent,
            change.removed(),
            limits.removed_max,
            limits.removed_percent_max,
        ),
    ];
    for (code, percent_code, count, allowed, percent_max) in sides {
        if count > allowed {
            findings.push(found(code, count, allowed, None));
        }
        let percent = count as f64 * 100.0 / before.max(1) as f64;
        if count > limits.small_change && percent > percent_max {
            let allowed = (before as f64 * percent_max / 100.0) as u64;
            findings.push(found(
                percent_code,
                count,
                allowed.max(limits.small_change),
                Some((percent, percent_max)),
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::Name;

    fn findings(entries: &[&str], change: Change) -> Vec<String> {
        let [held, _] = judge(entries, &GuardLimits::default(), change);
        held
    }

    /// What holds a list of these entries back, and what passes.
    fn judge(entries: &[&str], limits: &GuardLimits, change: Change) -> [Vec<String>; 2] {
        let mut protected = Protected::of_suffixes(
            "com\nuk\nco.uk\n*.ck\n!www.ck\ngithub.io\ns3.cloud.test\n*.deep.wild.test\n",
        );
        protected
            .read_never_block(b"never.example\n=platform.example\n".as_slice())
            .unwrap();
        let mut guard = Guard::new(&protected);
        for (at, entry) in entries.iter().enumerate() {
            let (scope, name) = entry
                .strip_prefix('=')
                .map_or((Scope::Below, *entry), |name| (Scope::Exact, name));
            let place = LinePlace {
                line: at as u64 + 1,
                number: Some(100 + at as u32),
            };
            let name = Name::parse(name).unwrap();
            guard.see(place, name.as_wire(), scope);
        }
        let GuardFindings { held, passed } = guard.finish(limits, &change);
        [held, passed].map(|findings| findings.iter().map(ToString::to_string).collect())
    }

    const FIRST: Change = Change {
        before: None,
        after: 1,
        added: 1,
    };

    fn codes(entry: &str) -> Vec<String> {
        let findings = findings(&[entry], FIRST);
        findings
            .iter()
            .map(|finding| finding.split_once(": ").unwrap().0.to_owned())
            .collect()
    }

    #[test]
    fn what_covers_too_much_is_found() {
        let cases: [(&str, &[&str]); 27] = [
            (".", &["guard.root"]),
            ("=.", &["guard.root"]),
            ("com", &["guard.tld"]),
            ("=com", &["guard.tld"]),
            ("unknown", &["guard.tld"]),
            ("co.uk", &["guard.public-suffix"]),
            ("=co.uk", &[]),
            ("github.io", &["guard.public-suffix"]),
            ("a.github.io", &[]),
            ("blocked.co.uk", &[]),
            ("any.ck", &["guard.public-suffix"]),
            ("a.any.ck", &[]),
            ("www.ck", &[]),
            ("cloud.test", &["guard.public-suffix"]),
            ("=cloud.test", &[]),
            ("bucket.s3.cloud.test", &[]),
            ("deep.wild.test", &["guard.public-suffix"]),
            ("wild.test", &["guard.public-suffix"]),
            ("a.deep.wild.test", &["guard.public-suffix"]),
            ("never.example", &["guard.never-block"]),
            ("=never.example", &["guard.never-block"]),
            ("a.never.example", &["guard.below-never-block"]),
            ("=a.b.never.example", &["guard.below-never-block"]),
            ("platform.example", &["guard.never-block"]),
            ("user.platform.example", &[]),
            ("unnever.example", &[]),
            ("example", &["guard.tld", "guard.never-block"]),
        ];
        for (entry, expected) in cases {
            assert_eq!(codes(entry), expected, "{entry}");
        }
    }

    #[test]
    fn a_finding_says_which_entries_and_how_to_go_on() {
        assert_eq!(
            findings(&["a.test", "com", "uk"], FIRST),
            [
                "guard.tld: 2 entries are a top-level domain (line 2 entry 101, line 3 entry 102); mend the list, or accept it as it is by \
              overriding guard.tld"
            ]
        );
        let many = vec!["co.uk"; 25];
        assert!(findings(&many, FIRST)[0].contains("line 20 entry 119 and 5 more)"));
    }

    #[test]
    fn as_many_pass_as_are_let_pass_and_no_more() {
        let two = GuardLimits {
            public_suffix_max: 2,
            ..GuardLimits::default()
        };
        let none: [&str; 0] = [];
        let pass = "guard.public-suffix: 2 entries cover a public suffix; allowed are 2 (line 1 \
                    entry 100, line 2 entry 101); `pass` in [list.guard] lets them pass";
        let [held, passed] = judge(&["co.uk", "github.io", "a.test"], &two, FIRST);
        assert_eq!((held.as_slice(), passed), (&[][..], vec![pass.to_owned()]));
        let [held, passed] = judge(&["a.test"], &two, FIRST);
        assert_eq!((held, passed), (vec![], vec![]), "nothing to let pass");
        let [held, passed] = judge(&["co.uk", "github.io", "cloud.test"], &two, FIRST);
        assert_eq!(passed, none);
        assert_eq!(
            held,
            [
                "guard.public-suffix: 3 entries cover a public suffix; allowed are 2 (line 1 entry \
                 100, line 2 entry 101, line 3 entry 102); mend the list, or accept it as it is by \
                 overriding guard.public-suffix"
            ]
        );
        let [held, _] = judge(&["co.uk", "com", "never.example"], &two, FIRST);
        let codes = held.iter().map(|held| held.split_once(": ").unwrap().0);
        assert_eq!(
            codes.collect::<Vec<_>>(),
            ["guard.tld", "guard.never-block"],
            "one code's count lets no other pass"
        );
    }

    #[test]
    fn what_must_never_be_blocked_does_not_pass() {
        let limits = GuardLimits {
            tld_max: 1000,
            public_suffix_max: 1000,
            ..GuardLimits::default()
        };
        for (entry, codes) in [
            (".", vec!["guard.root"]),
            ("com", vec![]),
            ("example", vec!["guard.never-block"]),
            ("never.example", vec!["guard.never-block"]),
            ("a.never.example", vec!["guard.below-never-block"]),
        ] {
            let [held, _] = judge(&[entry], &limits, FIRST);
            let held = held.iter().map(|held| held.split_once(": ").unwrap().0);
            assert_eq!(held.collect::<Vec<_>>(), codes, "{entry}");
        }
        let [held, _] = judge(&["a.test"], &limits, Change { after: 0, ..FIRST });
        assert!(held[0].starts_with("guard.empty"), "{held:?}");
    }

    #[test]
    fn the_budget_holds_changes_not_first_issues() {
        let judge = |before: Option<u64>, after, added| {
            findings(
                &["a.test"],
                Change {
                    before,
                    after,
                    added,
                },
            )
        };
        let none: [&str; 0] = [];
        let mend = "mend the list, or accept it as it is by overriding";
        assert_eq!(judge(None, 1_000_000, 1_000_000), none);
        assert_eq!(judge(Some(10), 60, 50), none, "a short list may grow");
        assert_eq!(judge(Some(10_000), 15_000, 5000), none);
        assert_eq!(
            judge(Some(10_000), 15_001, 5001),
            [
                format!(
                    "guard.added: 5001 entries would be added; allowed are 5000; {mend} guard.added"
                ),
                format!(
                    "guard.added-percent: 5001 entries would be added, 50.0 % of the list; allowed \
                     are 50.0 %; {mend} guard.added-percent"
                ),
            ]
        );
        assert_eq!(
            judge(Some(10_000), 500, 0),
            [
                format!(
                    "guard.removed: 9500 entries would be removed; allowed are 5000; {mend} \
                     guard.removed"
                ),
                format!(
                    "guard.removed-percent: 9500 entries would be removed, 95.0 % of the list; \
                     allowed are 20.0 %; {mend} guard.removed-percent"
                ),
            ]
        );
        assert_eq!(judge(Some(100), 100, 60).len(), 2, "an exchange is both");
        assert_eq!(
            judge(Some(10), 0, 0),
            [format!(
                "guard.empty: the list has no entry; {mend} guard.empty"
            )]
        );
        assert_eq!(judge(None, 0, 0).len(), 1);
    }

    #[test]
    fn a_leap_is_found_and_its_reason_told() {
        assert_eq!(
            GuardFinding::of_leap(Some(7), 20_260_301, 1_772_373_600),
            None
        );
        let found = GuardFinding::of_leap(Some(7), 8_000_000, 0).unwrap();
        assert_eq!(
            found.to_string(),
            "guard.serial: the serial leaps by 7999993, and reads as no time; allowed are \
             1000000; mend the list, or accept it as it is by overriding guard.serial"
        );
    }

    #[test]
    fn codes_have_one_word() {
        for code in Code::ALL {
            assert_eq!(Code::parse(code.as_str()), Some(code));
        }
        assert_eq!(Code::parse("guard.nothing"), None);
    }
}
