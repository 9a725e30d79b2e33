//! What questions are answered by, made of the configuration: the terms, the limits of clients, and
//! the way outside.

use std::sync::Arc;

use super::anchors;
use super::resolver::{resolve_settings, special_use, with_made_addresses};
use super::start_error::StartError;
use crate::answer::blocked::Page;
use crate::answer::local::Local;
use crate::cache::{Cache, Lifetimes};
use crate::config::Config;
use crate::count::Board;
use crate::policy::{Clients, Live};
use crate::query::{Answering, Due, Parts, RenewalSettings, Terms};
use crate::resolve::Resolver;
use crate::serve::client_limits::ClientLimitTable;
use crate::serve::cookies::Cookies;
use crate::serve::limits::ReplyRate;
use crate::serve::proxy::Balancers;
use crate::serve::waiters::Waiters;
use crate::serve::{Guards, tcp};

/// How much longer than a client's patience a stopping door waits for answers under way.
const DRAIN_EXTRA: std::time::Duration = std::time::Duration::from_secs(1);

/// The answering function, and what it has to renew.
pub(super) fn put_together(
    config: &Config,
    live: &Arc<Live>,
    board: &Arc<Board>,
) -> Result<(Answering, Due), StartError> {
    Ok(Answering::new(Parts {
        live: Arc::clone(live),
        board: Arc::clone(board),
        cache: Cache::new(config.cache.octets_max)?,
        resolver: resolver(config)?,
        terms: terms(config),
    }))
}

/// The way outside; needs the runtime around it.
pub(super) fn resolver(config: &Config) -> Result<Resolver, StartError> {
    let mut settings = resolve_settings(config)?;
    settings.recurse.kept_anchors = anchors::read(config);
    Ok(Resolver::start(settings)?)
}

/// What the configuration says of how questions are answered.
pub(super) fn terms(config: &Config) -> Terms {
    Terms {
        clients: Arc::new(clients(config)),
        pages: pages(config),
        special_use: special_use(&config.resolve, &config.listen),
        local: Local::new(config.local.clone()),
        udp_octets_max: config.limits.udp_octets,
        waiting_max: config.limits.waiting,
        lifetimes: Lifetimes {
            ttl_s_min: config.cache.ttl_s_min,
            stale_s_max: config.cache.stale_s_max,
            ttl_s_max: config.cache.ttl_s_max,
            negative_ttl_s_max: config.cache.negative_ttl_s_max,
        },
        renewal: RenewalSettings {
            stale_after: config.cache.stale_after,
            prefetch: config.cache.prefetch,
        },
    }
}

/// What each list answers, in its place.
fn pages(config: &Config) -> Vec<Option<Page>> {
    let mut pages = Vec::new();
    for (rules, list) in config.lists() {
        let place = usize::from(list.index);
        if pages.len() <= place {
            pages.resize_with(place + 1, || None);
        }
        let rules = with_made_addresses(rules, config.resolve.dns64.as_ref());
        if let Some(page) = pages.get_mut(place) {
            *page = Some(Page::new(&rules));
        }
    }
    pages
}

/// Who may ask, and which lists apply to whom.
pub(super) fn clients(config: &Config) -> Clients {
    let lists: Vec<_> = config.lists().iter().map(|(_, list)| list.index).collect();
    Clients::new(&config.allow, config.groups(), &lists)
}

/// The limits of clients.
pub(super) fn guards(config: &Config) -> Result<Guards, StartError> {
    let limits = &config.limits;
    let client_limits = Arc::new(ClientLimitTable::new(limits.of_client, &limits.networks));
    Ok(Guards {
        rate: Arc::new(ReplyRate::new(Arc::clone(&client_limits), limits.slip)),
        waiters: Waiters::new(limits.waiting, Arc::clone(&client_limits)),
        client_limits,
        cookies: cookies(config)?,
        balancers: Arc::new(Balancers::new(config.listen.balancers.clone())),
    })
}

/// The limits of clients after a change; those who wait keep their places, and where no limit was
/// changed nobody gets a new allowance.
pub(super) fn next_guards(
    before: &Guards,
    config: &Config,
    has_other_limits: bool,
) -> Result<Guards, StartError> {
    let mut next = guards(config)?;
    next.waiters = Arc::clone(&before.waiters);
    if !has_other_limits {
        next.rate = Arc::clone(&before.rate);
        next.client_limits = Arc::clone(&before.client_limits);
    }
    // Secrets that were drawn at random stay: clients hold cookies that were made with them.
    if config.limits.cookie_secrets.is_none() && next.cookies.is_some() && before.cookies.is_some()
    {
        next.cookies.clone_from(&before.cookies);
    }
    Ok(next)
}

fn cookies(config: &Config) -> Result<Option<Arc<Cookies>>, StartError> {
    Ok(match &config.limits.cookie_secrets {
        _ if !config.limits.cookies => None,
        Some(file) => Some(Arc::new(Cookies::read(file)?)),
        None => Some(Arc::new(Cookies::random()?)),
    })
}

/// What holds for connections.
pub(super) fn stream_settings(config: &Config) -> tcp::Settings {
    tcp::Settings {
        idle: config.limits.idle,
        drain: config.resolve.patience + DRAIN_EXTRA,
        connections: config.limits.connections,
    }
}
