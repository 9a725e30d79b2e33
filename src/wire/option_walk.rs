//! Values with a code and a length in front, as the options of an OPT record and the parameters of
//! an SVCB record are laid out.

/// Walks along such values: a code, a length in octets, each in two octets, and the value (RFC 6891
/// section 6.1.2, RFC 9460 section 2.2). Ends at the end, or at the first that does not fit.
#[derive(Clone, Debug)]
pub struct OptionWalk<'a> {
    rest: &'a [u8],
}

impl<'a> OptionWalk<'a> {
    /// Begin at the first of `octets`.
    pub const fn new(octets: &'a [u8]) -> Self {
        Self { rest: octets }
    }

    /// Is nothing left? Where the walk is over, something is left only if it does not fit.
    pub const fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }
}

impl<'a> Iterator for OptionWalk<'a> {
    /// Code and value.
    type Item = (u16, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (&[code_high, code_low, len_high, len_low], tail) =
            self.rest.split_first_chunk::<4>()?;
        let len = usize::from(u16::from_be_bytes([len_high, len_low]));
        let (value, rest) = tail.split_at_checked(len)?;
        self.rest = rest;
        Some((u16::from_be_bytes([code_high, code_low]), value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_walked_to_the_first_that_does_not_fit() {
        let octets = b"\0\x0a\0\x02ab\x01\x02\0\0\0\x0c\0\x01z";
        let values = [(10, &b"ab"[..]), (0x102, b""), (12, b"z")];
        for end in 0..=octets.len() {
            let mut walk = OptionWalk::new(&octets[..end]);
            let found: Vec<_> = walk.by_ref().collect();
            let ends = [0, 6, 10, 15];
            let whole = ends.iter().filter(|whole| **whole <= end).count() - 1;
            assert_eq!(found, values[..whole], "{end}");
            assert_eq!(walk.is_at_end(), ends.contains(&end), "{end}");
        }
    }
}
