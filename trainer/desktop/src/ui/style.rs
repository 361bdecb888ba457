//! How everything looks.

use std::sync::Arc;

use eframe::egui::{
    self, Color32, CornerRadius, FontData, FontFamily, FontId, Stroke, TextStyle, Theme, Visuals,
};

use crate::settings::{Look, Shade};

/// Noto Sans Devanagari, a subset (fonts/OFL.txt): egui's own fonts have no Devanagari.
const DEVANAGARI: &[u8] = include_bytes!("../../fonts/NotoSansDevanagari-Regular.ttf");

/// Saffron of a marigold: the one accent.
pub(super) const ACCENT: Color32 = Color32::from_rgb(0xD9, 0x6B, 0x12);

/// What went well.
pub(super) fn good(dark: bool) -> Color32 {
    if dark { Color32::from_rgb(0x6C, 0xC7, 0x8A) } else { Color32::from_rgb(0x1B, 0x7A, 0x3E) }
}

/// What needs a look.
pub(super) fn bad(dark: bool) -> Color32 {
    if dark { Color32::from_rgb(0xF0, 0x8A, 0x7A) } else { Color32::from_rgb(0xB3, 0x2A, 0x1C) }
}

/// Fonts, colours and distances, once.
pub(super) fn set_up(ctx: &egui::Context) {
    let mut fonts = egui::FontDefinitions::default();
    let name = "devanagari".to_owned();
    fonts.font_data.insert(name.clone(), Arc::new(FontData::from_static(DEVANAGARI)));
    for family in [FontFamily::Proportional, FontFamily::Monospace] {
        fonts.families.entry(family).or_default().push(name.clone());
    }
    ctx.set_fonts(fonts);
    ctx.set_visuals_of(
        Theme::Light,
        visuals(Visuals::light(), Color32::from_rgb(0xF7, 0xF5, 0xF1), Color32::WHITE),
    );
    ctx.set_visuals_of(
        Theme::Dark,
        visuals(
            Visuals::dark(),
            Color32::from_rgb(0x1C, 0x1B, 0x1A),
            Color32::from_rgb(0x27, 0x26, 0x24),
        ),
    );
    ctx.all_styles_mut(|style| {
        style.spacing.item_spacing = egui::vec2(10.0, 8.0);
        style.spacing.button_padding = egui::vec2(14.0, 7.0);
        style.spacing.interact_size.y = 30.0;
        for (text, size) in [
            (TextStyle::Heading, 24.0),
            (TextStyle::Body, 15.0),
            (TextStyle::Button, 15.0),
            (TextStyle::Monospace, 14.0),
            (TextStyle::Small, 12.5),
        ] {
            let family = match text {
                TextStyle::Monospace => FontFamily::Monospace,
                _ => FontFamily::Proportional,
            };
            style.text_styles.insert(text, FontId::new(size, family));
        }
    });
}

fn visuals(mut visuals: Visuals, ground: Color32, card: Color32) -> Visuals {
    visuals.panel_fill = ground;
    visuals.faint_bg_color = card;
    visuals.hyperlink_color = ACCENT;
    // Fields stand out from the card on which they lie.
    visuals.extreme_bg_color = ground;
    let edge = if visuals.dark_mode { Color32::from_gray(0x5A) } else { Color32::from_gray(0xA8) };
    visuals.widgets.inactive.bg_stroke = Stroke::new(1.0, edge);
    // Second thoughts have to be read, too.
    visuals.weak_text_alpha = 0.8;
    visuals.widgets.noninteractive.fg_stroke.color =
        if visuals.dark_mode { Color32::from_gray(0xCC) } else { Color32::from_gray(0x33) };
    visuals.selection.bg_fill = ACCENT.gamma_multiply(if visuals.dark_mode { 0.75 } else { 0.35 });
    visuals.selection.stroke = Stroke::new(1.0, visuals.strong_text_color());
    let round = CornerRadius::same(6);
    for widget in [
        &mut visuals.widgets.noninteractive,
        &mut visuals.widgets.inactive,
        &mut visuals.widgets.hovered,
        &mut visuals.widgets.active,
        &mut visuals.widgets.open,
    ] {
        widget.corner_radius = round;
    }
    visuals
}

/// Light or dark, and how large.
pub(super) fn apply(ctx: &egui::Context, look: Look) {
    let theme = match look.shade {
        Shade::System => egui::ThemePreference::System,
        Shade::Light => egui::ThemePreference::Light,
        Shade::Dark => egui::ThemePreference::Dark,
    };
    if ctx.options(|options| options.theme_preference) != theme {
        ctx.set_theme(theme);
    }
    let zoom = f32::from(look.scale_percent.clamp(100, 200)) / 100.0;
    if (ctx.zoom_factor() - zoom).abs() > 0.001 {
        ctx.set_zoom_factor(zoom);
    }
}
