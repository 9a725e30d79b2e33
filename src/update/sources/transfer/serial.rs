//! Serial numbers that go round: which one is newer (RFC 1982).

/// Is `serial` newer than `than`? Two that are exactly half the circle apart are in no order: then
/// it is not.
pub(super) const fn is_newer(serial: u32, than: u32) -> bool {
    let ahead = serial.wrapping_sub(than);
    ahead != 0 && ahead < 1 << 31
}

#[cfg(test)]
mod tests {
    use super::is_newer;

    #[test]
    fn serials_go_round() {
        for (serial, than, expected) in [
            (2, 1, true),
            (1, 1, false),
            (1, 2, false),
            (0, u32::MAX, true),
            (u32::MAX, 0, false),
            ((1 << 31) - 1, 0, true),
            (1 << 31, 0, false),
            (0, 1 << 31, false),
        ] {
            assert_eq!(is_newer(serial, than), expected, "{serial} after {than}");
        }
    }
}
