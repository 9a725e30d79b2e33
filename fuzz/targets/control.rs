//! What comes over the control socket, in both directions: what can be read is written the same way
//! again.
#![cfg_attr(fuzzing, no_main)]

use wardline::control::{ControlReply, Request};

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|line: &[u8]| {
    run(line);
});

pub(crate) fn run(line: &[u8]) -> &'static str {
    if let Ok(request) = serde_json::from_slice::<Request>(line) {
        let again = serde_json::to_vec(&request).expect("a request");
        assert_eq!(
            serde_json::from_slice::<Request>(&again).expect("a request"),
            request
        );
        return "request";
    }
    if let Ok(reply) = serde_json::from_slice::<ControlReply>(line) {
        let again = serde_json::to_vec(&reply).expect("a reply");
        assert_eq!(
            serde_json::from_slice::<ControlReply>(&again).expect("a reply"),
            reply
        );
        return "reply";
    }
    "refused"
}
