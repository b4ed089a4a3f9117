//! Which events no destination wants: told to `ingest`, which counts them, and to people.
//!
//! Ingest counts them as they come, since no destination knows of the others. So the count is by
//! the configuration of that time, while each destination filters when it first reads an event.

use crate::event::Provenance;
use crate::ingest::Ingest;
use crate::normalize::Reading;
use crate::route;
use crate::settings::{Destination, Settings};
use crate::spool::Log;

/// Tells ingest which events of which source nobody wants; warns of sources of which it is all.
pub(super) fn tell<L: Log>(settings: &Settings, ingest: &Ingest<L>, warnings: &mut Vec<String>) {
    for source in &settings.sources {
        let name = &source.name;
        let wanting = |one: &&Destination| route::wants_source(one, name);
        let destinations: Vec<_> = settings.destinations.iter().filter(wanting).collect();
        if destinations.is_empty() {
            warnings.push(format!("source {name}: no destination wants its events"));
        }
        let conditions = destinations.into_iter().map(|one| one.when.clone());
        // None where a destination takes all of the source: then nothing is asked at all.
        if let Some(conditions) = conditions.collect::<Option<Vec<_>>>() {
            let reading = Reading::of(source);
            let unwanted = move |payload: &[u8], provenance: &Provenance| {
                let asked = route::Asked::new(payload, provenance, &reading);
                !conditions.iter().any(|condition| asked.fits(condition))
            };
            ingest.set_unwanted(name, Box::new(unwanted));
        }
    }
}
