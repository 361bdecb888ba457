//! A person's whole way through the window: the real window on an X server of the test's own, read by its accessibility
//! labels, used with pointer and keys, in a real co-operative.
//!
//! Pictures of each screen are kept in `CARGO_TARGET_TMPDIR/window`.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod display;
mod other_terms;
mod reader;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use display::{Display, Ended};
use reader::{Bus, Reader};
use sahakar::{
    demo::{children::End, cooperative::Cooperative},
    serve::SealingMode,
};
use serde_json::Value;
use world::Setup;

#[expect(dead_code, reason = "other test files use the rest of it")]
#[path = "../world/voting.rs"]
mod voting;
#[expect(dead_code, reason = "other test files use the rest of the world")]
#[path = "../world/mod.rs"]
mod world;

/// Contributors that are started by the test; the person in the window is one more.
const OTHERS: usize = 3;

/// More rounds than anybody waits for: the federation goes on for as long as the test does.
const ROUNDS: u32 = 2_000;

/// A person, the window, and what the person may know of the world.
struct Person {
    reader: Reader,
    dir: PathBuf,
    node: String,
    table: PathBuf,
    pictures: PathBuf,
    window: Option<Ended>,
}

/// How the window can look: as the file of settings has it, and what pictures of it are called.
const LOOKS: [(&str, &str, u16); 4] = [
    ("english", "light", 100),
    ("hindi", "dark", 100),
    ("english", "dark", 200),
    ("hindi", "light", 200),
];

/// What the person's key is under.
const PASSPHRASE: &str = "five words of a list";

/// Names of screens in the files of translations.
const SCREENS: [&str; 9] = [
    "nav_start",
    "nav_data",
    "nav_consent",
    "nav_training",
    "nav_sent",
    "nav_earnings",
    "nav_votes",
    "nav_settings",
    "nav_leave",
];

impl Person {
    /// Opens the window with an invitation on a screen of its own; none where there is no X server or bus.
    fn sits_down(dir: &Path, invitation: &str, (node, table): (String, PathBuf)) -> Option<Self> {
        let (display, runtime) = (Display::start()?, dir.join("runtime"));
        fs::create_dir(&runtime).unwrap();
        let reader = Reader { bus: Bus::start(&runtime)?, display };
        let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("window");
        fs::create_dir_all(&pictures).unwrap();
        let dir = dir.to_owned();
        let mut person = Self { reader, dir, node, table, pictures, window: None };
        person.opens_the_window(Some(invitation));
        Some(person)
    }

    fn home(&self) -> PathBuf {
        self.dir.join("home")
    }

    fn opens_the_window(&mut self, invitation: Option<&str>) {
        // Cargo puts all programs of the workspace beside each other.
        let program = Path::new(env!("CARGO_BIN_EXE_sahakar")).with_file_name("sahakar-desktop");
        let Reader { display, bus } = &self.reader;
        let mut window = Command::new(&program);
        window.args(invitation).arg("--home").arg(self.home()).stdin(Stdio::null());
        window.env("DISPLAY", &display.name).env("DBUS_SESSION_BUS_ADDRESS", &bus.address);
        window.env("XDG_RUNTIME_DIR", self.dir.join("runtime")).env("LIBGL_ALWAYS_SOFTWARE", "1");
        window.env_remove("WAYLAND_DISPLAY").env_remove("AT_SPI_BUS_ADDRESS");
        let window = window.spawn().expect("sahakar-desktop is built by `cargo test --workspace`");
        self.window = Some(Ended(window));
        self.reader.until("a window", || display.give_screen().then_some(()));
    }

    /// Closes the window, and opens it again as `look` says: what was done before is remembered.
    fn looks_again(&mut self, (language, shade, scale): (&str, &str, u16)) {
        drop(self.window.take());
        let path = self.home().join("settings.toml");
        let mut settings: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
        settings.insert("language".to_owned(), language.into());
        let look = settings["look"].as_table_mut().unwrap();
        look.insert("shade".to_owned(), shade.into());
        look.insert("scale_percent".to_owned(), i64::from(scale).into());
        fs::write(&path, settings.to_string()).unwrap();
        self.opens_the_window(None);
        let file = format!("../../trainer/desktop/locales/{}.toml", &language[..2]);
        let words: toml::Table = fs::read_to_string(file).unwrap().parse().unwrap();
        let word = |name: &str| words[name].as_str().unwrap();
        // The key opens at each start, and only with its passphrase.
        self.reader.sees(word("unlock_title"));
        self.keeps(&format!("{language}-{shade}-{scale}-0-unlock"));
        if language == "english" && scale == 100 {
            self.reader.types(word("passphrase_now"), "not the passphrase");
            self.reader.clicks(word("unlock"));
            self.reader.sees("This is not the passphrase of the key.");
        }
        self.reader.types(word("passphrase_now"), PASSPHRASE);
        self.reader.clicks(word("unlock"));
        // The terms were asked for, and the data were read again: the first steps are done.
        let done = |name: &str| format!("{}  •", word(name));
        self.reader.sees(&done("nav_data"));
        for (number, name) in (1..).zip(SCREENS) {
            let three = ["nav_start", "nav_data", "nav_consent"].contains(&name);
            self.reader.clicks(&if three { done(name) } else { word(name).to_owned() });
            self.reader.sees(word(&format!("{}_under", &name[4..])));
            self.keeps(&format!("{language}-{shade}-{scale}-{number}-{}", &name[4..]));
        }
    }

    fn keeps(&self, name: &str) {
        self.reader.display.picture(&self.pictures.join(format!("{name}.png")));
    }

    /// Makes a key, writes its words down, and proves it.
    fn makes_a_key(&self) {
        let reader = &self.reader;
        reader.sees("A new key");
        self.keeps("01-first-start");
        reader.types("New passphrase", PASSPHRASE);
        reader.types("New passphrase again", PASSPHRASE);
        reader.sees("Both are the same");
        self.keeps("01-passphrase");
        reader.clicks("Make a key");
        reader.sees("Write down these 24 words");
        self.keeps("02-words");
        let texts = reader.texts();
        let numbered = texts.iter().filter_map(|text| text.trim().split_once(". "));
        let paper: Vec<(&str, &str)> =
            numbered.filter(|(number, _)| number.parse::<u8>().is_ok()).collect();
        assert_eq!(paper.len(), 24, "{texts:?}");
        reader.clicks("I have written them down");
        reader.sees("Three of the words, from your paper:");
        let asked = reader.texts();
        let asked: Vec<&str> = asked.iter().filter_map(|text| text.strip_prefix("Word ")).collect();
        let distinct: std::collections::BTreeSet<&str> = asked.into_iter().collect();
        assert_eq!(distinct.len(), 3, "{distinct:?}");
        for number in distinct {
            let word = paper.iter().find(|(known, _)| *known == number).unwrap().1;
            reader.types(&format!("Word {number}"), word);
        }
        self.keeps("03-proof");
        reader.clicks("Check");
        reader.sees("Your key is here and backed up.");
    }

    /// Reads what the invitation is to, chooses a table, and agrees.
    fn joins(&self) {
        let reader = &self.reader;
        reader.sees("Grade red wine as good or ordinary");
        self.keeps("04-invitation");
        reader.clicks("Next");
        reader.types("File or folder", &self.table.display().to_string());
        reader.clicks("Look at it");
        reader.sees("It fits:");
        self.keeps("05-data");
        reader.clicks("Next");
        reader.sees("What leaves this computer");
        self.keeps("06-consent");
        reader.clicks("I have read this");
        reader.clicks("I agree");
        reader.sees("Everything is ready.");
    }

    /// Allows, or does not allow, training while somebody sits here.
    fn allows_training_while_in_use(&self, allowed: bool) {
        let reader = &self.reader;
        reader.clicks("Settings");
        reader.clicks("Train while this computer is in use");
        self.keeps("07-settings");
        reader.clicks("Save");
        reader.until("the settings on disk", || {
            let text = fs::read_to_string(self.home().join("settings.toml")).ok()?;
            let settings: toml::Table = text.parse().ok()?;
            (settings["preferences"]["while_in_use"].as_bool() == Some(allowed)).then_some(())
        });
        reader.clicks("Training");
        reader.sees("What it does now, and why it waits when it waits.");
    }

    /// The person's public key.
    fn member(&self) -> String {
        let mut show = Command::new(env!("CARGO_BIN_EXE_sahakar"));
        show.args(["key", "show"]).arg(self.home().join("trainer/key"));
        show.env("SAHAKAR_PASSPHRASE", PASSPHRASE);
        let shown = String::from_utf8(show.output().unwrap().stdout).unwrap();
        let key = shown.lines().find_map(|line| line.strip_prefix("verifying ")).unwrap();
        key.trim().to_owned()
    }

    /// What the co-operative's REST interface says.
    fn asks(&self, path: &str) -> Option<Value> {
        let answer = ureq::get(format!("{}{path}", self.node)).call().ok()?;
        serde_json::from_str(&answer.into_body().read_to_string().ok()?).ok()
    }

    /// Rounds in which the person's update counted, as the ledger has them.
    fn counted(&self, member: &str) -> usize {
        let path = format!("/v1/federations/wine/contributors/{member}/rounds");
        self.asks(&path).map_or(0, |rounds| rounds["rounds"].as_array().unwrap().len())
    }

    /// Rounds that the ledger has settled, whoever had a part.
    fn settled(&self) -> usize {
        let federation = self.asks("/v1/federations/wine").unwrap();
        federation["settled"].as_array().unwrap().len()
    }

    /// Trains two rounds, and sees what they earned.
    fn earns(&self) -> String {
        let reader = &self.reader;
        reader.clicks("Start training");
        let member = self.member();
        reader.until("two rounds that counted", || (self.counted(&member) >= 2).then_some(()));
        reader.sees("counted: ");
        self.keeps("08-training");
        reader.clicks("Earnings");
        reader.types("Address of the co-operative", &self.node);
        reader.clicks("Ask");
        reader.until("credits in the ledger", || {
            let account = self.asks(&format!("/v1/members/{member}"))?;
            let of = |name: &str| account[name].as_str()?.parse::<u128>().ok();
            (of("credits")? + of("credits_pending")? > 0).then_some(())
        });
        // What the ledger pays for is on the screen, round for round.
        let earned = || {
            let texts = reader.texts();
            let credits = texts.iter().filter_map(|text| {
                let (_, rest) = text.strip_prefix("Round ")?.split_once(": ")?;
                rest.split_once(" credits")?.0.parse::<u128>().ok()
            });
            credits.max().filter(|credits| *credits > 0)
        };
        reader.until("a round with credits on the screen", || {
            let earned = earned();
            if earned.is_none() {
                reader.clicks("Ask");
            }
            earned
        });
        self.keeps("09-earnings");
        // The real log's proofs, checked by the window.
        reader.clicks("Check against the ledger");
        reader.sees("rounds are in the ledger as shown.");
        reader.sees("Seen here for the first time.");
        reader.sees("In the ledger, checked here.");
        assert!(!reader.shows("Not proven"));
        self.keeps("09-earnings-checked");
        member
    }

    /// Moves the pointer: training waits, says why, and goes on only when it is told to.
    fn is_at_the_computer(&self, member: &str) {
        let reader = &self.reader;
        self.allows_training_while_in_use(false);
        reader.display.point([640, 700]);
        reader.sees("Paused while this computer is in use; goes on after");
        self.keeps("10-paused");
        // The round that was sealed before the pause may still be counted; then rounds go on without this computer.
        let (mut counted, mut settled) = (self.counted(member), self.settled());
        reader.until("a round without this computer", || {
            let (now, all) = (self.counted(member), self.settled());
            let missed = all.saturating_sub(settled) > now - counted;
            (counted, settled) = (now, all);
            missed.then_some(())
        });
        assert!(reader.shows("Paused while this computer is in use"));
        reader.clicks("Train anyway");
        reader.until("a round after the pause", || (self.counted(member) > counted).then_some(()));
        assert!(!reader.shows("Paused while this computer is in use"));
    }

    /// The sealed bytes of the newest update, and the entry of the ledger that it led to.
    fn looks_at_sealed_bytes(&self) {
        let reader = &self.reader;
        let member = self.member();
        let path = format!("/v1/federations/wine/contributors/{member}/rounds");
        reader.until("an entry of the ledger beside an update", || {
            let rounds = self.asks(&path)?;
            let entries = rounds["rounds"].as_array()?.iter();
            let entries: Vec<_> = entries.map(|round| round["ledger_index"].to_string()).collect();
            let seen = reader.texts().iter().any(|text| entries.contains(text));
            if !seen {
                reader.clicks("Read again");
            }
            seen.then_some(())
        });
        reader.clicks("Bytes");
        reader.sees("A sealed message, as it left");
        reader.sees("00000000  ");
        let file = self.dir.join("sealed.bin");
        reader.types("Write all of it to", &file.display().to_string());
        reader.clicks("Write the bytes");
        reader.until("the bytes in a file", || {
            fs::metadata(&file).ok().filter(|file| file.len() > 0)
        });
        self.keeps("11-what-left-bytes");
        reader.clicks("Close the bytes");
    }

    /// Changes the passphrase, writes a copy of the key, forgets the passphrase, and has the same key again from the copy.
    fn forgets_the_passphrase(&mut self) {
        let (copy, of_copy) = (self.dir.join("copy.age"), "five words for the copy");
        let of_copy_field = "Passphrase of the copy";
        let reader = &self.reader;
        let chooses = |reader: &Reader, passphrase: &str| {
            reader.types("New passphrase", passphrase);
            reader.types("New passphrase again", passphrase);
        };
        reader.clicks("Settings");
        reader.types("Passphrase of the key", PASSPHRASE);
        chooses(reader, "five words nobody knows");
        reader.clicks("Change the passphrase");
        reader.sees("The key is encrypted under the new passphrase.");
        reader.types("Write the copy to", &copy.display().to_string());
        reader.types(of_copy_field, of_copy);
        self.keeps("14-passphrase-changed");
        reader.clicks("Write the copy");
        reader.sees(&copy.display().to_string());

        drop(self.window.take());
        self.opens_the_window(None);
        let reader = &self.reader;
        reader.types("Passphrase of the key", PASSPHRASE);
        reader.clicks("Unlock");
        reader.sees("This is not the passphrase of the key.");
        reader.clicks("I have forgotten it");
        chooses(reader, PASSPHRASE);
        reader.clicks("I have an encrypted copy of the key");
        reader.types("File of the copy", &copy.display().to_string());
        reader.types(of_copy_field, of_copy);
        self.keeps("15-forgotten");
        reader.clicks("Restore from the copy");
        reader.sees("Your key is here and backed up.");
        assert!(self.home().join("trainer/key.forgotten").exists());
    }

    /// Looks at what left, and at the other screens.
    fn looks_around(&self) {
        let reader = &self.reader;
        reader.clicks("What left");
        reader.sees("sealed, round ");
        self.keeps("11-what-left");
        self.looks_at_sealed_bytes();
        reader.clicks("Votes");
        reader.sees("There are no proposals.");
        self.keeps("12-votes");
        reader.clicks("Entrust it to");
        let winery = reader.sees("winery-1 (");
        reader.clicks(&winery);
        reader.goes("winery-1 (");
        reader.clicks("Entrust");
        reader.sees("It was signed here and is in the ledger.");
        reader.sees("winery-1 votes with your weight until");
        self.keeps("12-votes-entrusted");
        reader.clicks("Take it back");
        reader.goes("votes with your weight");
        // The log has grown, and begins as it did.
        reader.clicks("Earnings");
        reader.clicks("Check against the ledger");
        reader.sees("entries that were seen here before: nothing of them was changed.");
        reader.clicks("Leave");
        reader.sees("What stays elsewhere");
        self.keeps("13-leave");
        reader.clicks("Stop");
        reader.sees("Not training");
    }
}

impl Person {
    /// The others voted for terms that protect less: what changes is read before anything is trained, agreed to, and takes
    /// effect here.
    fn consents_to_other_terms(&self) {
        let (reader, member) = (&self.reader, self.member());
        reader.clicks("Training");
        reader.clicks("Start training");
        reader.sees("Nothing is trained or sent until you decide");
        self.keeps("14-terms-offered");
        reader.clicks("Consent");
        reader.sees("The members voted for terms that protect your data less");
        reader.sees("A sum is opened when only 2 contributors are in it");
        reader.sees("What stays");
        self.keeps("15-what-changes");
        let before = self.counted(&member);
        reader.clicks("I have read what changes");
        reader.clicks("I agree to the changed terms");
        reader.sees("Your consent is in the ledger.");
        self.keeps("16-consented");
        reader.clicks("Start training");
        // The person is at the computer, still.
        reader.clicks("Train anyway");
        reader.until("a round under the new terms", || {
            (self.counted(&member) > before).then_some(())
        });
        reader.sees("among 2");
        self.keeps("17-under-new-terms");
        reader.clicks("Stop");
        reader.sees("Not training");
    }

    /// One federation more begins with a key of its own, and is given up as long as there is none.
    fn thinks_of_another_federation(&self) {
        let reader = &self.reader;
        reader.clicks("Start  •");
        reader.clicks("Join another federation");
        reader.sees("It gets a key of its own");
        self.keeps("18-one-more");
        reader.clicks("Do not join one more");
        reader.sees("Your key is here and backed up.");
    }
}

/// What a person does, while the co-operative is listened to: whoever is not listened to waits.
async fn meanwhile<T: Send + 'static>(
    cooperative: &mut Cooperative,
    does: impl FnOnce() -> T + Send + 'static,
) -> T {
    let person = tokio::task::spawn_blocking(does);
    tokio::pin!(person);
    loop {
        tokio::select! {
            done = &mut person => return done.unwrap(),
            event = cooperative.next_event() => drop(event),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_joins_trains_earns_and_is_not_disturbed() {
    let dir = tempfile::tempdir().unwrap();
    let co_operative = dir.path().join("co-operative");
    fs::create_dir(&co_operative).unwrap();
    let mut setup = Setup::new(SealingMode::Mpc, &co_operative, OTHERS + 1, ROUNDS);
    setup.processes -= 1;
    // The first round waits for the person.
    setup.adjust = |federation| (federation.start_members, federation.minimum_cohort) = (4, 3);
    let (mut cooperative, vintage) = setup.start().await;
    let invitation = cooperative.invitation().unwrap().to_string();
    let place = dir.path().to_owned();
    let known = (cooperative.http().to_owned(), vintage.wineries[OTHERS].csv.clone());
    let person = meanwhile(&mut cooperative, move || {
        let mut person = Person::sits_down(&place, &invitation, known)?;
        person.makes_a_key();
        person.joins();
        person.allows_training_while_in_use(true);
        let member = person.earns();
        person.is_at_the_computer(&member);
        person.looks_around();
        person.forgets_the_passphrase();
        Some(person)
    });
    if let Some(mut person) = person.await {
        let others = &vintage.wineries[..OTHERS];
        let (device, mut news) =
            other_terms::are_voted_for(&mut cooperative, others, &co_operative).await;
        let listened = tokio::spawn(async move { while news.recv().await.is_some() {} });
        let looks = meanwhile(&mut cooperative, move || {
            person.consents_to_other_terms();
            person.thinks_of_another_federation();
            LOOKS.into_iter().for_each(|look| person.looks_again(look));
        });
        looks.await;
        device.end(End::Orderly).await;
        listened.abort();
    }
    cooperative.end_all().await;
}
