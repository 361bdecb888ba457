//! The headless trainer by flags, by a file, and by what it tells.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(dead_code, reason = "other test files use the rest of the world")]

mod world;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use clap::Parser;
use datasets::MissingRule;
use sahakar::{
    demo::{children::End, cooperative::DAO},
    trainer::{LogForm, TrainerArgs, TrainerFile, TrainerPlan},
};
use serde_json::Value;
use trainer_model::DeviceChoice;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: TrainerArgs,
}

const CONFIG: &str = r#"
state_dir = "state"
label = "from the file"
device = "cpu"
seed = 7
[join]
file = "invitation"
[data]
path = "wine.csv"
hold_out_percent = 20
[data.mapping]
missing = "mean"
columns = { "Säure" = "fixed acidity" }
[preferences]
idle_minutes = 9
[metrics]
listen = "127.0.0.1:9464"
[log]
form = "json"
"#;

/// What `arguments` and `config` make together; `invitation` lies beside the configuration.
fn plan(config: &str, arguments: &[&str]) -> Result<TrainerPlan, String> {
    let dir = tempfile::tempdir().unwrap();
    let invitation = dir.path().join("invitation");
    fs::write(&invitation, text_of_invitation()).unwrap();
    let path = dir.path().join("trainer.toml");
    fs::write(&path, config.replace("\"invitation\"", &format!("{invitation:?}"))).unwrap();
    let line = ["trainer", "--config", path.to_str().unwrap()].into_iter();
    let line = Line::try_parse_from(line.chain(arguments.iter().copied()));
    let args = line.map_err(|error| error.to_string())?.args;
    args.plan().map_err(|error| format!("{error:#}"))
}

fn text_of_invitation() -> String {
    let peer = aggregator_network::PeerKey::from_secret(&[7; 32]);
    let transport = aggregator_network::Transport::Tcp;
    let address = aggregator_network::ListenAddress::loopback(transport, 9).with_peer(peer);
    format!("sahakar://join?federation={}&coordinator={address}&token=grape\n", "ab".repeat(32))
}

#[test]
fn a_file_says_all_that_flags_say() {
    let plan = plan(CONFIG, &[]).unwrap();
    assert_eq!((plan.label.as_str(), plan.seed), ("from the file", Some(7)));
    assert_eq!(plan.state, Path::new("state"));
    assert_eq!(plan.device, DeviceChoice::Cpu);
    assert_eq!(plan.join, text_of_invitation().trim().parse().unwrap());
    let data = plan.data.unwrap();
    assert_eq!((data.hold_out_percent, data.hold_out_seed), (20, 1));
    assert_eq!(data.mapping.columns["Säure"], "fixed acidity");
    assert_eq!(plan.preferences.unwrap().form().idle_minutes, 9);
    assert_eq!(plan.metrics, Some("127.0.0.1:9464".parse().unwrap()));
    assert_eq!(plan.log.form, Some(LogForm::Json));
    assert!(!plan.json);
}

#[test]
fn a_flag_wins_over_the_file() {
    let flags = [
        ["--label", "flag"],
        ["--device", "auto"],
        ["--hold-out", "5"],
        ["--map", "Säure=pH"],
        ["--idle-minutes", "3"],
        ["--state", "elsewhere"],
        ["--log-form", "text"],
        ["--missing", "drop"],
    ];
    let plan = plan(CONFIG, &flags.concat()).unwrap();
    assert_eq!((plan.label.as_str(), plan.device), ("flag", DeviceChoice::Auto));
    let data = plan.data.unwrap();
    assert_eq!((data.hold_out_percent, data.mapping.columns["Säure"].as_str()), (5, "pH"));
    assert_eq!(data.mapping.missing, MissingRule::Drop);
    assert_eq!(plan.preferences.unwrap().form().idle_minutes, 3);
    assert_eq!(
        (plan.state.as_path(), plan.log.form),
        (Path::new("elsewhere"), Some(LogForm::Text))
    );
}

#[test]
fn what_is_needed_and_nobody_says_is_asked_for() {
    let refused = |config: &str, arguments: &[&str]| plan(config, arguments).unwrap_err();
    assert!(refused("", &[]).contains("data.path (or --data) is needed"));
    assert!(refused("", &["--terms"]).contains("state_dir (or --state) is needed"));
    let state = "state_dir = \"x\"\n";
    assert!(refused(state, &["--terms"]).contains("join.invitation, join.file, --join"));
    let both = "state_dir = \"x\"\n[join]\ninvitation = \"a\"\nfile = \"b\"\n";
    assert!(refused(both, &["--terms"]).contains("one of them"));
    assert!(refused(CONFIG, &["--obey"]).contains("who gives the words keeps the pace"));
    let sometime = CONFIG.replace("idle_minutes = 9", "idle_minutes = 0");
    assert!(refused(&sometime, &[]).contains("`idle_minutes` is 0, expected 1 to 1440"));
    let abacus = CONFIG.replace("\"cpu\"", "\"abacus\"");
    assert!(refused(&abacus, &[]).contains("abacus"));
}

fn load(text: &str, variables: &[(&str, &str)]) -> Result<TrainerFile, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("trainer.toml");
    fs::write(&path, text).unwrap();
    let owned = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    TrainerFile::load(&path, owned).map_err(|error| format!("{error:#}"))
}

#[test]
fn what_a_file_may_not_say_is_refused_with_its_line() {
    let refused = load("label = \"a\"\n\n[data]\nparth = \"x\"\n", &[]).unwrap_err();
    assert!(refused.contains("trainer.toml, line 4: unknown field `parth`"), "{refused}");
    let refused = load("seed = \"many\"\n", &[]).unwrap_err();
    assert!(refused.contains("line 1: invalid type: string"), "{refused}");
}

#[test]
fn a_line_with_a_secret_is_never_repeated() {
    let refused = load("[join]\ninvitation = \"sahakar://join?token=grape\n", &[]).unwrap_err();
    assert!(refused.contains("line 2"), "{refused}");
    assert!(!refused.contains("grape"), "{refused}");
    let file = load("[join]\ninvitation = \"sahakar://join?token=grape\"\n", &[]).unwrap();
    assert!(!format!("{file:?}").contains("grape"));
    let refused = load("", &[("SAHAKAR__SEED", "grape")]).unwrap_err();
    assert!(refused.contains("SAHAKAR__SEED"), "{refused}");
}

#[test]
fn the_environment_wins_over_the_file_and_may_say_only_what_the_file_may() {
    let text = "label = \"a\"\n[data]\nhold_out_percent = 1\n";
    let variables = [
        ("SAHAKAR__DATA__HOLD_OUT_PERCENT", "20"),
        ("SAHAKAR__LABEL", "kamala"),
        ("SAHAKAR__PREFERENCES__ON_BATTERY", "true"),
        ("SAHAKAR_JOIN", "of another kind"),
    ];
    let file = load(text, &variables).unwrap();
    assert_eq!(file.data.hold_out_percent, Some(20));
    assert_eq!(file.label.as_deref(), Some("kamala"));
    assert!(file.preferences.unwrap().on_battery);
    let refused = load(text, &[("SAHAKAR__DATA__PARTH", "x")]).unwrap_err();
    assert!(refused.contains("SAHAKAR__DATA__PARTH"), "{refused}");
    assert!(refused.contains("unknown field"), "{refused}");
    let refused = load(text, &[("SAHAKAR__LABEL__X", "x")]).unwrap_err();
    assert!(refused.contains("SAHAKAR__LABEL__X stands for no key"), "{refused}");
}

#[test]
fn the_example_that_is_installed_is_read_and_says_the_defaults() {
    let example = include_str!("../../../trainer/desktop/packaging/trainer.toml");
    let file = load(example, &[]).unwrap();
    assert!(file.state_dir.is_some() && file.join.file.is_some() && file.data.path.is_some());
    // Lines behind "#:" say what holds without them, and are read, too.
    let lines = example.lines().map(|line| line.strip_prefix("#:").map_or(line, str::trim_start));
    let all = load(&lines.collect::<Vec<_>>().join("\n"), &[]).unwrap();
    assert_eq!(all.preferences, Some(trainer_conditions::PreferencesForm::default()));
    assert_eq!(all.label.as_deref(), Some("contributor"));
    assert_eq!((all.data.hold_out_percent, all.data.hold_out_seed), (Some(0), Some(1)));
    assert_eq!((all.log.form, all.json), (Some(LogForm::default()), Some(false)));
    assert_eq!(all.device.as_deref().unwrap().parse(), Ok(DeviceChoice::default()));
}

/// The events of EVENTS.md with their fields.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let page = include_str!("../../../trainer/agent/EVENTS.md");
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let quoted = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    let row = |line: &str| {
        let cells: Vec<_> = line.split('|').collect();
        let names: BTreeSet<String> = quoted(cells[1]);
        (names.into_iter().next().unwrap(), quoted(cells[2]))
    };
    rows.map(row).collect()
}

#[test]
fn every_event_in_the_program_has_a_line_on_the_page_and_every_line_an_event() {
    let sources = [
        include_str!("../../../trainer/agent/src/agent_event.rs"),
        include_str!("../src/trainer.rs"),
        include_str!("../src/trainer/consenting.rs"),
        include_str!("../src/trainer/disputing.rs"),
        include_str!("../src/pacing.rs"),
    ];
    let mut told = BTreeSet::new();
    for source in sources {
        let code = source.split("#[cfg(test)]").next().unwrap();
        for begin in ["\"event\": \"", "with_reason(\""] {
            let names = code.split(begin).skip(1).map(|rest| rest.split('"').next().unwrap());
            told.extend(names.map(str::to_owned));
        }
    }
    assert!(told.len() > 15, "{told:?}");
    assert_eq!(told, documented().into_keys().collect());
}

/// Starts a trainer by nothing but a file.
fn start_by_file(path: &Path) -> (Child, impl Iterator<Item = Value>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sahakar"));
    command.args(["trainer", "--config"]).arg(path);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()))
}

/// Checks that an event says what the page says, and nothing else.
fn check_documented(event: &Value) {
    let known = documented();
    let name = event["event"].as_str().unwrap();
    let fields = event.as_object().unwrap().keys().filter(|key| *key != "event" && *key != "at_ms");
    assert_eq!(known[name], fields.cloned().collect(), "{event}");
}

/// What the command line answers.
fn sahakar(command: &[&str], paths: &[&Path]) -> String {
    let mut call = Command::new(env!("CARGO_BIN_EXE_sahakar"));
    let output = call.args(command).args(paths).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Each update that was counted is listed with the entry that settled it, and its sealed bytes are shown.
fn check_what_left(url: &str, (state, passphrase): &(std::path::PathBuf, std::path::PathBuf)) {
    let list = ["sent", "list", "--json", "--newest", "1000", "--url", url, "--state"];
    let listed = sahakar(&list, &[state, "--passphrase-file".as_ref(), passphrase]);
    let lines: Vec<Value> =
        listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let sealed: Vec<&Value> = lines.iter().filter(|line| line["sealed"] == true).collect();
    let settled: Vec<_> = sealed.iter().filter_map(|line| line["ledger_index"].as_u64()).collect();
    assert!(!settled.is_empty() && settled.len() < lines.len(), "{listed}");
    let last = sealed.last().unwrap();
    let (round, digest) = (last["round"].to_string(), last["digest"].as_str().unwrap());
    let show = ["sent", "show", "--json", "--round", &round, "--state"];
    let shown: Value = serde_json::from_str(&sahakar(&show, &[state])).unwrap();
    assert_eq!((&shown["digest"], &shown["bytes"]), (&last["digest"], &last["bytes"]));
    let file = state.with_extension("message");
    let show = ["sent", "show", "--digest", digest, "--state"];
    sahakar(&show, &[state, "--export".as_ref(), &file]);
    let message = fs::read(file).unwrap();
    assert_eq!(trainer_agent::SentCopies::digest(&message).to_string(), digest);
    assert!(hex::encode(&message).starts_with(shown["begin"].as_str().unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trainer_with_only_a_file_takes_part_and_tells_what_the_page_says() {
    let dir = tempfile::tempdir().unwrap();
    let (mut cooperative, vintage) = world::start(dir.path(), 4, 4).await;
    let (winery, mut seen) = (vintage.wineries[0].clone(), Vec::new());
    world::until(&mut cooperative, &winery.label, "submitted", &mut seen).await;
    cooperative.end(&winery.label, End::Orderly).await;

    let invitation = dir.path().join("invitation");
    fs::write(&invitation, cooperative.invitation().unwrap().to_string()).unwrap();
    let (state, config) = (cooperative.trainer_dir(&winery.label), dir.path().join("trainer.toml"));
    let passphrase = dir.path().join("passphrase");
    fs::write(&passphrase, "five words of a list\n").unwrap();
    fs::set_permissions(&passphrase, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    // The member goes on under the same key, which is under a passphrase from now on.
    sahakar(
        &["key", "encrypt"],
        &[&state.join("key"), "--new-passphrase-file".as_ref(), &passphrase],
    );
    let lines = format!(
        "state_dir = {state:?}\npassphrase_file = {passphrase:?}\nlabel = {:?}\ndevice = \"cpu\"\njson = true\n[join]\nfile = {invitation:?}\n\
         [data]\npath = {:?}\nhold_out_percent = 10\n[preferences]\nwhile_in_use = true\n\
         on_battery = true\nothers_max_percent = 100\nmemory_percent = 100\n",
        winery.label, winery.csv
    );
    fs::write(&config, lines).unwrap();
    let (mut child, told) = start_by_file(&config);
    let by_file: Vec<Value> = told.collect();
    assert!(child.wait().unwrap().success(), "{by_file:?}");
    assert_eq!(by_file.last().unwrap()["event"], "stopped");
    assert_eq!(by_file.last().unwrap()["reason"], "finished");
    assert!(by_file.iter().any(|event| event["event"] == "counted"), "{by_file:?}");
    assert!(by_file.iter().any(|event| event["event"] == "held_out"), "{by_file:?}");
    world::until(&mut cooperative, DAO, "released", &mut seen).await;
    let (url, place) = (cooperative.http().to_owned(), (state.clone(), passphrase.clone()));
    tokio::task::spawn_blocking(move || check_what_left(&url, &place)).await.unwrap();
    let of_trainers =
        seen.iter().filter(|(from, _)| vintage.wineries.iter().any(|w| w.label == *from));
    of_trainers.map(|(_, event)| event).chain(&by_file).for_each(check_documented);
    cooperative.end_all().await;
}

/// A trainer whose coordinator is not there, by a file with `lines` more; it is ended once `enough` of the lines of one of its
/// outputs were read, which are returned.
fn told_without_a_coordinator(
    lines: &str,
    output: impl FnOnce(&mut Child) -> Box<dyn std::io::Read>,
    enough: impl Fn(&str) -> bool,
) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("data.csv"), "a,b\n1,2\n").unwrap();
    let config = dir.path().join("trainer.toml");
    let (state, data) = (dir.path().join("state"), dir.path().join("data.csv"));
    let invitation = dir.path().join("invitation");
    fs::write(&invitation, text_of_invitation()).unwrap();
    let join = format!("[join]\nfile = {invitation:?}\n[data]\npath = {data:?}\n");
    fs::write(&config, format!("state_dir = {state:?}\n{lines}\n{join}")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sahakar"));
    command.args(["trainer", "--config"]).arg(&config).env_remove("RUST_LOG");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = Vec::new();
    for line in BufReader::new(output(&mut child)).lines() {
        told.push(line.unwrap());
        if enough(told.last().unwrap()) {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    told
}

#[test]
fn a_coordinator_that_is_away_is_told_of_at_once_in_each_form() {
    let events =
        |child: &mut Child| Box::new(child.stdout.take().unwrap()) as Box<dyn std::io::Read>;
    let log = |child: &mut Child| Box::new(child.stderr.take().unwrap()) as Box<dyn std::io::Read>;
    let away = |line: &str| line.contains("unreachable");
    let told = told_without_a_coordinator("json = true", events, away);
    let told: Vec<Value> = told.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    told.iter().for_each(check_documented);
    assert_eq!((&told[0]["event"], &told[1]["event"]), (&"started".into(), &"unreachable".into()));
    assert_eq!(told[1]["asked"], "terms");
    assert!(told[1]["seconds"].as_f64().unwrap() < 10.0, "{told:?}");

    let text = told_without_a_coordinator("", log, away);
    let line = text.last().unwrap();
    assert!(line.contains("no connection") && line.contains("on the network"), "{line}");

    // Each line of the log in its other form is an object with a time, a level and a message.
    let lines = told_without_a_coordinator("[log]\nform = \"json\"", log, away);
    for line in &lines {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
    }
    let last: Value = serde_json::from_str(lines.last().unwrap()).unwrap();
    assert_eq!(last["level"], "INFO");
    assert!(last["message"].as_str().unwrap().starts_with("unreachable"), "{last}");
}

#[test]
fn a_trainer_that_is_told_to_stop_says_so_last_and_ends_well() {
    let dir = tempfile::tempdir().unwrap();
    let invitation = dir.path().join("invitation");
    fs::write(&invitation, text_of_invitation()).unwrap();
    fs::write(dir.path().join("data.csv"), "a,b\n1,2\n").unwrap();
    let config = dir.path().join("trainer.toml");
    let (state, data) = (dir.path().join("state"), dir.path().join("data.csv"));
    let lines = format!(
        "state_dir = {state:?}\njson = true\n[join]\nfile = {invitation:?}\n[data]\npath = {data:?}\n"
    );
    fs::write(&config, &lines).unwrap();
    let (mut child, mut told) = start_by_file(&config);
    assert_eq!(told.next().unwrap()["event"], "started");
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let last = told.last().unwrap();
    assert_eq!((&last["event"], &last["reason"]), (&"stopped".into(), &"signal".into()));
    assert!(child.wait().unwrap().success());

    fs::remove_file(&data).unwrap();
    let (mut child, told) = start_by_file(&config);
    let last = told.last().unwrap();
    assert_eq!(last["event"], "failed");
    assert!(last["reason"].as_str().unwrap().contains("data.csv"), "{last}");
    assert_eq!(child.wait().unwrap().code(), Some(1));

    fs::write(&config, lines + "[trainer]\n").unwrap();
    let (mut child, told) = start_by_file(&config);
    assert_eq!((told.count(), child.wait().unwrap().code()), (0, Some(2)));
}
