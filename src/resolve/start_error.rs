//! Why the resolver cannot be started, for the operator.

/// Why the resolver cannot be started; always a matter of configuration.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A line of the root hints that is neither NS, A nor AAAA.
    #[error("root hints, line {line}: want an NS, A or AAAA record, one a line")]
    RootHints {
        /// Counted from 1.
        line: usize,
    },
    /// The copy of the root zone is none.
    #[error("{0}")]
    RootCopy(String),
    /// No address to begin with.
    #[error("the root hints hold no usable address")]
    NoRoot,
    /// A trust anchor cannot be read; says which text and line.
    #[error("trust anchors: {0}")]
    TrustAnchors(String),
    /// Forwarding without anybody to forward to.
    #[error("forwarding needs at least one upstream address")]
    NoUpstream,
    /// A name that cannot be that of a zone.
    #[error("{0}: this name cannot be that of a zone")]
    NoZone(String),
    /// The file that upstreams' certificates are checked by is of no use.
    #[error("{0}")]
    Authorities(String),
    /// The recursor refuses its settings.
    #[error("the recursor cannot be built: {0}")]
    Recursor(String),
}
