//! The two fonts of the PDF: DejaVu Sans, regular and bold, whose licence stands beside them in `assets`.

use std::sync::LazyLock;

use ttf_parser::{Face, GlyphId};

static REGULAR: &[u8] = include_bytes!("../../assets/DejaVuSans-subset.ttf");
static BOLD: &[u8] = include_bytes!("../../assets/DejaVuSans-Bold-subset.ttf");

/// What stands for a character that the font lacks.
pub(super) const MISSING: char = '\u{25a1}';

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    Regular,
    Bold,
}

/// A font that was read.
pub(super) struct Font {
    pub(super) data: &'static [u8],
    pub(super) face: Face<'static>,
    pub(super) name: &'static [u8],
}

static FONTS: LazyLock<[Font; 2]> = LazyLock::new(|| {
    [(REGULAR, &b"DejaVuSans"[..]), (BOLD, &b"DejaVuSans-Bold"[..])].map(|(data, name)| {
        let face = Face::parse(data, 0).expect("the embedded fonts are read by a test");
        Font { data, face, name }
    })
});

impl Font {
    pub(super) fn of(weight: Weight) -> &'static Self {
        let [regular, bold] = &*FONTS;
        match weight {
            Weight::Regular => regular,
            Weight::Bold => bold,
        }
    }

    /// The glyph of a character, and the character that it shows.
    pub(super) fn glyph(&self, character: char) -> (GlyphId, char) {
        let found = self.face.glyph_index(character).filter(|_| !character.is_control());
        match found {
            Some(glyph) => (glyph, character),
            None => (self.face.glyph_index(MISSING).unwrap_or(GlyphId(0)), MISSING),
        }
    }

    /// In thousandths of the size, as PDF counts.
    pub(super) fn scaled(&self, units: i32) -> f32 {
        // Units of a font are small: 2048 to the size.
        #[expect(clippy::cast_precision_loss, reason = "far below 2^24")]
        let units = units as f32;
        units * 1000.0 / f32::from(self.face.units_per_em())
    }

    pub(super) fn advance(&self, glyph: GlyphId) -> f32 {
        self.scaled(i32::from(self.face.glyph_hor_advance(glyph).unwrap_or_default()))
    }

    /// How wide a text is at this size.
    pub(super) fn width(&self, text: &str, size: f32) -> f32 {
        text.chars().map(|character| self.advance(self.glyph(character).0)).sum::<f32>() * size / 1000.0
    }
}
