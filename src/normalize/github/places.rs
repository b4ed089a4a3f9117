//! Where members go that only GitHub has.

use crate::normalize::vendor::{Place, place};

pub(super) static REPOSITORY: Place = place!("github", "repository");
pub(super) static VISIBILITY: Place = place!("github", "visibility");
pub(super) static ENTERPRISE: Place = place!("github", "enterprise");
pub(super) static INSTALLATION: Place = place!("github", "installation_id");
pub(super) static HOOK_ID: Place = place!("github", "hook_id");
pub(super) static NUMBER: Place = place!("github", "alert_number");
pub(super) static COMMENT: Place = place!("github", "comment");
pub(super) static CLOSED_BY: Place = place!("github", "closed_by");
pub(super) static ASSIGNEES: Place = place!("github", "assignees");
pub(super) static SCOPE: Place = place!("github", "scope");
pub(super) static RELATIONSHIP: Place = place!("github", "relationship");
pub(super) static TOOL: Place = place!("github", "tool");
pub(super) static TOOL_VERSION: Place = place!("github", "tool_version");
pub(super) static RULE_SEVERITY: Place = place!("github", "rule_severity");
pub(super) static ANALYSIS: Place = place!("github", "analysis");
pub(super) static VALIDITY: Place = place!("github", "validity");
pub(super) static PUBLICLY_LEAKED: Place = place!("github", "publicly_leaked");
pub(super) static MULTI_REPO: Place = place!("github", "multi_repo");
pub(super) static BYPASSED: Place = place!("github", "push_protection_bypassed");
pub(super) static BYPASSED_BY: Place = place!("github", "push_protection_bypassed_by");
pub(super) static LOCATION_TYPE: Place = place!("github", "location_type");
pub(super) static OPERATION: Place = place!("github", "operation_type");
pub(super) static ACCESS: Place = place!("github", "programmatic_access_type");
pub(super) static TOKEN_ID: Place = place!("github", "token_id");
pub(super) static TOKEN_SCOPES: Place = place!("github", "token_scopes");
pub(super) static HASHED_TOKEN: Place = place!("github", "hashed_token");
pub(super) static REQUEST_ID: Place = place!("github", "request_id");
pub(super) static IDENTITY: Place = place!("github", "external_identity");
pub(super) static PERMISSION: Place = place!("github", "permission");
pub(super) static OLD_PERMISSION: Place = place!("github", "old_permission");
pub(super) static TEAM: Place = place!("github", "team");
