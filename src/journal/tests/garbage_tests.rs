//! Proves: whatever bytes a disk gives back, nothing panics, no record is made up, and nothing
//! that was durable is missed silently. The fuzz targets in `fuzz/` run the same checks for longer.

use proptest::prelude::*;

use super::sim::SimDisk;
use super::*;

/// Bytes that look like numbers more often than chance would have it.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let small = prop_oneof![
        Just(0_u64),
        1..200_u64,
        Just(u64::MAX),
        Just(u64::from(u32::MAX)),
        any::<u64>()
    ];
    let words = prop::collection::vec(small, 0..60);
    let words = words.prop_map(|words| words.iter().flat_map(|w| w.to_le_bytes()).collect());
    prop_oneof![prop::collection::vec(any::<u8>(), 0..400), words]
}

/// Records with right magic, kind and length, for which only the rest is chance.
fn records() -> impl Strategy<Value = Vec<u8>> {
    let record = (
        96..300_u32,
        0..4_u8,
        any::<u8>(),
        0..80_u16,
        0..30_u64,
        bytes(),
    );
    let record = record.prop_map(|(length, kind, flags, header, position, rest)| {
        let mut record = vec![0; length.next_multiple_of(8) as usize];
        for (to, from) in record.iter_mut().zip(rest.iter().cycle()) {
            *to = *from;
        }
        record[8..12].copy_from_slice(&length.to_le_bytes());
        record[12] = kind;
        record[13] = flags;
        record[14..16].copy_from_slice(&header.to_le_bytes());
        record[16..24].copy_from_slice(&position.to_le_bytes());
        record
    });
    prop::collection::vec(record, 1..8).prop_map(|records| records.concat())
}

/// A slot of the cursor file, from its sequence on, cut at any place.
fn slots() -> impl Strategy<Value = Vec<u8>> {
    let name = prop::collection::vec(any::<u8>(), 0..9);
    let cursor = (
        name,
        any::<[u64; 8]>(),
        prop::collection::vec(any::<[u64; 2]>(), 0..4),
    );
    let skips = prop::collection::vec(any::<[u64; 5]>(), 0..3);
    let parts = (
        any::<[u64; 4]>(),
        prop::collection::vec(cursor, 0..3),
        skips,
        0..400_usize,
    );
    parts.prop_map(|(head, cursors, skips, cut)| {
        let mut slot: Vec<u8> = head.iter().flat_map(|n| n.to_le_bytes()).collect();
        slot.extend(u16::try_from(cursors.len()).unwrap().to_le_bytes());
        for (name, numbers, ranges) in cursors {
            slot.push(u8::try_from(name.len()).unwrap());
            slot.extend(name);
            slot.extend(numbers.iter().flat_map(|n| n.to_le_bytes()));
            slot.extend(u32::try_from(ranges.len()).unwrap().to_le_bytes());
            slot.extend(ranges.iter().flatten().flat_map(|n| n.to_le_bytes()));
        }
        slot.extend(u16::try_from(skips.len()).unwrap().to_le_bytes());
        slot.extend(skips.iter().flatten().flat_map(|n| n.to_le_bytes()));
        let kept = slot.len().saturating_sub(cut.saturating_sub(200));
        slot.truncate(kept);
        slot
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]
    #[test]
    fn any_bytes_are_refused_or_are_the_record_that_stands_there(
        bytes in prop_oneof![bytes(), records()],
    ) {
        fuzz::record(&bytes);
    }

    #[test]
    fn any_segment_is_read_up_to_what_cannot_be_a_record(bytes in prop_oneof![bytes(), records()]) {
        fuzz::segment(&bytes);
    }

    #[test]
    fn any_end_of_a_file_is_a_seal_or_is_refused(bytes in bytes()) {
        fuzz::seal(&bytes);
    }

    #[test]
    fn any_slot_of_the_cursor_file_is_read_or_refused(bytes in prop_oneof![bytes(), slots()]) {
        fuzz::cursors(&bytes);
    }
}

/// Five records, each durable before the next; the cursor file vouches for four of them.
fn five_records() -> (tempfile::TempDir, SimDisk, Vec<u8>) {
    let directory = tempfile::tempdir().unwrap();
    let disk = SimDisk::default();
    let open = |disk: &SimDisk| open_with(options(directory.path()), Arc::new(disk.clone()));
    let journal = open(&disk).unwrap();
    for number in 1..=4 {
        append(&journal, record(&format!("record {number}"))).unwrap();
    }
    drop(journal);
    let vouched = disk.after_kill();
    let journal = open(&vouched).unwrap();
    append(&journal, record("record 5")).unwrap();
    let end = journal.shared.segments()[0].end;
    let file = vouched.open(&segment::path(directory.path(), 1)).unwrap();
    let mut segment = vec![0; usize::try_from(end).unwrap()];
    files::read_full(&*file, &mut segment, 0).unwrap();
    drop(journal);
    (directory, disk, segment)
}

/// Opens with this content of the segment: what is read must be a beginning of what was stored,
/// and if it is less than was durable, that must be said.
fn check(directory: &Path, disk: &SimDisk, segment: &[u8], what: &str) {
    let disk = disk.after_kill();
    let file = disk.open(&segment::path(directory, 1)).unwrap();
    files::write_full(&*file, segment, 0).unwrap();
    let journal = match open_with(options(directory), Arc::new(disk)) {
        Ok(journal) => journal,
        // Bytes of the header say that it is another journal's, or another version's.
        Err(OpenError::Foreign(_) | OpenError::Version { .. }) => return,
        Err(error) => panic!("{what}: {error}"),
    };
    let (texts, damage) = read_all(&journal, 0);
    let stored: Vec<String> = (1..=5).map(|number| format!("record {number}")).collect();
    assert!(stored.starts_with(&texts), "{what}: {texts:?}");
    assert_eq!(texts.len() >= 4, damage.is_none(), "{what}: {damage:?}");
    let new = position(append(&journal, record("new")).unwrap());
    assert!(new > texts.len() as u64, "{what}: position {new} again");
    assert_eq!(read_all(&journal, new - 1).0, ["new"], "{what}");
}

#[test]
fn a_segment_cut_at_any_byte_keeps_what_is_before_and_says_what_is_missing() {
    let (directory, disk, whole) = five_records();
    for cut in (0..100).chain(4000..whole.len()) {
        let mut segment = whole.clone();
        segment[cut..].fill(0);
        check(directory.path(), &disk, &segment, &format!("cut at {cut}"));
    }
}

#[test]
fn any_flipped_byte_of_a_segment_is_noticed_where_it_matters() {
    let (directory, disk, whole) = five_records();
    for byte in (0..100).chain(4000..whole.len()) {
        for bit in [0x01, 0x80] {
            let mut segment = whole.clone();
            segment[byte] ^= bit;
            let what = format!("bit {bit:#x} of byte {byte} flipped");
            check(directory.path(), &disk, &segment, &what);
        }
    }
}
