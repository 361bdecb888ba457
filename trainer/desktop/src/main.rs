//! `sahakar-desktop`: the data owner's window.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::mpsc,
};

use anyhow::Context as _;
use clap::Parser;
use eframe::egui;
use trainer_desktop::{
    Attended, Autostart, Command, Home, HomeError, Runners, Seat, Surroundings, Window,
};

/// Effects that wait for the runner.
const EFFECTS_MAX: usize = 256;
/// News that wait for the window.
const NEWS_MAX: usize = 1_024;

/// Sahakar on the desktop: train on your own data, see what leaves, and be credited for what it was worth.
#[derive(Debug, Parser)]
#[command(name = "sahakar-desktop", version)]
struct Args {
    /// An invitation, `sahakar://join?…`
    invitation: Option<String>,
    /// Where everything is kept
    #[arg(long, env = "SAHAKAR_HOME", value_name = "DIR")]
    home: Option<PathBuf>,
    /// Start without showing the window, if the icon in the notification area is on: for the start with the session
    #[arg(long)]
    hidden: bool,
    /// Where data of programs are kept, if `--home` is not given
    #[arg(long, env = "XDG_DATA_HOME", hide = true)]
    data_home: Option<PathBuf>,
    /// The command line, if it is not beside this program
    #[arg(long, env = "SAHAKAR_PROGRAM", value_name = "FILE")]
    program: Option<PathBuf>,
    /// Where configurations of programs are kept: the entry that starts this one with the session is there
    #[arg(long, env = "XDG_CONFIG_HOME", hide = true)]
    config_home: Option<PathBuf>,
}

impl Args {
    fn home(&self) -> anyhow::Result<PathBuf> {
        if let Some(home) = &self.home {
            return Ok(home.clone());
        }
        let data = match &self.data_home {
            Some(data) => data.clone(),
            None => std::env::home_dir()
                .context("no home folder: give --home DIR")?
                .join(".local/share"),
        };
        Ok(data.join("sahakar"))
    }

    /// What starts this program with the session, where something can.
    fn autostart(&self, home: &Path) -> Option<Autostart> {
        let beside_home = if cfg!(target_os = "macos") { "Library" } else { ".config" };
        let config = match &self.config_home {
            Some(config) => config.clone(),
            None => std::env::home_dir()?.join(beside_home),
        };
        // As it was called, not where links lead: an update may put another file in its place.
        let program = std::env::current_exe().ok()?;
        Autostart::here(&config, &program, home)
    }
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sahakar-desktop: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> anyhow::Result<()> {
    let path = args.home()?;
    let home = match Home::open(&path) {
        Ok(home) => home.with_autostart(args.autostart(&path)),
        Err(HomeError::InUse { .. }) if shown_by_the_other(&path, args.invitation.as_deref()) => {
            return Ok(());
        }
        Err(error @ HomeError::InUse { .. }) => {
            // Where nobody reads a terminal.
            notify(&error.to_string());
            return Err(error.into());
        }
        Err(error) => return Err(error.into()),
    };
    let mut settings = home.all_settings()?;
    let common = settings.iter_mut().find(|(seat, _)| *seat == Seat::FIRST);
    let (_, common) = common.context("the first federation is always there")?;
    // The file says whether it is so, whoever wrote or removed it.
    common.system.autostart = args.autostart(&path).is_some_and(|autostart| autostart.is_on());
    let place = common.place;
    let hidden = args.hidden && common.system.tray;
    let viewport = egui::ViewportBuilder::default()
        .with_title("Sahakar")
        .with_app_id("sahakar-desktop")
        .with_inner_size([place.width, place.height])
        .with_min_inner_size([640.0, 420.0])
        .with_visible(!hidden);
    let options = eframe::NativeOptions {
        viewport,
        renderer: eframe::Renderer::Glow,
        ..eframe::NativeOptions::default()
    };
    let (invitation, program) = (args.invitation.clone(), args.program.clone());
    let (effects, effects_to_do) = mpsc::sync_channel(EFFECTS_MAX);
    let (news, news_to_hear) = mpsc::sync_channel(NEWS_MAX);
    let (runner, started) = mpsc::sync_channel(1);
    let create: eframe::AppCreator<'_> = Box::new(move |cc| {
        let (ctx, waking) = (cc.egui_ctx.clone(), cc.egui_ctx.clone());
        let surroundings = Surroundings::open(&path, move || waking.request_repaint())?;
        let thread =
            Runners::start(home, program, effects_to_do, news, move || ctx.request_repaint())?;
        runner.send(thread)?;
        let mut window = Window::new(&cc.egui_ctx, settings, news_to_hear, effects);
        if let Some(invitation) = invitation {
            window.act(Command::Invite(invitation));
        }
        Ok(Box::new(Attended::new(window, surroundings, hidden)))
    });
    let shown = eframe::run_native("sahakar-desktop", options, create);
    // The window is gone, and with it the sender of effects: the runner writes the last settings and stops the trainer.
    if let Ok(thread) = started.recv() {
        let _panicked = thread.join().is_err();
    }
    shown.map_err(|error| anyhow::anyhow!("no window: {error}"))
}

/// Whether the window that has `home` open already shows itself, and the invitation.
#[cfg(target_os = "linux")]
fn shown_by_the_other(home: &Path, invitation: Option<&str>) -> bool {
    let bus = trainer_desktop::session_bus().and_then(|bus| bus.build());
    bus.is_ok_and(|bus| trainer_desktop::call_the_other(&bus, home, invitation))
}

#[cfg(not(target_os = "linux"))]
const fn shown_by_the_other(_home: &Path, _invitation: Option<&str>) -> bool {
    false
}

/// Says it in a dialog, where the desktop has one.
fn notify(text: &str) {
    let dialog = rfd::MessageDialog::new().set_title("Sahakar").set_description(text);
    dialog.set_level(rfd::MessageLevel::Info).show();
}
