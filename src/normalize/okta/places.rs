//! Where members go that only Okta has.

use crate::normalize::vendor::{Place, place};

pub(super) static HOOK_EVENT: Place = place!("okta", "hook_event_id");
pub(super) static SEVERITY: Place = place!("okta", "severity");
pub(super) static RESULT: Place = place!("okta", "outcome_result");
pub(super) static LEGACY_TYPE: Place = place!("okta", "legacy_event_type");
pub(super) static ACTOR_TYPE: Place = place!("okta", "actor_type");
pub(super) static TARGETS: Place = place!("okta", "targets");
pub(super) static SESSION: Place = place!("okta", "external_session_id");
pub(super) static STEP: Place = place!("okta", "authentication_step");
pub(super) static ISSUER: Place = place!("okta", "issuer");
pub(super) static ZONE: Place = place!("okta", "client_zone");
pub(super) static DEVICE: Place = place!("okta", "client_device");
pub(super) static CLIENT: Place = place!("okta", "client_id");
pub(super) static BROWSER: Place = place!("okta", "client_browser");
pub(super) static OS: Place = place!("okta", "client_os");
pub(super) static AS_NUMBER: Place = place!("okta", "as_number");
pub(super) static AS_ORGANIZATION: Place = place!("okta", "as_organization");
pub(super) static ISP: Place = place!("okta", "isp");
pub(super) static DOMAIN: Place = place!("okta", "client_domain");
pub(super) static PROXY: Place = place!("okta", "is_proxy");
pub(super) static TRANSACTION: Place = place!("okta", "transaction_id");
pub(super) static TRANSACTION_TYPE: Place = place!("okta", "transaction_type");
pub(super) static REQUEST: Place = place!("okta", "request_id");
pub(super) static REQUEST_URI: Place = place!("okta", "request_uri");
pub(super) static FINGERPRINT: Place = place!("okta", "device_fingerprint");
pub(super) static SUSPECTED: Place = place!("okta", "threat_suspected");
pub(super) static RISK: Place = place!("okta", "risk");
pub(super) static BEHAVIORS: Place = place!("okta", "behaviors");
