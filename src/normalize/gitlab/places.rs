//! Where members go that only GitLab has.

use crate::normalize::vendor::{Place, place};

pub(super) static PROJECT: Place = place!("gitlab", "project_id");
pub(super) static REPORT: Place = place!("gitlab", "report_type");
pub(super) static SCANNER: Place = place!("gitlab", "scanner");
pub(super) static CONFIDENCE: Place = place!("gitlab", "confidence");
pub(super) static OVERRIDDEN: Place = place!("gitlab", "severity_overridden");
pub(super) static IDENTIFIERS: Place = place!("gitlab", "identifiers");
pub(super) static ISSUES: Place = place!("gitlab", "issues");
pub(super) static ON_DEFAULT: Place = place!("gitlab", "resolved_on_default_branch");
pub(super) static COMMENT: Place = place!("gitlab", "comment");
pub(super) static IMAGE: Place = place!("gitlab", "image");
pub(super) static OS: Place = place!("gitlab", "operating_system");
pub(super) static CLASS: Place = place!("gitlab", "code_class");
pub(super) static METHOD: Place = place!("gitlab", "code_method");
pub(super) static SITE: Place = place!("gitlab", "hostname");
pub(super) static AUTHOR_CLASS: Place = place!("gitlab", "author_class");
pub(super) static ENTITY: Place = place!("gitlab", "entity_path");
pub(super) static ENTITY_TYPE: Place = place!("gitlab", "entity_type");
pub(super) static ENTITY_ID: Place = place!("gitlab", "entity_id");
pub(super) static PROTOCOL: Place = place!("gitlab", "protocol");
pub(super) static OPERATION: Place = place!("gitlab", "operation");
pub(super) static CHANGED: Place = place!("gitlab", "changed");
pub(super) static FROM: Place = place!("gitlab", "changed_from");
pub(super) static TO: Place = place!("gitlab", "changed_to");
