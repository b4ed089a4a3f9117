//! What the checker must know of the bytes: ids in answers, records in segments, places in
//! cursors, lines of the archive. Written from the formats' description, not with their code.

use uuid::Uuid;

/// An event's id.
pub(crate) type Id = [u8; 16];

/// First bytes of a record.
pub(crate) const RECORD_MAGIC: &[u8] = b"SRr1";
/// Bytes of a segment, and of the cursor file, before what is looked at here.
pub(crate) const HEADER_BYTES: u64 = 4096;
const PAGE_BYTES: usize = 4096;
const RECORD_ALIGNMENT: usize = 8;

/// How far the destinations are, as one slot of the cursor file says.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// Per destination: its low water, and the settled ranges above it.
    places: Vec<(u64, Vec<(u64, u64)>)>,
}

/// Ids in a 200, or none in anything else.
pub(crate) fn answered_ids(bytes: &[u8]) -> Vec<Id> {
    if bytes.starts_with(b"HTTP/1.1 200") {
        ids(&String::from_utf8_lossy(bytes))
    } else {
        vec![]
    }
}

/// Ids in whole lines of a file destination.
pub(crate) fn line_ids(bytes: &[u8]) -> Vec<Id> {
    ids(&String::from_utf8_lossy(bytes))
}

fn ids(text: &str) -> Vec<Id> {
    let rests = text.split("\"id\":").skip(1);
    let texts = rests.filter_map(|rest| rest.trim_start().strip_prefix('"')?.get(..36));
    let ids = texts.filter_map(|text| Uuid::parse_str(text).ok());
    ids.map(Uuid::into_bytes).collect()
}

/// Positions and ids of the records in one write to a segment. A write begins with its page, and so
/// perhaps with the end of a record that an earlier one wrote.
pub(crate) fn records(bytes: &[u8]) -> Vec<(u64, Id)> {
    let places = (0..bytes.len().min(PAGE_BYTES)).step_by(RECORD_ALIGNMENT);
    let mut bytes = places
        .map(|at| &bytes[at..])
        .find(|rest| rest.starts_with(RECORD_MAGIC))
        .unwrap_or_default();
    let mut records = Vec::new();
    while bytes.starts_with(RECORD_MAGIC) {
        let length = u32::from_le_bytes(bytes[8..12].try_into().unwrap());
        let stored = usize::try_from(length).unwrap().next_multiple_of(8);
        let Some((record, rest)) = bytes.split_at_checked(stored) else {
            break;
        };
        let position = u64::from_le_bytes(record[16..24].try_into().unwrap());
        records.push((position, record[40..56].try_into().unwrap()));
        bytes = rest;
    }
    records
}

impl Places {
    /// Reads a slot as it was written.
    pub(crate) fn read(slot: &[u8]) -> Self {
        let mut rest = &slot[40..];
        let count = u16::from_le_bytes(take(&mut rest));
        let mut places = Vec::new();
        for _ in 0..count {
            let [length] = take(&mut rest);
            rest = &rest[usize::from(length)..];
            let low_water = u64::from_le_bytes(take(&mut rest));
            rest = &rest[7 * 8..];
            let ranges = u32::from_le_bytes(take(&mut rest));
            let ranges = (0..ranges).map(|_| {
                let start = u64::from_le_bytes(take(&mut rest));
                (start, u64::from_le_bytes(take(&mut rest)))
            });
            places.push((low_water, ranges.collect()));
        }
        // Behind the places: the damaged places that somebody passed, of which there are none here.
        assert_eq!(rest, [0, 0], "a slot of another form");
        Self { places }
    }

    /// Whether every destination is done with a position.
    pub(crate) fn all_settled(&self, position: u64) -> bool {
        !self.places.is_empty() && self.places.iter().all(|place| settled(place, position))
    }

    /// Whether any destination is done with a position.
    pub(crate) fn any_settled(&self, position: u64) -> bool {
        self.places.iter().any(|place| settled(place, position))
    }
}

fn settled((low_water, ranges): &(u64, Vec<(u64, u64)>), position: u64) -> bool {
    let mut ranges = ranges.iter();
    position <= *low_water || ranges.any(|(start, end)| (*start..=*end).contains(&position))
}

fn take<const N: usize>(bytes: &mut &[u8]) -> [u8; N] {
    let (field, rest) = bytes.split_first_chunk().expect("a slot is whole");
    *bytes = rest;
    *field
}
