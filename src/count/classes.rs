//! What questions, replies, refusals and answers from outside are told apart by in the metrics.

/// An enumeration that has a counter for each of its values, and a word for each in metrics.
macro_rules! counted {
    ($(#[$about:meta])* $name:ident {
        $($(#[$doc:meta])* $value:ident $word:literal,)+
    }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$doc])* $value,)+
        }

        impl $name {
            /// All of them, in index order.
            pub const ALL: [Self; [$($word),+].len()] = [$(Self::$value),+];

            /// The word in metrics.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$value => $word,)+
                }
            }
        }
    };
}

counted! {
    /// What a question asked for.
    QuestionType {
        /// A.
        A "A",
        /// AAAA.
        Aaaa "AAAA",
        /// HTTPS (RFC 9460).
        Https "HTTPS",
        /// SVCB (RFC 9460).
        Svcb "SVCB",
        /// PTR.
        Ptr "PTR",
        /// CNAME.
        Cname "CNAME",
        /// MX.
        Mx "MX",
        /// TXT.
        Txt "TXT",
        /// SRV.
        Srv "SRV",
        /// NS.
        Ns "NS",
        /// SOA.
        Soa "SOA",
        /// DS.
        Ds "DS",
        /// DNSKEY.
        Dnskey "DNSKEY",
        /// ANY (RFC 8482).
        Any "ANY",
        /// Any other type.
        Other "other",
    }
}

impl QuestionType {
    /// The class of this record type's number.
    pub const fn of(qtype: u16) -> Self {
        match qtype {
            1 => Self::A,
            28 => Self::Aaaa,
            65 => Self::Https,
            64 => Self::Svcb,
            12 => Self::Ptr,
            5 => Self::Cname,
            15 => Self::Mx,
            16 => Self::Txt,
            33 => Self::Srv,
            2 => Self::Ns,
            6 => Self::Soa,
            43 => Self::Ds,
            48 => Self::Dnskey,
            255 => Self::Any,
            _ => Self::Other,
        }
    }
}

counted! {
    /// What a reply says first (RFC 1035 section 4.1.1, RFC 6891 section 9).
    ReplyCode {
        /// NOERROR.
        NoError "NOERROR",
        /// FORMERR.
        FormErr "FORMERR",
        /// SERVFAIL.
        ServFail "SERVFAIL",
        /// NXDOMAIN.
        NxDomain "NXDOMAIN",
        /// NOTIMP.
        NotImp "NOTIMP",
        /// REFUSED.
        Refused "REFUSED",
        /// BADVERS.
        BadVers "BADVERS",
        /// Any other code.
        Other "other",
    }
}

impl ReplyCode {
    /// The class of this response code.
    pub const fn of(rcode: u16) -> Self {
        match rcode {
            0 => Self::NoError,
            1 => Self::FormErr,
            2 => Self::ServFail,
            3 => Self::NxDomain,
            4 => Self::NotImp,
            5 => Self::Refused,
            16 => Self::BadVers,
            _ => Self::Other,
        }
    }
}

counted! {
    /// Why a question, a reply or a connection is turned away.
    Refusal {
        /// The client is not allowed to ask.
        NotAllowed "not_allowed",
        /// Over the reply rate of its network: left out.
        ReplyRate "reply_rate",
        /// Over the reply rate of its network: truncated.
        ReplyRateTruncated "reply_rate_truncated",
        /// All places of waiting questions are taken.
        WaitingAll "waiting_all",
        /// The client has as many questions waiting as it may.
        WaitingClient "waiting_client",
        /// Questions wait to be taken up for too long: no more are begun.
        WaitingLate "waiting_late",
        /// As many questions are asked outside as may be.
        Resolving "resolving",
        /// A late reply to a client that has many more waiting: left out.
        ReplyLate "reply_late",
        /// All connections are taken.
        ConnectionsAll "connections_all",
        /// The client has as many connections as it may.
        ConnectionsClient "connections_client",
        /// The connections for clients that are not allowed to ask are taken.
        ConnectionsNotAllowed "connections_not_allowed",
        /// Too many TLS handshakes are under way.
        Handshakes "handshakes",
        /// Too many of a balancer's connections have not said yet for whom they come.
        Balancers "balancers",
    }
}

counted! {
    /// What checking the signatures of an answer from outside came to (RFC 4033 section 5).
    DnssecResult {
        /// Its owner says so.
        Secure "secure",
        /// Nobody can say.
        Insecure "insecure",
        /// It is wrong.
        Bogus "bogus",
        /// Nothing was checked, as configured or as the client asked (CD).
        Unchecked "unchecked",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_value_has_its_index_and_its_word() {
        let words: BTreeSet<_> = Refusal::ALL.map(Refusal::name).into();
        assert_eq!(words.len(), Refusal::ALL.len());
        for (index, refusal) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(refusal as usize, index);
        }
        let types = [1, 28, 65, 12, 48, 255, 257].map(|qtype| QuestionType::of(qtype).name());
        let expected = ["A", "AAAA", "HTTPS", "PTR", "DNSKEY", "ANY", "other"];
        assert_eq!(types, expected);
        let codes = [0, 3, 16, 23].map(|rcode| ReplyCode::of(rcode).name());
        assert_eq!(codes, ["NOERROR", "NXDOMAIN", "BADVERS", "other"]);
    }
}
