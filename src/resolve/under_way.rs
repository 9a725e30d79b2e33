//! What is being asked of authorities now, as far as an operator may see it: what customers ask for
//! is nobody's business, so that names end at their last label, and what few ask for has none.

use std::collections::BTreeMap;

use super::iterate::UnderWayExchanges;

/// So many exchanges below one top-level domain, and it is named.
const NAMED_FROM: u64 = 10;

/// The exchanges with authorities that are under way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnderWayOutside {
    /// By top-level domain, in A-labels without dots; those with few are not named.
    pub by_top: BTreeMap<String, u64>,
    /// Those below other top-level domains and at the root.
    pub others: u64,
    /// Questions in the zone in which most are: which zone that is, is not told.
    pub in_fullest_zone: u32,
    /// As many may be in one.
    pub in_zone_max: u32,
}

impl UnderWayOutside {
    /// Leave out what an operator is not to see.
    pub(super) fn of(all: UnderWayExchanges) -> Self {
        let (mut by_top, mut others) = (BTreeMap::new(), 0);
        for (top, count) in all.by_top {
            let is_plain = !top.is_empty() && top.iter().all(|c| c.is_ascii_graphic());
            if count >= NAMED_FROM && is_plain {
                by_top.insert(String::from_utf8_lossy(&top).into_owned(), count);
            } else {
                others += count;
            }
        }
        Self {
            by_top,
            others,
            in_fullest_zone: all.in_fullest_zone,
            in_zone_max: all.in_zone_max,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_few_ask_for_is_not_named() {
        let counts: [(&[u8], u64); 5] = [
            (b"com", 2_000),
            (b"test", NAMED_FROM),
            (b"rare", NAMED_FROM - 1),
            (b"", 70),
            (b"a b", 500),
        ];
        let all = UnderWayExchanges {
            by_top: counts.map(|(top, count)| (top.to_vec(), count)).into(),
            in_fullest_zone: 7,
            in_zone_max: 200,
        };
        let shown = UnderWayOutside::of(all);
        let named = [("com", 2_000), ("test", NAMED_FROM)];
        assert_eq!(
            shown.by_top,
            named.map(|(top, n)| (top.to_owned(), n)).into()
        );
        assert_eq!(shown.others, NAMED_FROM - 1 + 70 + 500);
        assert_eq!((shown.in_fullest_zone, shown.in_zone_max), (7, 200));
    }
}
