//! Why data cannot be read, in the window's language.

use datasets::{Fault, OtherFormat, Refusal};

use super::{finding_text, view::View};

/// Which file, where in it, what is wrong, and what to do.
pub(super) fn sentence(view: &View<'_>, refusal: &Refusal) -> String {
    let Refusal { path, place, column, fault } = refusal;
    let mut parts = vec![path.clone()];
    parts.extend(place.as_ref().map(|place| finding_text::place(view, place)));
    let column = column.as_ref().map(|name| view.fill("refused_column", &[("column", name)]));
    parts.extend(column);
    let mut text = format!("{}: {}", parts.join(", "), what(view, fault));
    if let Some(detail) = detail(fault) {
        // For who asks somebody else: a library's words are nobody's language.
        text.push(' ');
        text.push_str(&view.fill("refused_technically", &[("what", detail)]));
    }
    text
}

/// What a library says of it, in English.
fn detail(fault: &Fault) -> Option<&str> {
    match fault {
        Fault::Damaged(Some(what))
        | Fault::NoCsv(what)
        | Fault::NoJsonObject(what)
        | Fault::ParquetUnread(what) => Some(what),
        _ => None,
    }
}

fn what(view: &View<'_>, fault: &Fault) -> String {
    match fault {
        Fault::NotUtf8 { value } => view.fill("refused_not_utf8", &[("value", &value.to_string())]),
        Fault::LateKey { key } => view.fill("refused_late_key", &[("key", key)]),
        Fault::SeveralImages { names: [first, second] } => {
            view.fill("refused_several_images", &[("first", first), ("second", second)])
        }
        Fault::CountsDiffer { images, labels, .. } => {
            let (images, labels) = (images.to_string(), labels.to_string());
            view.fill("refused_counts_differ", &[("images", &images), ("labels", &labels)])
        }
        // What a newer reader finds is told in its words rather than not at all.
        fault => {
            plain(view, fault).map_or_else(|| format!("{fault}; {}", fault.advice()), str::to_owned)
        }
    }
}

/// What needs no values.
fn plain<'a>(view: &View<'a>, fault: &Fault) -> Option<&'a str> {
    Some(match fault {
        Fault::NotThere => view.t("refused_not_there"),
        Fault::Forbidden => view.t("refused_forbidden"),
        Fault::LinkLoop => view.t("refused_link_loop"),
        Fault::NotOpened => view.t("refused_not_opened"),
        Fault::CutOff => view.t("refused_cut_off"),
        Fault::Damaged(_) => view.t("refused_damaged"),
        Fault::Disk => view.t("refused_disk"),
        Fault::Changed => view.t("refused_changed"),
        Fault::NoFile => view.t("refused_no_file"),
        Fault::Empty | Fault::Blank => view.t("refused_empty"),
        Fault::Other(format) => return other(view, *format),
        Fault::Unknown => view.t("refused_unknown"),
        Fault::SinglePicture => view.t("refused_single_picture"),
        Fault::JsonArray => view.t("refused_json_array"),
        Fault::EmptyClassFolders => view.t("refused_empty_folders"),
        Fault::NoClassFolders => view.t("refused_no_folders"),
        Fault::TooManyClasses => view.t("refused_many_classes"),
        Fault::LongClassName => view.t("refused_long_name"),
        Fault::NestedFolder => view.t("refused_nested_folder"),
        Fault::TooManyPictures => view.t("refused_many_pictures"),
        Fault::OddName => view.t("refused_odd_name"),
        Fault::LongPicture => view.t("refused_long_picture"),
        Fault::TooManyColumns => view.t("refused_many_columns"),
        Fault::LongLine => view.t("refused_long_line"),
        Fault::NoCsv(_) => view.t("refused_no_csv"),
        Fault::NoJsonObject(_) => view.t("refused_no_json"),
        Fault::Nested => view.t("refused_nested"),
        Fault::NoPartner { images: true, .. } => view.t("refused_no_images"),
        Fault::NoPartner { images: false, .. } => view.t("refused_no_labels"),
        Fault::ParquetUnread(_) => view.t("refused_parquet"),
        _ => return None,
    })
}

/// Formats that are often taken for data.
fn other<'a>(view: &View<'a>, format: OtherFormat) -> Option<&'a str> {
    Some(match format {
        OtherFormat::Zip => view.t("refused_zip"),
        OtherFormat::OldExcel => view.t("refused_old_excel"),
        OtherFormat::Pdf => view.t("refused_pdf"),
        OtherFormat::Sqlite => view.t("refused_sqlite"),
        OtherFormat::Arrow => view.t("refused_arrow"),
        OtherFormat::Zstd => view.t("refused_zstd"),
        OtherFormat::Bzip2 => view.t("refused_bzip2"),
        OtherFormat::Markup => view.t("refused_markup"),
        _ => return None,
    })
}
