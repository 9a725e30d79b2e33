//! What stands between clients and their answers, for all doors.

use std::sync::Arc;

use super::client_limits::ClientLimitTable;
use super::cookies::Cookies;
use super::limits::ReplyRate;
use super::proxy::Balancers;
use super::waiters::Waiters;

/// The limits of clients, and what frees one from them.
#[derive(Clone)]
pub struct Guards {
    /// What one client may have.
    pub client_limits: Arc<ClientLimitTable>,
    /// How many UDP replies a client's network gets.
    pub rate: Arc<ReplyRate>,
    /// How many of a client's questions wait.
    pub waiters: Arc<Waiters>,
    /// Cookies for those who ask for them; whoever brings one back is not held to the rate.
    pub cookies: Option<Arc<Cookies>>,
    /// Who says for whom they come.
    pub balancers: Arc<Balancers>,
}
