//! Where things stand on pages: lines are broken by their width, tables go on over pages under their headings.

use super::{
    Block, Report,
    font::{Font, Weight},
};

/// A4, in points.
pub(super) const PAGE_WIDTH: f32 = 595.28;
pub(super) const PAGE_HEIGHT: f32 = 841.89;
const MARGIN: f32 = 50.0;
/// Room for the foot of a page.
const BOTTOM: f32 = 64.0;
const WIDTH: f32 = PAGE_WIDTH - 2.0 * MARGIN;
const TEXT: f32 = 9.0;
const LEADING: f32 = 1.42;
/// Lines of one cell; what does not fit ends with an ellipsis. A row is always shorter than a page.
const CELL_LINES_MAX: usize = 6;
/// Lines of one paragraph or piece of code.
const BLOCK_LINES_MAX: usize = 400;
const GAP: f32 = 8.0;

/// Something that is drawn.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Mark {
    /// A line of text whose left end is here.
    Text { x: f32, y: f32, size: f32, weight: Weight, is_soft: bool, text: String },
    /// A thin line to the right.
    Rule { x: f32, y: f32, width: f32 },
}

/// The pages of a report.
pub(super) fn pages(report: &Report) -> Vec<Vec<Mark>> {
    let mut flow = Flow { pages: vec![Vec::new()], y: PAGE_HEIGHT - MARGIN };
    flow.paragraph(&report.title, 17.0, Weight::Bold, false);
    flow.paragraph(&report.subtitle, TEXT, Weight::Regular, true);
    for section in &report.sections {
        flow.gap(GAP * 1.5);
        // A heading does not stand alone at the end of a page.
        flow.room(70.0);
        flow.paragraph(&section.title, 11.5, Weight::Bold, false);
        flow.gap(2.0);
        for block in &section.blocks {
            flow.block(block);
            flow.gap(GAP * 0.6);
        }
    }
    let count = flow.pages.len();
    for (at, page) in flow.pages.iter_mut().enumerate() {
        page.push(Mark::Rule { x: MARGIN, y: BOTTOM - 18.0, width: WIDTH });
        let number = format!("{} of {count}", at + 1);
        let font = Font::of(Weight::Regular);
        let x = PAGE_WIDTH - MARGIN - font.width(&number, 7.0);
        let foot = cut(&report.foot, font, 7.0, WIDTH - 60.0);
        for (x, text) in [(MARGIN, foot), (x, number)] {
            page.push(Mark::Text {
                x,
                y: BOTTOM - 29.0,
                size: 7.0,
                weight: Weight::Regular,
                is_soft: true,
                text,
            });
        }
    }
    flow.pages
}

/// Pages that are being filled from the top.
struct Flow {
    pages: Vec<Vec<Mark>>,
    /// Where the next thing ends at its top.
    y: f32,
}

impl Flow {
    fn put(&mut self, mark: Mark) {
        if let Some(page) = self.pages.last_mut() {
            page.push(mark);
        }
    }

    fn gap(&mut self, height: f32) {
        self.y -= height;
    }

    /// A new page, unless there is so much room on this one; whether it is new.
    fn room(&mut self, height: f32) -> bool {
        if self.y - height >= BOTTOM {
            return false;
        }
        self.pages.push(Vec::new());
        self.y = PAGE_HEIGHT - MARGIN;
        true
    }

    fn line(&mut self, x: f32, size: f32, (weight, is_soft): (Weight, bool), text: String) {
        self.put(Mark::Text { x, y: self.y - size, size, weight, is_soft, text });
    }

    fn paragraph(&mut self, text: &str, size: f32, weight: Weight, is_soft: bool) {
        for line in lines(text, Font::of(weight), size, WIDTH, BLOCK_LINES_MAX) {
            self.room(size * LEADING);
            self.line(MARGIN, size, (weight, is_soft), line);
            self.gap(size * LEADING);
        }
    }

    fn block(&mut self, block: &Block) {
        match block {
            Block::Text(text) => self.paragraph(text, TEXT, Weight::Regular, false),
            Block::Code(text) => self.paragraph(text, 8.0, Weight::Regular, true),
            Block::Facts(facts) => {
                let widths = [WIDTH * 0.24, WIDTH * 0.76];
                for (name, value) in facts {
                    self.row(&[name.clone(), value.clone()], &widths, (Weight::Regular, true));
                }
            }
            Block::Table { columns, rows } => {
                let widths = column_widths(columns, rows);
                self.heading(columns, &widths);
                for row in rows {
                    if self.room(row_height(row, &widths)) {
                        self.heading(columns, &widths);
                    }
                    self.row(row, &widths, (Weight::Regular, false));
                }
            }
            Block::SignOffs(roles) => self.sign_offs(roles),
        }
    }

    fn heading(&mut self, columns: &[String], widths: &[f32]) {
        self.row(columns, widths, (Weight::Bold, false));
    }

    /// Cells beside each other, each broken into lines; `first_is_soft` for names of facts.
    fn row(&mut self, cells: &[String], widths: &[f32], (weight, first_is_soft): (Weight, bool)) {
        let font = Font::of(weight);
        let broken: Vec<Vec<String>> = cells
            .iter()
            .zip(widths)
            .map(|(cell, width)| lines(cell, font, TEXT, width - 6.0, CELL_LINES_MAX))
            .collect();
        let count = broken.iter().map(Vec::len).max().unwrap_or(1);
        let height = TEXT * LEADING * f32::from(u8::try_from(count).unwrap_or(u8::MAX));
        self.room(height + 4.0);
        let mut x = MARGIN;
        for ((at, cell), width) in broken.into_iter().enumerate().zip(widths) {
            let mut y = self.y;
            for text in cell {
                let is_soft = first_is_soft && at == 0;
                self.put(Mark::Text { x, y: y - TEXT, size: TEXT, weight, is_soft, text });
                y -= TEXT * LEADING;
            }
            x += width;
        }
        self.gap(height + 1.5);
        self.put(Mark::Rule { x: MARGIN, y: self.y, width: WIDTH });
        self.gap(2.5);
    }

    fn sign_offs(&mut self, roles: &[String]) {
        for role in roles {
            self.room(46.0);
            self.gap(32.0);
            self.line(MARGIN, TEXT, (Weight::Bold, false), role.clone());
            let columns = [(110.0, 150.0, "Name"), (275.0, 130.0, "Signature"), (420.0, 75.0, "Date")];
            for (x, width, what) in columns {
                let (x, y) = (MARGIN + x, self.y - TEXT);
                self.put(Mark::Rule { x, y, width });
                let text = what.to_owned();
                self.put(Mark::Text {
                    x,
                    y: y - 9.0,
                    size: 7.0,
                    weight: Weight::Regular,
                    is_soft: true,
                    text,
                });
            }
            self.gap(14.0);
        }
    }
}

/// What a row takes with the space around it.
fn row_height(cells: &[String], widths: &[f32]) -> f32 {
    let font = Font::of(Weight::Regular);
    let counts = cells
        .iter()
        .zip(widths)
        .map(|(cell, width)| lines(cell, font, TEXT, width - 6.0, CELL_LINES_MAX).len());
    let count = counts.max().unwrap_or(1);
    TEXT * LEADING * f32::from(u8::try_from(count).unwrap_or(u8::MAX)) + 4.0
}

/// Every column gets what its widest cell needs, as far as there is room; then all give in the same measure.
fn column_widths(columns: &[String], rows: &[Vec<String>]) -> Vec<f32> {
    let font = Font::of(Weight::Bold);
    let needed = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at)).chain(columns.get(at));
        let widest = cells.map(|cell| font.width(cell, TEXT)).fold(0.0, f32::max);
        (widest + 10.0).clamp(36.0, WIDTH * 0.5)
    };
    let needed: Vec<f32> = (0..columns.len()).map(needed).collect();
    let sum: f32 = needed.iter().sum();
    needed.into_iter().map(|width| width * WIDTH / sum.max(1.0)).collect()
}

/// A text in lines that are no wider than this, at most so many; the last one says with an ellipsis if more follows.
fn lines(text: &str, font: &Font, size: f32, width: f32, count_max: usize) -> Vec<String> {
    let mut out = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        for word in paragraph.split_inclusive(' ') {
            if font.width(&format!("{line}{}", word.trim_end()), size) > width && !line.is_empty() {
                out.push(std::mem::take(&mut line));
            }
            let mut filled = font.width(&line, size);
            for character in word.chars() {
                let advance = font.width(character.encode_utf8(&mut [0; 4]), size);
                if filled + advance > width && character != ' ' && !line.is_empty() {
                    out.push(std::mem::take(&mut line));
                    filled = 0.0;
                }
                line.push(character);
                filled += advance;
            }
            if out.len() > count_max {
                break;
            }
        }
        out.push(line);
    }
    if out.len() > count_max {
        out.truncate(count_max);
        if let Some(last) = out.last_mut() {
            *last = cut(&format!("{last} …"), font, size, width);
        }
    }
    out
}

/// As much of a line as fits, with an ellipsis if that is not all.
fn cut(text: &str, font: &Font, size: f32, width: f32) -> String {
    if font.width(text, size) <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut filled = font.width("…", size);
    for character in text.trim_end_matches(['…', ' ']).chars() {
        filled += font.width(character.encode_utf8(&mut [0; 4]), size);
        if filled > width {
            break;
        }
        out.push(character);
    }
    out.push('…');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_where_they_must_be() {
        let font = Font::of(Weight::Regular);
        let broken = |text: &str, width, max| lines(text, font, 10.0, width, max);
        assert_eq!(broken("who was there", 200.0, 9), ["who was there"]);
        assert_eq!(broken("who was there", 50.0, 9), ["who was ", "there"]);
        assert_eq!(broken("one\n\ntwo", 200.0, 9), ["one", "", "two"]);
        let long = "x".repeat(100);
        let cells = broken(&long, 60.0, 3);
        assert_eq!(cells.len(), 3);
        assert!(cells.last().unwrap().ends_with('…'), "{cells:?}");
        for line in broken(&"W".repeat(5000), 60.0, 1000) {
            assert!(font.width(&line, 10.0) <= 60.0);
        }
        assert_eq!(broken("", 10.0, 3), [""]);
        // Nothing fits: one character a line, and an end all the same.
        assert_eq!(broken("abc", 1.0, 9), ["a", "b", "c"]);
    }
}
