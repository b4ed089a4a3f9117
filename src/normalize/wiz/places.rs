//! Where members go that only Wiz has.

use crate::normalize::vendor::{Place, place};

pub(super) static TRIGGER: Place = place!("wiz", "trigger_type");
pub(super) static AUTOMATION: Place = place!("wiz", "automation_rule");
pub(super) static AUTOMATION_ID: Place = place!("wiz", "automation_rule_id");
pub(super) static CHANGED: Place = place!("wiz", "updated_fields");
pub(super) static PROJECTS: Place = place!("wiz", "projects");
pub(super) static NOTES: Place = place!("wiz", "notes");
pub(super) static RISKS: Place = place!("wiz", "risks");
pub(super) static FRAMEWORKS: Place = place!("wiz", "frameworks");
pub(super) static CONTROL_SEVERITY: Place = place!("wiz", "control_severity");
pub(super) static RESULT: Place = place!("wiz", "result");
pub(super) static RESOURCE_STATUS: Place = place!("wiz", "resource_status");
pub(super) static EXTERNAL_ID: Place = place!("wiz", "resource_external_id");
pub(super) static CLUSTER: Place = place!("wiz", "kubernetes_cluster");
pub(super) static NAMESPACE: Place = place!("wiz", "kubernetes_namespace");
pub(super) static RESOURCES: Place = place!("wiz", "resources");
pub(super) static ACTORS: Place = place!("wiz", "actors");
pub(super) static ACTOR_TYPE: Place = place!("wiz", "actor_type");
pub(super) static TACTICS: Place = place!("wiz", "mitre_tactics");
pub(super) static THREAT: Place = place!("wiz", "threat_id");
pub(super) static DETECTIONS: Place = place!("wiz", "detection_ids");
pub(super) static RULES: Place = place!("wiz", "detection_rules");
pub(super) static SOURCE: Place = place!("wiz", "detection_source");
pub(super) static EVENTS: Place = place!("wiz", "triggering_events_count");
pub(super) static EVENT: Place = place!("wiz", "triggering_event");
pub(super) static PROCESS: Place = place!("wiz", "process");
pub(super) static ORGANIZATIONS: Place = place!("wiz", "cloud_organizations");
pub(super) static EXPLOIT: Place = place!("wiz", "has_exploit");
pub(super) static KEV: Place = place!("wiz", "has_cisa_kev_exploit");
pub(super) static EPSS: Place = place!("wiz", "epss_probability");
pub(super) static METHOD: Place = place!("wiz", "detection_method");
pub(super) static IN_RUNTIME: Place = place!("wiz", "validated_in_runtime");
