//! What an event looks like in one format, or to one destination.
//!
//! Each view makes what is shown with the relay's own renderer, condition and encoding; nothing of
//! them is repeated here.

use std::sync::Arc;

use crate::event::Event;
use crate::normalize::{Notes, Renderer, Unmapped};
use crate::route;
use crate::settings::{Destination, Format, Source};
use crate::sink::{Preview, Shape, preview};

/// A way to look at events.
pub(super) struct View<'s> {
    destination: Option<&'s Destination>,
    format: Format,
    renderer: Renderer,
}

/// An event looked at.
pub(super) struct Seen<'s> {
    /// None for a format alone.
    pub(super) destination: Option<&'s Destination>,
    pub(super) format: Format,
    pub(super) outcome: Outcome,
    /// Members that the format has no place for; of the original that is not asked.
    pub(super) unmapped: Vec<Unmapped>,
    pub(super) notes: Notes,
}

/// What becomes of an event.
pub(super) enum Outcome {
    /// This goes out.
    Sent(Preview),
    /// The destination takes no such event, and why.
    Filtered(&'static str),
    /// It would become a dead letter, and why.
    Failed(String),
}

impl<'s> View<'s> {
    /// A format, as a file or an HTTP endpoint gets it.
    pub(super) fn of_format(format: Format, sources: &[Source]) -> Self {
        Self {
            destination: None,
            format,
            renderer: Renderer::new(sources, format, Shape::Payload),
        }
    }

    /// A destination.
    pub(super) fn of_destination(destination: &'s Destination, sources: &[Source]) -> Self {
        let (format, shape) = (destination.format, Shape::of(&destination.kind));
        Self {
            destination: Some(destination),
            format,
            renderer: Renderer::new(sources, format, shape)
                .with_original(destination.keep_original)
                .with_rules(&destination.rules),
        }
    }

    /// Looks at an event.
    pub(super) fn show(&self, event: &Arc<Event>) -> Seen<'s> {
        let source = &event.provenance.source;
        let mut seen = Seen {
            destination: self.destination,
            format: self.format,
            outcome: Outcome::Filtered("the destination takes no events of this source"),
            unmapped: Vec::new(),
            notes: Notes::default(),
        };
        if let Some(destination) = self.destination
            && !route::wants(destination, event, self.renderer.reading(source))
        {
            if route::wants_source(destination, source) {
                seen.outcome = Outcome::Filtered("the destination's condition does not fit (when)");
            }
            return seen;
        }
        match self.sent(event) {
            Ok((sent, notes)) => {
                seen.outcome = Outcome::Sent(sent);
                seen.notes = notes;
            }
            Err(text) => {
                seen.outcome = Outcome::Failed(text);
                return seen;
            }
        }
        if self.format != Format::Original {
            // What could be rendered can be read once more.
            seen.unmapped = self.renderer.unmapped(event).unwrap_or_default();
        }
        seen
    }

    fn sent(&self, event: &Arc<Event>) -> Result<(Preview, Notes), String> {
        let rendered = self.renderer.render(event);
        let (rendered, notes) = rendered.map_err(|error| error.to_string())?;
        let sent = match self.destination {
            None => Preview {
                parts: Vec::new(),
                body: rendered.body,
            },
            // As if it were sent at once.
            Some(destination) => preview(&destination.kind, &rendered, event.received_ms)
                .map_err(|error| error.to_string())?,
        };
        Ok((sent, notes))
    }
}

impl Seen<'_> {
    /// Whether the event would become a dead letter.
    pub(super) fn has_failed(&self) -> bool {
        matches!(self.outcome, Outcome::Failed(_))
    }
}
