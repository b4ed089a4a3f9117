//! The circumstances of an event of Okta: from where, how, in which transaction.
//!
//! `debugContext` is open by the vendor's own word. Of its addresses the queries are left out and
//! `url` is not shown at all, since they can carry the tokens of a login.

use crate::normalize::json::{self, Object, first, text};
use crate::normalize::model::{Text, seen};

use super::{Entry, places};

/// Takes what says from where and how it was done.
pub(super) fn read(entry: &mut Entry<'_, '_>) {
    client(entry);
    authentication(entry);
    network(entry);
    transaction(entry);
    debug(entry);
    // The addresses of proxies on the way, and who is asked.
    entry.event.take("request", Some);
}

fn client(entry: &mut Entry<'_, '_>) {
    let Some(mut from) = entry.event.take("client", json::object) else {
        return;
    };
    let model = &mut *entry.model;
    model.origin.address = text(&mut from, "ipAddress");
    if let Some(mut agent) = from.take("userAgent", json::object) {
        model.origin.user_agent = text(&mut agent, "rawUserAgent");
        model.keep(&places::BROWSER, known(text(&mut agent, "browser")));
        model.keep(&places::OS, known(text(&mut agent, "os")));
        entry.leave("client.userAgent.", agent);
    }
    let model = &mut *entry.model;
    if let Some(mut place) = from.take("geographicalContext", json::object) {
        model.origin.country = text(&mut place, "country");
        model.origin.city = text(&mut place, "city");
        // Postal code and coordinates are guesses of the same address.
    }
    model.keep(&places::ZONE, known(text(&mut from, "zone")));
    model.keep(&places::DEVICE, known(text(&mut from, "device")));
    model.keep(&places::CLIENT, text(&mut from, "id"));
    from.take("ipChain", Some);
    entry.leave("client.", from);
}

fn authentication(entry: &mut Entry<'_, '_>) {
    let from = entry.event.take("authenticationContext", json::object);
    let Some(mut from) = from else {
        return;
    };
    let keys = [
        "credentialType",
        "credentialProvider",
        "authenticationProvider",
    ];
    entry.strategy = first(&mut from, &keys);
    let model = &mut *entry.model;
    model.keep(&places::SESSION, text(&mut from, "externalSessionId"));
    model.keep(&places::STEP, text(&mut from, "authenticationStep"));
    let issuer = from.take("issuer", json::object);
    let issuer = issuer.and_then(|mut issuer| first(&mut issuer, &["id", "type"]));
    model.keep(&places::ISSUER, issuer);
    from.take("interface", Some);
    entry.leave("authenticationContext.", from);
}

fn network(entry: &mut Entry<'_, '_>) {
    let Some(mut from) = entry.event.take("securityContext", json::object) else {
        return;
    };
    let model = &mut *entry.model;
    model.keep(&places::AS_NUMBER, text(&mut from, "asNumber"));
    model.keep(&places::AS_ORGANIZATION, text(&mut from, "asOrg"));
    model.keep(&places::ISP, text(&mut from, "isp"));
    model.keep(&places::DOMAIN, text(&mut from, "domain"));
    model.keep(&places::PROXY, text(&mut from, "isProxy"));
    entry.leave("securityContext.", from);
}

fn transaction(entry: &mut Entry<'_, '_>) {
    let Some(mut from) = entry.event.take("transaction", json::object) else {
        return;
    };
    let model = &mut *entry.model;
    model.keep(&places::TRANSACTION, text(&mut from, "id"));
    model.keep(&places::TRANSACTION_TYPE, text(&mut from, "type"));
    entry.leave("transaction.", from);
}

fn debug(entry: &mut Entry<'_, '_>) {
    let from = entry.event.take("debugContext", json::object);
    let mut from = from.unwrap_or_default();
    let Some(mut data) = from.take("debugData", json::object) else {
        return entry.leave("debugContext.", from);
    };
    let uri = text(&mut data, "requestUri").map(|uri| match uri.split_once(['?', '#']) {
        Some((path, _)) => path.to_owned().into(),
        None => uri,
    });
    let model = &mut *entry.model;
    model.keep(&places::REQUEST, text(&mut data, "requestId"));
    model.keep(&places::REQUEST_URI, uri);
    model.keep(&places::FINGERPRINT, text(&mut data, "deviceFingerprint"));
    model.keep(&places::SUSPECTED, text(&mut data, "threatSuspected"));
    model.keep(&places::RISK, text(&mut data, "risk"));
    model.keep(&places::BEHAVIORS, text(&mut data, "behaviors"));
    for key in ["url", "targetEventHookIds", "authnRequestId"] {
        data.take(key, Some);
    }
    entry.leave("debugContext.debugData.", data);
    entry.leave("debugContext.", from);
}

/// Okta's words for what it does not know are left out.
pub(super) fn known(text: Text<'_>) -> Text<'_> {
    let unknown = ["unknown", "null"];
    text.filter(|text| !unknown.iter().any(|word| text.eq_ignore_ascii_case(word)))
}

/// Whether an account's name can be an address.
pub(super) fn is_address(name: &Text<'_>) -> bool {
    seen(name).is_some_and(|name| name.contains('@'))
}

impl<'a> Entry<'_, 'a> {
    /// Keeps what is left of an object of the event, without values of secrets.
    pub(super) fn leave(&mut self, below: &str, from: Object<'a>) {
        let path = format!("{}{below}", self.path);
        let hides = crate::normalize::mask::hides;
        self.model
            .other
            .keep_but(&path, from.without_empty(), hides);
    }
}
