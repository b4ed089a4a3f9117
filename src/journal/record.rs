//! One record: its bytes in a segment, and the check that they are what was written.
//!
//! Little endian, 8-byte aligned. The checksum is seeded with the segment's random salt, so that
//! bytes of another segment (a copied or reused block) are never taken for a record of this one.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 4 | magic `SRr1` |
//! | 4 | 4 | CRC-32 of bytes 8..length, seeded with the segment's salt |
//! | 8 | 4 | length of the record without padding |
//! | 12 | 1 | kind: 1 event, 2 gap |
//! | 13 | 1 | flags: 1 resend key present, 2 repeats are dropped, 4 `duplicate_of` present |
//! | 14 | 2 | header length |
//! | 16 | 8 | position |
//! | 24 | 8 | `synced_through`: last position durable when this record's group was written |
//! | 32 | 8 | received, Unix milliseconds |
//! | 40 | 16 | id |
//! | 56 | 16 | resend key |
//! | 72 | 16 | `duplicate_of` |
//! | 88 | 2 + 2 | index in and size of its set, for arrays stored all or nothing |
//! | 92 | 4 | zero |
//! | 96 | | header, payload, zero padding to 8 bytes |

use bytes::Bytes;

/// First bytes of a record.
pub(super) const MAGIC: [u8; 4] = *b"SRr1";
/// Bytes before the header.
pub(super) const FIXED_BYTES: usize = 96;
/// Records start at multiples of this.
pub(super) const ALIGNMENT: usize = 8;
/// Largest record, in bytes; also what a reader will believe a length field.
pub(super) const RECORD_BYTES_MAX: usize = 80 * 1024 * 1024;

const KIND_EVENT: u8 = 1;
const KIND_GAP: u8 = 2;
const FLAG_KEY: u8 = 1;
const FLAG_DROP: u8 = 2;
const FLAG_DUPLICATE: u8 = 4;

/// A record to be stored.
#[derive(Clone, Debug)]
pub struct NewRecord {
    /// 16 bytes that identify it.
    pub id: [u8; 16],
    /// Unix milliseconds.
    pub received_ms: u64,
    /// How a repeat would be recognised.
    pub resend: Option<Resend>,
    /// Opaque to the journal; at most 65,535 bytes.
    pub header: Vec<u8>,
    /// Opaque to the journal.
    pub payload: Bytes,
}

/// How a repeat is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resend {
    /// The key that a repeat has, too.
    pub key: [u8; 16],
    /// A repeat is not stored.
    pub drop_repeats: bool,
}

/// A record as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its place in the log.
    pub position: u64,
    /// The last position that was durable when its group was written.
    pub synced_through: u64,
    /// 16 bytes that identify it.
    pub id: [u8; 16],
    /// Unix milliseconds.
    pub received_ms: u64,
    /// How a repeat is recognised.
    pub resend: Option<Resend>,
    /// The record that it repeats.
    pub duplicate_of: Option<[u8; 16]>,
    /// Index in its set, and the set's size.
    pub set: (u16, u16),
    /// A place holder without an event.
    pub gap: bool,
    /// Opaque to the journal.
    pub header: Bytes,
    /// Opaque to the journal.
    pub payload: Bytes,
}

/// What the committer adds to a new record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placement {
    pub(super) position: u64,
    pub(super) synced_through: u64,
    pub(super) duplicate_of: Option<[u8; 16]>,
    pub(super) set: (u16, u16),
    pub(super) salt: u32,
}

/// Why bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// No record begins here.
    NoRecord,
    /// A record begins here, but more bytes are needed: this many in all.
    Incomplete(usize),
    /// Length, kind or checksum are wrong.
    Corrupt,
}

impl NewRecord {
    /// Bytes in a segment, padding included.
    pub(super) fn stored_bytes(&self) -> usize {
        let bytes = FIXED_BYTES + self.header.len() + self.payload.len();
        bytes.next_multiple_of(ALIGNMENT)
    }

    /// Appends the stored form to `out`.
    pub(super) fn encode(&self, place: &Placement, out: &mut Vec<u8>) {
        let start = out.len();
        let length = FIXED_BYTES + self.header.len() + self.payload.len();
        let key = self.resend.map_or([0; 16], |resend| resend.key);
        // Made aside and appended at once: the writer does little else than this.
        let mut fixed = [0; FIXED_BYTES];
        let mut fields = fixed.as_mut_slice();
        put(&mut fields, MAGIC);
        put(&mut fields, [0; 4]);
        // Callers have checked both lengths against their limits; a wrong one fails its check.
        put(
            &mut fields,
            u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes(),
        );
        put(&mut fields, [KIND_EVENT, self.flags(place)]);
        let header_length = u16::try_from(self.header.len()).unwrap_or(u16::MAX);
        put(&mut fields, header_length.to_le_bytes());
        put(&mut fields, place.position.to_le_bytes());
        put(&mut fields, place.synced_through.to_le_bytes());
        put(&mut fields, self.received_ms.to_le_bytes());
        put(&mut fields, self.id);
        put(&mut fields, key);
        put(&mut fields, place.duplicate_of.unwrap_or([0; 16]));
        put(&mut fields, place.set.0.to_le_bytes());
        put(&mut fields, place.set.1.to_le_bytes());
        out.extend_from_slice(&fixed);
        out.extend_from_slice(&self.header);
        out.extend_from_slice(&self.payload);
        let checksum = checksum(place.salt, out.get(start + 8..).unwrap_or_default());
        if let Some(field) = out.get_mut(start + 4..start + 8) {
            field.copy_from_slice(&checksum.to_le_bytes());
        }
        out.resize(start + self.stored_bytes(), 0);
    }

    fn flags(&self, place: &Placement) -> u8 {
        let mut flags = 0;
        if let Some(resend) = self.resend {
            flags |= FLAG_KEY;
            if resend.drop_repeats {
                flags |= FLAG_DROP;
            }
        }
        if place.duplicate_of.is_some() {
            flags |= FLAG_DUPLICATE;
        }
        flags
    }
}

/// Puts a field in front of the rest.
fn put<const BYTES: usize>(rest: &mut &mut [u8], field: [u8; BYTES]) {
    if let Some((place, behind)) = std::mem::take(rest).split_first_chunk_mut() {
        *place = field;
        *rest = behind;
    }
}

/// Reads the record at the start of `bytes`; returns it and its bytes with padding.
pub(super) fn decode(bytes: &Bytes, salt: u32) -> Result<(Record, usize), Unreadable> {
    if !bytes.starts_with(&MAGIC) {
        return Err(Unreadable::NoRecord);
    }
    let Some(fixed) = bytes.first_chunk::<FIXED_BYTES>() else {
        return Err(Unreadable::Incomplete(FIXED_BYTES));
    };
    let mut fields = Fields(fixed.get(4..).unwrap_or_default());
    let stored_checksum = u32::from_le_bytes(fields.take());
    let length = u32::from_le_bytes(fields.take()) as usize;
    let [kind, flags] = fields.take();
    let header_length = usize::from(u16::from_le_bytes(fields.take()));
    if !(FIXED_BYTES + header_length..=RECORD_BYTES_MAX).contains(&length) {
        return Err(Unreadable::Corrupt);
    }
    let Some(record) = bytes.get(..length) else {
        return Err(Unreadable::Incomplete(length));
    };
    let checked = record.get(8..).unwrap_or_default();
    if checksum(salt, checked) != stored_checksum || !(kind == KIND_EVENT || kind == KIND_GAP) {
        return Err(Unreadable::Corrupt);
    }
    let position = u64::from_le_bytes(fields.take());
    let synced_through = u64::from_le_bytes(fields.take());
    let received_ms = u64::from_le_bytes(fields.take());
    let id = fields.take();
    let key = fields.take();
    let duplicate_of = fields.take();
    let set = (
        u16::from_le_bytes(fields.take()),
        u16::from_le_bytes(fields.take()),
    );
    let header_end = FIXED_BYTES + header_length;
    let record = Record {
        position,
        synced_through,
        id,
        received_ms,
        resend: (flags & FLAG_KEY != 0).then_some(Resend {
            key,
            drop_repeats: flags & FLAG_DROP != 0,
        }),
        duplicate_of: (flags & FLAG_DUPLICATE != 0).then_some(duplicate_of),
        set,
        gap: kind == KIND_GAP,
        header: bytes.slice(FIXED_BYTES..header_end),
        payload: bytes.slice(header_end..length),
    };
    Ok((record, length.next_multiple_of(ALIGNMENT)))
}

/// CRC-32 seeded with a segment's salt.
pub(super) fn checksum(salt: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(salt);
    hasher.update(bytes);
    hasher.finalize()
}

/// Takes fixed-size fields off the front of checked bytes.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl Fields<'_> {
    /// The next field; zeros past the end, which no caller reaches after a length check.
    pub(super) fn take<const N: usize>(&mut self) -> [u8; N] {
        match self.0.split_first_chunk::<N>() {
            Some((field, rest)) => {
                self.0 = rest;
                *field
            }
            None => [0; N],
        }
    }
}
