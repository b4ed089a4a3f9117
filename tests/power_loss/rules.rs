//! The promises about the order of writes, syncs, renames, unlinks and answers.
//!
//! Each rule looks at a whole story and says what broke it, or how many times it held.

use std::collections::BTreeMap;
use std::path::Path;

use crate::format::{HEADER_BYTES, Id, Places, line_ids, records};
use crate::story::{Act, FileId, Step, Story, name_of};

/// What the rules look things up in.
pub(crate) struct Rules<'a> {
    story: &'a Story,
    /// Every record written, and the write.
    pub(crate) records: Vec<Record<'a>>,
    /// Every slot of the cursor file written, and the write.
    slots: Vec<(&'a Step, Places)>,
}

/// One record in one write; recovery writes some a second time.
pub(crate) struct Record<'a> {
    pub(crate) position: u64,
    pub(crate) id: Id,
    file: FileId,
    write: &'a Step,
}

/// A segment that is unlinked, or whose file becomes the spare.
struct Going<'a> {
    step: &'a Step,
    file: FileId,
    name: &'a str,
}

impl<'a> Rules<'a> {
    pub(crate) fn new(story: &'a Story) -> Self {
        let segments = story.files(|name| name.ends_with(".seg"));
        let cursors = story.files(|name| name == "cursors");
        let mut found = Self {
            story,
            records: Vec::new(),
            slots: Vec::new(),
        };
        for step in &story.steps {
            let Act::Write { file, at, bytes } = &step.act else {
                continue;
            };
            if *at >= HEADER_BYTES && segments.contains_key(file) {
                let written = records(bytes).into_iter().map(|(position, id)| Record {
                    position,
                    id,
                    file: *file,
                    write: step,
                });
                found.records.extend(written);
            }
            if *at >= HEADER_BYTES && cursors.contains_key(file) {
                found.slots.push((step, Places::read(bytes)));
            }
        }
        found.drop_cut_records();
        found
    }

    /// A record that a kill cut in its write is none: the next process gives its position again.
    fn drop_cut_records(&mut self) {
        let latest: BTreeMap<u64, Id> = (self.records.iter())
            .map(|record| (record.position, record.id))
            .collect();
        self.records
            .retain(|record| record.write.returned || latest[&record.position] == record.id);
    }

    /// Ids answered 200, and the line on which the answer began.
    pub(crate) fn answers(&self) -> impl Iterator<Item = (Id, usize)> {
        self.story.steps.iter().filter_map(|step| match step.act {
            Act::Answer(id) => Some((id, step.begin)),
            _ => None,
        })
    }

    /// Every 200 comes after a sync that began when its record had been written, and after the
    /// names of the segment, of the cursor file and of the journal's directory were synced.
    pub(crate) fn answers_follow_syncs(&self) -> Result<usize, String> {
        let mut by_id: BTreeMap<Id, Vec<&Record<'_>>> = BTreeMap::new();
        for record in &self.records {
            by_id.entry(record.id).or_default().push(record);
        }
        let mut count = 0;
        for (id, answered) in self.answers() {
            let records = by_id.get(&id);
            let records = records.ok_or(format!("line {answered}: no record has the id"))?;
            let synced = |record: &&&Record<'_>| record.write.is_durable_at(answered);
            let record = records.iter().find(synced).ok_or(format!(
                "line {answered}: answered before position {} was synced",
                records[0].position
            ))?;
            // By the time of the answer the file may be another segment.
            self.named(record.file, record.write.begin, answered)?;
            for cursors in self.story.files(|name| name == "cursors").keys() {
                self.named(*cursors, answered, answered)?;
            }
            self.directories_durable(answered)?;
            count += 1;
        }
        Ok(count)
    }

    /// The file's last name given before `used` is durable at a line.
    fn named(&self, file: FileId, used: usize, line: usize) -> Result<(), String> {
        let before = self.story.steps.iter().rev().filter(|step| step.end < used);
        let naming = before.into_iter().find(|step| match &step.act {
            Act::Rename { file: named, .. } | Act::Create { file: named, .. } => *named == file,
            _ => false,
        });
        let naming = naming.ok_or(format!("line {line}: a file has no name"))?;
        if naming.is_durable_at(line) {
            return Ok(());
        }
        Err(format!(
            "line {line}: answered before the name of line {} was synced",
            naming.begin
        ))
    }

    fn directories_durable(&self, line: usize) -> Result<(), String> {
        for step in self.story.steps.iter().filter(|step| step.end < line) {
            if let Act::MakeDirectory(path) = &step.act
                && name_of(path) == "journal"
                && !step.is_durable_at(line)
            {
                let path = path.display();
                return Err(format!("line {line}: answered before {path} was durable"));
            }
        }
        Ok(())
    }

    /// A file gets its lasting name when its content is synced.
    pub(crate) fn names_follow_content(&self) -> Result<usize, String> {
        let mut count = 0;
        for step in &self.story.steps {
            let Act::Rename { file, to, .. } = &step.act else {
                continue;
            };
            let writes = self.story.steps.iter().filter(|write| {
                let Act::Write { file: written, .. } = &write.act else {
                    return false;
                };
                written == file && write.begin < step.begin
            });
            for write in writes {
                if !write.is_durable_at(step.begin) {
                    return Err(format!(
                        "line {}: {} got its name before the write of line {} was synced",
                        step.begin,
                        name_of(to),
                        write.begin
                    ));
                }
            }
            count += 1;
        }
        Ok(count)
    }

    /// A segment is unlinked, or becomes the spare, when cursors that are past all of it are
    /// synced, and the one before it is gone for sure: a power cut must not leave a hole.
    pub(crate) fn segments_go_after_cursors(&self) -> Result<usize, String> {
        let mut count = 0;
        let mut gone: Option<&Step> = None;
        for Going { step, file, name } in self.going() {
            if let Some(earlier) = gone.filter(|earlier| !earlier.is_durable_at(step.begin)) {
                return Err(format!(
                    "line {}: {name} went before the end of line {} was synced",
                    step.begin, earlier.begin
                ));
            }
            gone = Some(step);
            // What the file held before it had this name has lower positions.
            let records = self.records.iter().filter(|record| record.file == file);
            let records = records.filter(|record| record.write.begin < step.begin);
            let last = records.map(|record| record.position).max().unwrap_or(0);
            let passed = self
                .slots
                .iter()
                .any(|(write, places)| write.is_durable_at(step.begin) && places.all_settled(last));
            if !passed {
                return Err(format!(
                    "line {}: {name} went before cursors past {last} were synced",
                    step.begin
                ));
            }
            count += 1;
        }
        Ok(count)
    }

    /// What was a segment is written again only when its new name is synced: else a power cut
    /// brings back the old one with what is another's.
    pub(crate) fn spares_are_named_before_writes(&self) -> Result<usize, String> {
        let mut count = 0;
        for Going { step, file, name } in self.going() {
            if !matches!(step.act, Act::Rename { .. }) {
                continue;
            }
            let writes = self.story.steps.iter().filter(|later| match later.act {
                Act::Write { file: written, .. } | Act::Truncate { file: written, .. } => {
                    written == file && later.end > step.begin
                }
                _ => false,
            });
            for write in writes {
                if !step.is_durable_at(write.begin) {
                    return Err(format!(
                        "line {}: written when {name} might still be the file's name",
                        write.begin
                    ));
                }
            }
            count += 1;
        }
        Ok(count)
    }

    /// Every segment that lost its name, in order.
    fn going(&self) -> Vec<Going<'_>> {
        let mut names: BTreeMap<FileId, &Path> = BTreeMap::new();
        let mut going = Vec::new();
        for step in &self.story.steps {
            let (file, name) = match &step.act {
                Act::Create { file, path } => (*file, names.insert(*file, path)),
                Act::Rename { file, to } => (*file, names.insert(*file, to)),
                Act::Unlink { file, .. } => (*file, names.remove(file)),
                _ => continue,
            };
            if let Some(name) = name.map(name_of).filter(|name| name.ends_with(".seg")) {
                going.push(Going { step, file, name });
            }
        }
        going
    }

    /// A cursor moves past an event when the archive's file has it and is synced.
    pub(crate) fn cursors_follow_deliveries(&self) -> Result<usize, String> {
        let archives = self.story.files(|name| name.ends_with(".jsonl"));
        let mut archived: BTreeMap<Id, usize> = BTreeMap::new();
        for step in &self.story.steps {
            if let Act::Write { file, bytes, .. } = &step.act
                && archives.contains_key(file)
                && let Some(durable) = step.durable
            {
                for id in line_ids(bytes) {
                    let earliest = archived.entry(id).or_insert(durable);
                    *earliest = durable.min(*earliest);
                }
            }
        }
        let mut count = 0;
        for (write, places) in &self.slots {
            for record in &self.records {
                if !places.any_settled(record.position) || record.write.begin > write.begin {
                    continue;
                }
                let delivered = archived.get(&record.id);
                if delivered.is_none_or(|durable| *durable >= write.begin) {
                    return Err(format!(
                        "line {}: a cursor passed position {} before it was delivered",
                        write.begin, record.position
                    ));
                }
                count += 1;
            }
        }
        Ok(count)
    }
}
