//! The report: medians of the rounds' ratios, with the spread, as text and as Markdown.
//!
//! A goal that is missed is said, and nothing fails: times depend on the machine.

use std::error::Error;
use std::fmt;
use std::path::Path;

const BEGIN: &str = "<!-- bench: begin -->";
const END: &str = "<!-- bench: end -->";
const COLUMNS: [&str; 7] = [
    "what",
    "unit",
    "baseline",
    "measured",
    "ratio (min to max)",
    "goal",
    "",
];

/// One figure, with what it is compared with in the same rounds.
pub(crate) struct Line {
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    /// One value a round; empty where there is nothing to compare with.
    pub(crate) baseline: Vec<f64>,
    pub(crate) measured: Vec<f64>,
    /// Of the ratio, if the goal does not say otherwise; of the measured value where there is no
    /// baseline.
    pub(crate) goal: Option<Goal>,
}

#[derive(Clone, Copy)]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
    /// Of the measured value, although there is a baseline.
    MeasuredAtMost(f64),
}

impl Line {
    fn cells(&self) -> [String; 7] {
        let compared = !self.baseline.is_empty();
        let pairs = self.measured.iter().zip(&self.baseline);
        let ratios: Vec<f64> = pairs
            .map(|(measured, baseline)| measured / baseline)
            .collect();
        let of_ratio = compared && !matches!(self.goal, Some(Goal::MeasuredAtMost(_)));
        let judged = if of_ratio { &ratios } else { &self.measured };
        let verdict = match self.goal {
            None => "",
            Some(goal) if goal.is_met(median(judged)) => "met",
            Some(_) => "missed",
        };
        [
            self.what.clone(),
            self.unit.to_owned(),
            if compared {
                number(median(&self.baseline))
            } else {
                String::new()
            },
            if compared {
                number(median(&self.measured))
            } else {
                spread(&self.measured)
            },
            if compared {
                spread(&ratios)
            } else {
                String::new()
            },
            self.goal.map_or_else(String::new, |goal| goal.to_string()),
            verdict.to_owned(),
        ]
    }
}

impl Goal {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtLeast(bound) => value >= bound,
            Self::AtMost(bound) | Self::MeasuredAtMost(bound) => value <= bound,
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(bound) => write!(out, "at least {bound}"),
            Self::AtMost(bound) => write!(out, "at most {bound}"),
            Self::MeasuredAtMost(bound) => write!(out, "measured at most {bound}"),
        }
    }
}

/// An aligned table for a terminal.
pub(crate) fn text(lines: &[Line]) -> String {
    let rows = rows(lines);
    let mut widths = [0; COLUMNS.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let aligned = rows.iter().map(|row| {
        let cells = row.iter().zip(widths);
        let line: String = cells
            .map(|(cell, width)| format!("{cell:<width$}  "))
            .collect();
        format!("{}\n", line.trim_end())
    });
    aligned.collect()
}

/// Replaces what stands between the two marks of a Markdown file.
pub(crate) fn write(file: &Path, about: &str, lines: &[Line]) -> Result<(), Box<dyn Error>> {
    let text = std::fs::read_to_string(file)?;
    let missing = || format!("{} has no lines {BEGIN} and {END}", file.display());
    let (before, rest) = text.split_once(BEGIN).ok_or_else(missing)?;
    let (_, after) = rest.split_once(END).ok_or_else(missing)?;
    let mut table = String::new();
    for (index, row) in rows(lines).iter().enumerate() {
        table.push_str(&format!("| {} |\n", row.join(" | ")));
        if index == 0 {
            table.push_str(&format!("|{}\n", "---|".repeat(row.len())));
        }
    }
    std::fs::write(
        file,
        format!("{before}{BEGIN}\n{about}\n\n{table}{END}{after}"),
    )?;
    Ok(())
}

fn rows(lines: &[Line]) -> Vec<[String; 7]> {
    let head = COLUMNS.map(str::to_owned);
    std::iter::once(head)
        .chain(lines.iter().map(Line::cells))
        .collect()
}

fn spread(values: &[f64]) -> String {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!(
        "{} ({} to {})",
        number(median(values)),
        number(least),
        number(most)
    )
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        at(middle)
    } else {
        f64::midpoint(at(middle.wrapping_sub(1)), at(middle))
    }
}

fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
