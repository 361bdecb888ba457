//! The server's part of a simulation: steps in rounds, or buffered.

use std::{collections::BTreeMap, fmt, str::FromStr};

use aggregator_strategy::{BufferRule, NotationError, Positive, ServerOptimizer, StalenessWeight};
use anyhow::{Context as _, bail, ensure};

/// What the server does with updates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Strategy {
    /// One step for each round.
    Rounds(ServerOptimizer),
    /// The same, and contributors correct their steps by SCAFFOLD's control variates; its server takes the mean
    /// update times a learning rate, as `FedAvg`'s.
    Scaffold(ServerOptimizer),
    /// One step for each full buffer.
    Buffered(Buffering),
}

/// Asynchronous training with a buffer (Nguyen et al. 2022, `FedBuff`): contributors train from the model that is there when
/// they begin, and the server takes a step when its buffer is full.
///
/// Written `fedbuff:buffer=K,concurrency=C,exponent=A,stale=S,spread=D,lr=R`; only `buffer` has no default.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Buffering {
    /// K: updates of a step, at least the minimum cohort.
    pub buffer: usize,
    /// How many contributors train at the same time; 2K by default.
    pub concurrency: usize,
    /// What an update weighs that is s versions old: (1 + s)^-exponent, ½ by default (`FedBuff`'s); 0: all the same.
    pub staleness: StalenessWeight,
    /// Updates that are older than so many versions are thrown away; 20 by default.
    pub stale_max: u32,
    /// Deviation of the logarithm of contributors' times; 1 by default.
    pub spread: f64,
    /// The server's step.
    pub optimizer: ServerOptimizer,
}

const SCAFFOLD: &str = "scaffold";
/// What SCAFFOLD's server is.
const FED_AVG: &str = "fedavg";
/// The default of [`Buffering::stale_max`]: by then `FedBuff`'s weight is below a quarter.
const STALE_MAX: u32 = 20;
/// Largest spread: beyond it times leave what is counted in.
const SPREAD_MAX: f64 = 3.0;

impl Strategy {
    /// The server's optimiser.
    pub(crate) const fn optimizer(&self) -> ServerOptimizer {
        match self {
            Self::Rounds(optimizer) | Self::Scaffold(optimizer) => *optimizer,
            Self::Buffered(buffering) => buffering.optimizer,
        }
    }

    /// Whether contributors correct their steps by control variates.
    pub(crate) const fn is_scaffold(&self) -> bool {
        matches!(self, Self::Scaffold(_))
    }

    /// The buffer, if there is one.
    pub(crate) const fn buffering(&self) -> Option<Buffering> {
        match self {
            Self::Rounds(_) | Self::Scaffold(_) => None,
            Self::Buffered(buffering) => Some(*buffering),
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rounds(optimizer) => optimizer.fmt(f),
            Self::Scaffold(optimizer) => {
                let text = optimizer.to_string();
                write!(f, "{SCAFFOLD}{}", text.strip_prefix(FED_AVG).unwrap_or(&text))
            }
            Self::Buffered(buffering) => buffering.fmt(f),
        }
    }
}

impl Buffering {
    /// What the server makes of the buffer: the same as in a federation of real contributors.
    pub(crate) fn rule(&self) -> BufferRule {
        let buffer = u32::try_from(self.buffer).unwrap_or(u32::MAX);
        BufferRule { buffer, weight: self.staleness, stale_max: self.stale_max }
    }
}

impl fmt::Display for Buffering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { buffer, concurrency, staleness, stale_max, spread, optimizer } = self;
        let exponent = match staleness {
            StalenessWeight::Polynomial { exponent } => exponent.get(),
            _ => 0.0,
        };
        let rate = optimizer.learning_rate().get();
        write!(
            f,
            "fedbuff:buffer={buffer},concurrency={concurrency},exponent={exponent},stale={stale_max},spread={spread},lr={rate}"
        )
    }
}

impl FromStr for Strategy {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        if let Some(settings) = text.strip_prefix("fedbuff") {
            return Ok(Self::Buffered(buffering(settings)?));
        }
        let corrected = text.strip_prefix(SCAFFOLD);
        if let Some(rest) = corrected.filter(|rest| matches!(rest.get(..1), None | Some(":"))) {
            return Ok(Self::Scaffold(format!("{FED_AVG}{rest}").parse()?));
        }
        match text.parse() {
            Ok(optimizer) => Ok(Self::Rounds(optimizer)),
            Err(error @ NotationError::Name { .. }) => bail!("{error}, {SCAFFOLD}, fedbuff"),
            Err(error) => Err(error.into()),
        }
    }
}

/// The buffer of a federation of real contributors, and its server's step: spelled as for a simulation, without what is
/// theirs to decide.
///
/// # Errors
/// What is no buffer, or says how many train at a time or how fast they are.
pub fn buffer_rule(text: &str) -> anyhow::Result<(ServerOptimizer, BufferRule)> {
    for key in ["concurrency", "spread"] {
        ensure!(
            !text.contains(&format!("{key}=")),
            "{key} is of virtual contributors; real ones train when they do: leave it out"
        );
    }
    let Strategy::Buffered(buffering) = text.parse()? else {
        bail!(
            "{text:?} has no buffer: use fedbuff:buffer=K, or federation.optimizer and federation.scaffold"
        );
    };
    Ok((buffering.optimizer, buffering.rule()))
}

fn buffering(settings: &str) -> anyhow::Result<Buffering> {
    let mut read = Settings::read(settings)?;
    let buffer: usize = read.take("buffer")?.context("fedbuff needs buffer=VALUE")?;
    let concurrency = read.take("concurrency")?.unwrap_or(2 * buffer);
    let staleness = match read.take::<f64>("exponent")? {
        None => StalenessWeight::FED_BUFF,
        Some(0.0) => StalenessWeight::Constant,
        Some(exponent) => {
            StalenessWeight::Polynomial { exponent: Positive::new("exponent", exponent)? }
        }
    };
    let (stale_max, most) = (read.take("stale")?.unwrap_or(STALE_MAX), BufferRule::STALE_MAX);
    ensure!((1..=most).contains(&stale_max), "stale must be 1 to {most}, got {stale_max}");
    let spread = read.take("spread")?.unwrap_or(1.0);
    ensure!((0.0..=SPREAD_MAX).contains(&spread), "spread must be 0 to {SPREAD_MAX}, got {spread}");
    let rate: f64 = read.take("lr")?.unwrap_or(1.0);
    let optimizer = format!("fedavg:lr={rate}").parse()?;
    read.finish()?;
    ensure!(buffer >= 2, "a buffer of {buffer} would open single updates: it takes 2 or more");
    ensure!(
        concurrency >= buffer,
        "a buffer of {buffer} is never filled by {concurrency} who train at the same time"
    );
    Ok(Buffering { buffer, concurrency, staleness, stale_max, spread, optimizer })
}

/// `:key=value,key=value`, taken apart.
struct Settings<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Settings<'a> {
    fn read(settings: &'a str) -> anyhow::Result<Self> {
        let pairs = match settings.strip_prefix(':') {
            Some(pairs) => pairs,
            None if settings.is_empty() => "",
            None => bail!("fedbuff is followed by \":\" and its settings, got {settings:?}"),
        };
        let mut read = BTreeMap::new();
        for pair in pairs.split(',').filter(|pair| !pair.is_empty()) {
            let (key, value) =
                pair.split_once('=').with_context(|| format!("{pair:?} is not key=value"))?;
            ensure!(read.insert(key, value).is_none(), "fedbuff takes {key:?} once");
        }
        Ok(Self(read))
    }

    fn take<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(
        &mut self,
        key: &str,
    ) -> anyhow::Result<Option<T>> {
        let Some(text) = self.0.remove(key) else { return Ok(None) };
        text.parse().map(Some).with_context(|| format!("{key}={text}"))
    }

    fn finish(&self) -> anyhow::Result<()> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(key) => bail!("fedbuff takes no {key:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for text in ["fedavg", "fedadam", "fedbuff:buffer=8", "fedbuff:buffer=4,exponent=0,lr=0.5"]
        {
            let strategy: Strategy = text.parse().unwrap();
            assert_eq!(strategy.to_string().parse::<Strategy>().unwrap(), strategy, "{text}");
        }
        let Strategy::Buffered(buffering) = "fedbuff:buffer=8".parse().unwrap() else {
            panic!("no buffer");
        };
        assert_eq!((buffering.concurrency, buffering.stale_max), (16, 20));
        assert_eq!(buffering.staleness, StalenessWeight::FED_BUFF);
    }

    #[test]
    fn scaffold_is_a_strategy_beside_the_server_s_steps() {
        for (text, printed, scaffold) in [
            ("scaffold", "scaffold:lr=1", true),
            ("scaffold:lr=0.5", "scaffold:lr=0.5", true),
            ("fedavg", "fedavg:lr=1", false),
            ("fedavgm:lr=1,momentum=0.5", "fedavgm:lr=1,momentum=0.5", false),
        ] {
            let strategy: Strategy = text.parse().unwrap();
            assert_eq!(
                (strategy.to_string().as_str(), strategy.is_scaffold()),
                (printed, scaffold)
            );
        }
        let refused = "scaffolds".parse::<Strategy>().unwrap_err().to_string();
        assert!(refused.ends_with("fedyogi, scaffold, fedbuff"), "{refused}");
        assert!("scaffold:momentum=1".parse::<Strategy>().is_err());
    }

    #[test]
    fn a_real_federation_takes_what_is_the_server_s() {
        let (optimizer, rule) = buffer_rule("fedbuff:buffer=8,stale=4,lr=0.5").unwrap();
        assert_eq!(rule.to_string(), "fedbuff:buffer=8,exponent=0.5,stale=4");
        assert_eq!(optimizer.to_string(), "fedavg:lr=0.5");
        for (text, expected) in [
            ("fedadam", "has no buffer"),
            ("fedbuff:buffer=8,concurrency=16", "real ones"),
            ("fedbuff:buffer=8,spread=1", "real ones"),
            ("fedbuff:buffer=8,stale=0", "1 to 1000"),
            ("fedbuff:buffer=1", "2 or more"),
        ] {
            let refused = format!("{:#}", buffer_rule(text).unwrap_err());
            assert!(refused.contains(expected), "{text}: {refused}");
        }
    }

    #[test]
    fn settings_that_make_no_sense_are_refused_with_a_sentence() {
        let check = |text: &str, expected: &str| {
            let refused = format!("{:#}", text.parse::<Strategy>().unwrap_err());
            assert!(refused.contains(expected), "{text}: {refused}");
        };
        check("fedbuff", "needs buffer");
        check("fedbuff:buffer=1", "2 or more");
        check("fedbuff:buffer=8,concurrency=4", "never filled");
        check("fedbuff:buffer=8,buffer=8", "once");
        check("fedbuff:buffer=8,speed=1", "takes no");
        check("fedbuff:buffer=8,exponent=-1", "exponent");
        check("fedbuff:buffer=8,spread=9", "spread");
        check("fedbuff:buffer=8,stale=0", "stale must be 1 to 1000, got 0");
        check("fedbuffer", "followed by");
        check("fedsomething", "fedavg");
    }
}
