//! Events of a vendor whose shape is not known here: every member stays as it is.

use super::json::Object;
use super::model::Model;
use super::vendor::Vendor;

/// Reads one event, of which nothing is known but the vendor.
pub(super) fn read<'a>(text: &'a str, vendor: &'static Vendor) -> Model<'a> {
    let mut model = Model::of(vendor);
    model.notes.types = 1;
    model
        .other
        .keep("", Object::parse(text).unwrap_or_default());
    model.count_other();
    model
}
