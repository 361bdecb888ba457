//! What to start, in which order.

use std::fmt;

use super::{InitArgs, layout::Layout};

/// Commands, each as its arguments, with a sentence before them.
pub(super) struct Steps {
    parts: Vec<(String, Vec<Vec<String>>)>,
}

impl Layout {
    /// What to start once the folder is there.
    pub(super) fn steps(&self, args: &InitArgs) -> Steps {
        let path = |path: &std::path::Path| path.display().to_string();
        let configuration = path(&self.configuration());
        let serve = ["serve", "--config", &configuration].map(str::to_owned).to_vec();
        let aggregator = |index: usize| {
            let (one, dao) = (&self.aggregators[index], self.dao.to_string());
            let (state, listen) = (path(&one.state), one.address.listen().to_string());
            let mut command = ["aggregator", "--state", &state, "--dao", &dao, "--listen", &listen]
                .map(str::to_owned)
                .to_vec();
            // The coordinator has to find all others.
            for other in self.aggregators.iter().skip(1).filter(|_| index == 0) {
                command.extend(["--peer".to_owned(), other.address.to_string()]);
            }
            command
        };
        let mut running = vec![serve];
        running.extend((0..self.aggregators.len()).rev().map(aggregator));
        let coordinator = self.aggregators[0].address.to_string();
        let invite =
            ["federation", "invite", "--config", &configuration, "--coordinator", &coordinator];
        let join = [
            "trainer",
            "--state",
            "mine",
            "--data",
            "my-rows.csv",
            "--label",
            "My name",
            "--join",
            "INVITATION",
        ];
        let watch = format!("http://{}", std::net::SocketAddr::new(args.host, args.http_port));
        let parts = vec![
            (
                "Start each of these in a terminal of its own (or as a service); all of them may be stopped and started again:"
                    .to_owned(),
                running,
            ),
            ("Write the invitation for contributors, once the node has started:".to_owned(), vec![owned(&invite)]),
            (
                format!(
                    "Each contributor, on its own machine, with rows that have the columns of validation.csv; the first round \
                     starts when {} have joined (or with the window: sahakar-desktop):",
                    args.members
                ),
                vec![owned(&join)],
            ),
            (format!("Watch at {watch}, and recompute the whole ledger:"), vec![owned(&["audit", "--url", &watch])]),
        ];
        Steps { parts }
    }
}

impl Steps {
    /// The commands alone, each as its arguments.
    pub(super) fn commands(&self) -> Vec<&Vec<String>> {
        self.parts.iter().flat_map(|(_, commands)| commands).collect()
    }
}

impl fmt::Display for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (sentence, commands)) in self.parts.iter().enumerate() {
            writeln!(f, "{}. {sentence}", index + 1)?;
            for command in commands {
                let words = command.iter().map(String::as_str);
                // Only a zero byte has no quoted form, and no argument has one.
                let line = shlex::try_join(words).map_err(|_zero_byte| fmt::Error)?;
                writeln!(f, "   sahakar {line}")?;
            }
        }
        Ok(())
    }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}
