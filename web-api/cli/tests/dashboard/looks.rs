//! What pages look like: in light and dark, what can be read, and what is drawn. Pictures of every page are kept in
//! `CARGO_TARGET_TMPDIR/dashboard`.

use std::{fs, path::Path};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::Value;

use super::{PHONE, in_browser, pages, world::World};

/// The texts of the page that are less than 4.5 : 1 above what is behind them (WCAG 2.2, 1.4.3, by its formula of relative luminance), with
/// the ratio. Not asked of are what nobody sees and what is switched off.
const FAINT: &str = r"(() => {
    const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
    const rgba = colour => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        return Array.from(canvas.getImageData(0, 0, 1, 1).data);
    };
    const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = element => {
        for (let at = element; at; at = at.parentElement) {
            const colour = rgba(getComputedStyle(at).backgroundColor);
            if (colour[3] === 255) return colour;
        }
        return rgba(getComputedStyle(document.documentElement).colorScheme === 'dark' ? 'black' : 'white');
    };
    const faint = [];
    let looked = 0;
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const element = texts.currentNode.parentElement;
        if (!texts.currentNode.textContent.trim() || element.closest('script, style, .sr, [disabled]')) continue;
        if (!element.checkVisibility({visibilityProperty: true, opacityProperty: true})) continue;
        const style = getComputedStyle(element);
        const ink = light(rgba(element instanceof SVGElement ? style.fill : style.color)), paper = light(behind(element));
        const ratio = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
        looked += 1;
        if (ratio < 4.5) faint.push(`${ratio.toFixed(2)} ${element.tagName}.${element.className}: ${texts.currentNode.textContent.trim().slice(0, 40)}`);
    }
    return {looked, faint};
})()";

#[tokio::test(flavor = "multi_thread")]
async fn every_text_stands_out_from_what_is_behind_it_in_light_and_dark() {
    let world = World::start().await;
    let pages = pages(&world);
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dashboard");
    in_browser(move |browser| {
        fs::create_dir_all(&pictures).unwrap();
        let mut papers = Vec::new();
        for scheme in ["light", "dark"] {
            browser.prefer(scheme);
            for page in &pages {
                browser.look_at_width(1280);
                browser.open(page);
                browser.until("document.getElementById('live').textContent === 'Live'");
                let seen = browser.value(FAINT);
                assert!(seen["looked"].as_u64().unwrap() > 20, "{page}: {seen}");
                assert_eq!(seen["faint"], Value::Array(vec![]), "{page} in {scheme}");
                let path = page.splitn(4, '/').nth(3).unwrap();
                let name = path.replace(['/', '?', '='], "-");
                let name = name.get(..40).unwrap_or(&name).trim_matches('-');
                let name = if name.is_empty() { "overview" } else { name };
                for (form, width) in [("desk", 1280), ("phone", PHONE)] {
                    browser.look_at_width(width);
                    let picture = BASE64_STANDARD.decode(browser.picture()).unwrap();
                    assert!(picture.starts_with(b"\x89PNG"));
                    fs::write(pictures.join(format!("{name}-{scheme}-{form}.png")), picture).unwrap();
                }
            }
            papers.push(browser.value("getComputedStyle(document.body).backgroundColor"));
        }
        assert_ne!(papers[0], papers[1], "there are two schemes");
        // The measure itself: grey on grey is found.
        browser.value("void (document.querySelector('h1').style.color = getComputedStyle(document.body).backgroundColor)");
        assert_eq!(browser.value(FAINT)["faint"].as_array().unwrap().len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_drawn_with_their_intervals_and_over_time() {
    let world = World::start().await;
    let url = format!("{}/federations/wine", world.url);
    let member = world.members[0].verifying_key();
    in_browser(move |browser| {
        browser.open(&url);
        let intervals = "Array.from(document.querySelectorAll('.contributors td .sr'), s => s.textContent)";
        let intervals = browser.value(intervals);
        let intervals: Vec<&str> =
            intervals.as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert_eq!(intervals.len(), 3);
        for interval in intervals {
            // 100 to 300 a round in units of 0.0001, over three rounds: between them and above zero.
            let (low, high) = interval.split_once(" … ").expect("after two rounds there is one");
            assert!(low.starts_with('+') && high.starts_with('+') && low < high, "{interval}");
        }
        let drawn = |section: &str| {
            let curves = format!("document.querySelectorAll('{section} .charts svg polyline, {section} .charts svg path').length");
            browser.value(&curves).as_u64().unwrap()
        };
        assert!(drawn("#contributors") >= 3, "a curve for each contributor");
        assert!(drawn("#curves") >= 3, "accuracy, loss, participation");
        assert!(browser.text("#figures").contains("71.0"), "{}", browser.text("#figures"));
        browser.open(&format!("{url}/contributors/{member}"));
        assert!(browser.value("document.querySelectorAll('main svg').length").as_u64().unwrap() >= 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proposal_s_line_of_steps_follows_it_to_its_end() {
    let world = World::start().await;
    let page = format!("{}/proposals/{}", world.url, world.proposal);
    let steps = |page: String| {
        in_browser(move |browser| {
            browser.open(&page);
            let of = |class: &str| {
                let names = format!(
                    "Array.from(document.querySelectorAll('.lifecycle .{class} .name'), s => s.textContent).join(', ')"
                );
                browser.value(&names).as_str().unwrap().to_owned()
            };
            assert_eq!(
                browser.value("document.querySelectorAll('.lifecycle [aria-current=step]').length"),
                1
            );
            [of("done"), of("now"), of("next")]
        })
    };
    let Some(voting) = steps(page.clone()).await else { return };
    assert_eq!(voting, ["Made", "Voting begins", "Voting ends, Takes effect"]);
    // Nobody voted.
    world.pass_time(4_000_000).await;
    let ended = steps(page).await.unwrap();
    assert_eq!(ended, ["Made, Voting begins, Voting ends", "Defeated", ""]);
}
