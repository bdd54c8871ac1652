//! Pages as PDF 1.7: two fonts embedded as they are, every glyph with its character, so that text can be searched
//! and copied.

use std::{collections::BTreeMap, io::Write};

use flate2::{Compression, write::ZlibEncoder};
use pdf_writer::{
    Content, Filter, Finish, Name, Pdf, Rect, Ref, Str, TextStr,
    types::{CidFontType, FontFlags, SystemInfo, UnicodeCmap},
};

use super::{
    Report,
    font::{Font, Weight},
    layout::{self, Mark, PAGE_HEIGHT, PAGE_WIDTH},
};

const SYSTEM: SystemInfo<'_> =
    SystemInfo { registry: Str(b"Adobe"), ordering: Str(b"Identity"), supplement: 0 };
const FONTS: [(Weight, &[u8]); 2] = [(Weight::Regular, b"F0"), (Weight::Bold, b"F1")];

/// Gives numbers to the objects of a file.
struct Numbers(i32);

impl Numbers {
    fn next(&mut self) -> Ref {
        self.0 += 1;
        Ref::new(self.0)
    }
}

/// Glyphs that are used, with their characters.
type Used = BTreeMap<u16, char>;

pub(super) fn write(report: &Report) -> Vec<u8> {
    let mut numbers = Numbers(0);
    let (catalog, tree, info) = (numbers.next(), numbers.next(), numbers.next());
    let fonts = FONTS.map(|(weight, name)| (weight, name, numbers.next()));
    let mut used: [Used; 2] = Default::default();
    let mut pdf = Pdf::new();
    let pages = layout::pages(report);
    let ids: Vec<(Ref, Ref)> = pages.iter().map(|_| (numbers.next(), numbers.next())).collect();
    for (marks, (page_id, content_id)) in pages.iter().zip(&ids) {
        let mut page = pdf.page(*page_id);
        page.media_box(Rect::new(0.0, 0.0, PAGE_WIDTH, PAGE_HEIGHT)).parent(tree).contents(*content_id);
        let mut resources = page.resources();
        let mut known = resources.fonts();
        for (_, name, id) in fonts {
            known.pair(Name(name), id);
        }
        known.finish();
        resources.finish();
        page.finish();
        let content = deflated(&draw(marks, &mut used));
        pdf.stream(*content_id, &content).filter(Filter::FlateDecode);
    }
    let count = i32::try_from(ids.len()).unwrap_or(i32::MAX);
    pdf.pages(tree).kids(ids.iter().map(|(page, _)| *page)).count(count);
    for ((weight, _, id), used) in fonts.into_iter().zip(&used) {
        embed(&mut pdf, &mut numbers, id, Font::of(weight), used);
    }
    let mut root = pdf.catalog(catalog);
    root.pages(tree).lang(TextStr("en"));
    root.viewer_preferences().display_doc_title(true);
    root.finish();
    pdf.document_info(info)
        .title(TextStr(&report.title))
        .creator(TextStr("whowas"))
        .producer(TextStr("whowas"));
    pdf.finish()
}

fn draw(marks: &[Mark], used: &mut [Used; 2]) -> Vec<u8> {
    let mut content = Content::new();
    content.set_line_width(0.4);
    for mark in marks {
        match mark {
            Mark::Rule { x, y, width } => {
                content.set_stroke_gray(0.8).move_to(*x, *y).line_to(x + width, *y).stroke();
            }
            Mark::Text { x, y, size, weight, is_soft, text } => {
                let [regular, bold] = &mut *used;
                let (name, used) = match weight {
                    Weight::Regular => (Name(b"F0"), regular),
                    Weight::Bold => (Name(b"F1"), bold),
                };
                let font = Font::of(*weight);
                let mut glyphs = Vec::with_capacity(text.len() * 2);
                for character in text.trim_end().chars() {
                    let (glyph, shown) = font.glyph(character);
                    used.entry(glyph.0).or_insert(shown);
                    glyphs.extend(glyph.0.to_be_bytes());
                }
                content.set_fill_gray(if *is_soft { 0.38 } else { 0.1 });
                content.begin_text().set_font(name, *size).next_line(*x, *y).show(Str(&glyphs)).end_text();
            }
        }
    }
    content.finish().to_vec()
}

/// Writes a font as a composite one whose codes are glyphs.
fn embed(pdf: &mut Pdf, numbers: &mut Numbers, id: Ref, font: &Font, used: &Used) {
    let (cid, descriptor, cmap_id, file) = (numbers.next(), numbers.next(), numbers.next(), numbers.next());
    pdf.type0_font(id)
        .base_font(Name(font.name))
        .encoding_predefined(Name(b"Identity-H"))
        .descendant_font(cid)
        .to_unicode(cmap_id);
    let mut composite = pdf.cid_font(cid);
    composite
        .subtype(CidFontType::Type2)
        .base_font(Name(font.name))
        .system_info(SYSTEM)
        .font_descriptor(descriptor)
        .default_width(0.0)
        .cid_to_gid_map_predefined(Name(b"Identity"));
    let mut widths = composite.widths();
    for glyph in used.keys() {
        widths.consecutive(*glyph, [font.advance(ttf_parser::GlyphId(*glyph))]);
    }
    widths.finish();
    composite.finish();
    let bounds = font.face.global_bounding_box();
    let [left, bottom, right, top] = [bounds.x_min, bounds.y_min, bounds.x_max, bounds.y_max];
    let [left, bottom, right, top] = [left, bottom, right, top].map(|units| font.scaled(i32::from(units)));
    pdf.font_descriptor(descriptor)
        .name(Name(font.name))
        .flags(FontFlags::NON_SYMBOLIC)
        .bbox(Rect::new(left, bottom, right, top))
        .italic_angle(0.0)
        .ascent(font.scaled(i32::from(font.face.ascender())))
        .descent(font.scaled(i32::from(font.face.descender())))
        .cap_height(font.scaled(i32::from(font.face.capital_height().unwrap_or(1493))))
        .stem_v(80.0)
        .font_file2(file);
    let mut cmap = UnicodeCmap::new(Name(b"Custom"), SYSTEM);
    for (glyph, character) in used {
        cmap.pair(*glyph, *character);
    }
    let cmap = cmap.finish();
    pdf.cmap(cmap_id, &cmap).name(Name(b"Custom")).system_info(SYSTEM);
    let packed = deflated(font.data);
    let mut stream = pdf.stream(file, &packed);
    stream.filter(Filter::FlateDecode);
    stream.pair(Name(b"Length1"), i32::try_from(font.data.len()).unwrap_or(i32::MAX));
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory takes every byte")
}
