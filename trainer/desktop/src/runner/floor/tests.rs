use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel, sync_channel},
    time::Duration,
};

use serde_json::json;

use super::*;

/// Longest wait for a word: far above what a loaded machine needs.
const PATIENCE: Duration = Duration::from_secs(20);

/// A process in a trainer's place, which says what it hears.
struct Echo {
    child: Child,
    hears: Receiver<String>,
    news: Receiver<(Seat, News)>,
}

impl Echo {
    fn enters(floor: &Floor, seat: Seat) -> Self {
        let mut child =
            Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (line, hears) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|text| line.send(text))
        });
        let (tells, news) = sync_channel(1_024);
        let teller = Teller { seat, news: tells, wake: Arc::new(|| {}) };
        let input = Arc::new(Mutex::new(child.stdin.take()));
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path()).unwrap();
        floor.enter((seat, child.id()), &home, input, teller);
        Self { child, hears, news }
    }

    /// Waits until it is told this word.
    fn is_told(&self, word: &str) {
        while self.hears.recv_timeout(PATIENCE).expect(word) != word {}
    }

    /// Waits until its desk is told for whom it waits.
    fn waits_for(&self, seat: Option<Seat>) {
        let is = |news: &News| matches!(news, News::Turn(waits_for) if *waits_for == seat);
        while !is(&self.news.recv_timeout(PATIENCE).expect("a turn").1) {}
    }

    /// What it was told meanwhile, without the share.
    fn words(&self) -> Vec<String> {
        self.hears.try_iter().filter(|word| !word.starts_with("limit")).collect()
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        // Its input may be gone already, and it with that.
        let _gone = self.child.kill().and_then(|()| self.child.wait()).is_err();
    }
}

/// Without any wish that this machine could get in the way of.
fn always() -> Floor {
    let floor = Floor::default();
    floor.prefer(Preferences::dedicated());
    floor
}

#[test]
fn one_is_held_while_the_other_learns_and_the_owners_word_holds_both() {
    let floor = always();
    let [first, second] = [Seat(1), Seat(2)].map(|seat| Echo::enters(&floor, seat));
    // Whatever the machine says first, the owner's word comes before it.
    floor.obey(PaceCommand::Anyway);
    first.is_told("release");
    second.is_told("release");
    floor.hear(Seat(1), &json!({"event": "ordered"}));
    second.is_told("hold");
    second.waits_for(Some(Seat(1)));
    assert!(first.words().iter().all(|word| word == "release"), "it goes on");
    floor.hear(Seat(2), &json!({"event": "ordered"}));
    floor.hear(Seat(1), &json!({"event": "trained"}));
    first.is_told("hold");
    second.is_told("release");
    second.waits_for(None);
    // Who has the turn and ends holds nobody up.
    floor.leave(Seat(2), second.child.id());
    first.is_told("release");
    floor.obey(PaceCommand::Pause { for_ms: None });
    first.is_told("hold");
    // One that comes while all are paused is held from the beginning.
    let third = Echo::enters(&floor, Seat(3));
    third.is_told("hold");
    assert!(third.words().is_empty());
    floor.leave(Seat(1), first.child.id());
    floor.leave(Seat(3), third.child.id());
    assert!(floor.state().keeper.is_none(), "nothing is watched any more");
}
