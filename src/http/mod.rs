//! HTTP/1.1 for the doors that take few requests and short ones, and for what we ask of others.

mod answer;
mod client;
mod conversation;
mod head;
mod listener;
mod places;
mod service;

pub use answer::{HttpAnswer, HttpRefusal, PLAIN};
pub use client::{ClientSettings, FindAddresses, client, named_addresses, read_authorities};
pub use conversation::FindTls;
pub use head::{HeadFault, RequestHead};
pub use listener::{HttpDoor, HttpListener, ListenerLimits};
pub use service::{Admission, Body, BodyLimits, Service};
