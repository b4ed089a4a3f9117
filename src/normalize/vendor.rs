//! What each vendor is called, and the fields and sourcetypes that are its own.
//!
//! All names are constants made of the vendor's module, so that every vendor has the same fields
//! below its own name and no event can invent one. Knows no event.

/// A vendor.
#[derive(Debug)]
pub(super) struct Vendor {
    /// `observer.vendor` and its like.
    pub(super) name: &'static str,
    /// `event.module`, the first word of `event.dataset`.
    pub(super) module: &'static str,
    /// Where an event names no host, and a schema wants one.
    pub(super) host: &'static str,
    /// What people log in to.
    pub(super) service: &'static str,
    /// Fields of ECS below the vendor's own name.
    pub(super) ecs: Ecs,
    /// Fields of a finding there.
    pub(super) finding: FindingNames,
    /// The same of a policy violation.
    pub(super) violation: FindingNames,
    /// The field for Splunk with what joins all events of a finding.
    pub(super) cim_finding_id: &'static str,
    /// The same of a finding in one target.
    pub(super) cim_target_id: &'static str,
    /// Sourcetypes of Splunk, one for each family.
    pub(super) sourcetypes: Sourcetypes,
}

/// Names of ECS fields of any event, and of findings where they are the same in every family.
#[derive(Debug)]
pub(super) struct Ecs {
    pub(super) other: &'static str,
    pub(super) version: &'static str,
    pub(super) event_id: &'static str,
    pub(super) finding_uuid: &'static str,
    pub(super) target_uuid: &'static str,
    pub(super) priority: &'static str,
    pub(super) category: &'static str,
    pub(super) exploitability: &'static str,
    pub(super) vector: &'static str,
    pub(super) advisory: &'static str,
    pub(super) weaknesses: &'static str,
    pub(super) policy_uuid: &'static str,
    pub(super) version_range: &'static str,
    pub(super) fixed_version: &'static str,
    pub(super) manifest: &'static str,
    pub(super) commit: &'static str,
    pub(super) reference: &'static str,
    pub(super) start_line: &'static str,
    pub(super) end_line: &'static str,
    pub(super) asset_uuid: &'static str,
    pub(super) asset_name: &'static str,
    pub(super) asset_type: &'static str,
    pub(super) asset_portal_url: &'static str,
    pub(super) asset_url: &'static str,
    pub(super) hosted_on: &'static str,
    pub(super) discovered_via: &'static str,
    pub(super) console_url: &'static str,
    pub(super) asset_created: &'static str,
    pub(super) group_uuid: &'static str,
    pub(super) group_name: &'static str,
    pub(super) strategy: &'static str,
    pub(super) notification_email: &'static str,
    pub(super) note_uuid: &'static str,
    pub(super) note_text: &'static str,
    pub(super) object_type: &'static str,
    pub(super) object_id: &'static str,
    pub(super) object_name: &'static str,
    pub(super) batch_count: &'static str,
    pub(super) batch_codes: &'static str,
    pub(super) batch_ids: &'static str,
    pub(super) opened_count: &'static str,
    pub(super) opened_ids: &'static str,
    pub(super) resolved_count: &'static str,
    pub(super) resolved_ids: &'static str,
    pub(super) cves: &'static str,
}

/// Names of a finding's ECS fields, which depend on its family.
#[derive(Debug)]
pub(super) struct FindingNames {
    pub(super) uuid: &'static str,
    pub(super) status: &'static str,
    pub(super) severity: &'static str,
    pub(super) relevance: &'static str,
    pub(super) recommendation: &'static str,
    pub(super) additional: &'static str,
    pub(super) exception_at: &'static str,
}

/// One for each data model, so that an add-on can tag by it.
#[derive(Debug)]
pub(super) struct Sourcetypes {
    pub(super) vulnerability: &'static str,
    pub(super) alert: &'static str,
    pub(super) note: &'static str,
    pub(super) asset: &'static str,
    pub(super) authentication: &'static str,
    pub(super) account: &'static str,
    pub(super) audit: &'static str,
    pub(super) event: &'static str,
}

/// A member that only one vendor has, and where each format has it. Its value is always text.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) ecs: &'static str,
    pub(super) ocsf: &'static str,
    pub(super) cim: &'static str,
}

/// The place of a member: below the vendor's name, below `unmapped`, with the vendor's prefix.
macro_rules! place {
    ($module:literal, $name:literal) => {
        $crate::normalize::vendor::Place {
            ecs: concat!($module, ".", $name),
            ocsf: concat!("unmapped.", $name),
            cim: concat!($module, "_", $name),
        }
    };
}
pub(super) use place;

macro_rules! finding_names {
    ($module:literal, $family:literal) => {
        FindingNames {
            uuid: concat!($module, ".", $family, ".uuid"),
            status: concat!($module, ".", $family, ".status"),
            severity: concat!($module, ".", $family, ".severity"),
            relevance: concat!($module, ".", $family, ".relevance"),
            recommendation: concat!($module, ".", $family, ".recommendation"),
            additional: concat!($module, ".", $family, ".additional_information"),
            exception_at: concat!($module, ".", $family, ".exception_date_created"),
        }
    };
}

macro_rules! ecs {
    ($module:literal) => {
        Ecs {
            other: concat!($module, ".other"),
            version: concat!($module, ".version"),
            event_id: concat!($module, ".event_id"),
            finding_uuid: concat!($module, ".finding.uuid"),
            target_uuid: concat!($module, ".finding.target_uuid"),
            priority: concat!($module, ".finding.priority"),
            category: concat!($module, ".finding.category"),
            exploitability: concat!($module, ".finding.exploitability"),
            vector: concat!($module, ".finding.cvss_vector"),
            advisory: concat!($module, ".finding.advisory"),
            weaknesses: concat!($module, ".finding.cwe"),
            policy_uuid: concat!($module, ".policy.uuid"),
            version_range: concat!($module, ".package.version_range"),
            fixed_version: concat!($module, ".package.fixed_version"),
            manifest: concat!($module, ".package.manifest"),
            commit: concat!($module, ".location.commit"),
            reference: concat!($module, ".location.ref"),
            start_line: concat!($module, ".location.start_line"),
            end_line: concat!($module, ".location.end_line"),
            asset_uuid: concat!($module, ".asset.uuid"),
            asset_name: concat!($module, ".asset.name"),
            asset_type: concat!($module, ".asset.type"),
            asset_portal_url: concat!($module, ".asset.portal_url"),
            asset_url: concat!($module, ".asset.url"),
            hosted_on: concat!($module, ".asset.hosted_on"),
            discovered_via: concat!($module, ".asset.discovered_via"),
            console_url: concat!($module, ".asset.cloud_console_url"),
            asset_created: concat!($module, ".asset.date_created"),
            group_uuid: concat!($module, ".asset_group.uuid"),
            group_name: concat!($module, ".asset_group.name"),
            strategy: concat!($module, ".auth.strategy"),
            notification_email: concat!($module, ".account.notification_email"),
            note_uuid: concat!($module, ".note.uuid"),
            note_text: concat!($module, ".note.text"),
            object_type: concat!($module, ".object.type"),
            object_id: concat!($module, ".object.id"),
            object_name: concat!($module, ".object.name"),
            batch_count: concat!($module, ".batch.count"),
            batch_codes: concat!($module, ".batch.code"),
            batch_ids: concat!($module, ".batch.id"),
            opened_count: concat!($module, ".finding.opened_count"),
            opened_ids: concat!($module, ".finding.opened_id"),
            resolved_count: concat!($module, ".finding.resolved_count"),
            resolved_ids: concat!($module, ".finding.resolved_id"),
            cves: concat!($module, ".finding.cve"),
        }
    };
}

macro_rules! vendor {
    ($name:literal, $module:literal, $host:literal, $service:literal, $prefix:literal) => {
        Vendor {
            name: $name,
            module: $module,
            host: $host,
            service: $service,
            ecs: ecs!($module),
            finding: finding_names!($module, "finding"),
            violation: finding_names!($module, "policy_violation"),
            cim_finding_id: concat!($prefix, "uuid"),
            cim_target_id: concat!($prefix, "target_uuid"),
            sourcetypes: Sourcetypes {
                vulnerability: concat!($module, ":vulnerability"),
                alert: concat!($module, ":alert"),
                note: concat!($module, ":note"),
                asset: concat!($module, ":asset"),
                authentication: concat!($module, ":authentication"),
                account: concat!($module, ":account"),
                audit: concat!($module, ":audit"),
                event: concat!($module, ":event"),
            },
        }
    };
}

pub(super) static DATA_THEOREM: Vendor = vendor!(
    "Data Theorem",
    "datatheorem",
    "securetheorem.com",
    "Data Theorem portal",
    "dt_"
);
pub(super) static GITHUB: Vendor = vendor!("GitHub", "github", "github.com", "GitHub", "finding_");
pub(super) static GITLAB: Vendor = vendor!("GitLab", "gitlab", "gitlab.com", "GitLab", "finding_");
pub(super) static SNYK: Vendor = vendor!("Snyk", "snyk", "snyk.io", "Snyk", "finding_");
pub(super) static WIZ: Vendor = vendor!("Wiz", "wiz", "wiz.io", "Wiz", "finding_");
pub(super) static OKTA: Vendor = vendor!("Okta", "okta", "okta.com", "Okta", "finding_");
