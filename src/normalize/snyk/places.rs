//! Where members go that only Snyk has.

use crate::normalize::vendor::{Place, place};

pub(super) static TRANSPORT: Place = place!("snyk", "transport_id");
pub(super) static WEBHOOK: Place = place!("snyk", "webhook_id");
pub(super) static ORGANIZATION_ID: Place = place!("snyk", "organization_id");
pub(super) static GROUP_ID: Place = place!("snyk", "group_id");
pub(super) static GROUP: Place = place!("snyk", "group");
pub(super) static PROJECT: Place = place!("snyk", "project_id");
pub(super) static PROJECT_NAME: Place = place!("snyk", "project");
pub(super) static ORIGIN: Place = place!("snyk", "origin");
pub(super) static REPOSITORY: Place = place!("snyk", "repository");
pub(super) static BRANCH: Place = place!("snyk", "branch");
pub(super) static TARGET_REFERENCE: Place = place!("snyk", "target_reference");
pub(super) static IMAGE: Place = place!("snyk", "image_id");
pub(super) static IMAGE_TAG: Place = place!("snyk", "image_tag");
pub(super) static BASE_IMAGE: Place = place!("snyk", "image_base");
pub(super) static CLUSTER: Place = place!("snyk", "image_cluster");
pub(super) static HOST: Place = place!("snyk", "hostname");
pub(super) static ISSUE: Place = place!("snyk", "issue_id");
pub(super) static ISSUE_TYPE: Place = place!("snyk", "issue_type");
pub(super) static MATURITY: Place = place!("snyk", "exploit_maturity");
pub(super) static SCORE: Place = place!("snyk", "priority_score");
pub(super) static IGNORED: Place = place!("snyk", "is_ignored");
pub(super) static UPGRADABLE: Place = place!("snyk", "is_upgradable");
pub(super) static PATCHABLE: Place = place!("snyk", "is_patchable");
pub(super) static PINNABLE: Place = place!("snyk", "is_pinnable");
