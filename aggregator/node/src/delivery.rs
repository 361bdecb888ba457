//! The cohort's delivery: the mailbox with its store, and the way to the DAO node's list.

use aggregator_network::{Address, Link, ReplySender};
use aggregator_protocol::{
    CohortRequest, ContributorReply, DaoReply, DaoRequest, Refusal, Roster, checked_roster,
    from_wire, to_wire,
};
use aggregator_round::{AggregatorContext, Mailbox};
use privacy_identity::{Digest, Signed, VerifyingKey};
use tokio::sync::mpsc;
use tracing::debug;

use crate::{clock::now_ms, store::Store};

/// Shortest time between two questions for the list, in milliseconds: strangers cause them.
const ROSTER_MS_MIN: u64 = 500;
/// How old the list may be, in milliseconds: who was suspended is put out of the cohort by members who learn of it here.
const ROSTER_MS_MAX: u64 = 5_000;
/// How soon a member asks again that came before the list was there, in milliseconds.
const RETRY_MS: u64 = 100;
/// What the DAO node may say before it is handled.
const WORD_MAX: usize = 64;

/// What the DAO node said about the cohort.
#[derive(Debug)]
pub(crate) enum Word {
    /// Whom it admitted.
    Roster(Box<Signed<Roster>>),
    /// It was handed the key of this epoch.
    Handed(u64),
}

/// The mailbox and the list by which it tells members from strangers.
pub(crate) struct Delivery {
    mailbox: Mailbox,
    roster: Option<Signed<Roster>>,
    /// When the list was asked for last.
    asked_ms: u64,
    federation: Digest,
    dao_node: VerifyingKey,
    dao: Address,
    link: Link,
    store: Store,
    words: mpsc::Sender<Word>,
}

impl Delivery {
    /// Takes the mailbox up from the store.
    pub(crate) async fn open(
        context: &AggregatorContext,
        store: &Store,
        link: &Link,
        dao: Address,
    ) -> anyhow::Result<(Self, mpsc::Receiver<Word>)> {
        let (words, heard) = mpsc::channel(WORD_MAX);
        let delivery = Self {
            mailbox: store.mailbox().await?.unwrap_or_default(),
            roster: None,
            asked_ms: 0,
            federation: context.terms().id(),
            dao_node: context.terms().dao_node,
            dao,
            link: link.clone(),
            store: store.clone(),
            words,
        };
        Ok((delivery, heard))
    }

    /// Takes what the DAO node said.
    pub(crate) async fn hear(&mut self, word: Word) -> anyhow::Result<()> {
        match word {
            Word::Roster(roster) => {
                // A list that is not the DAO node's would be refused by every member anyway.
                if checked_roster(&roster, &self.federation, &self.dao_node).is_ok() {
                    self.roster = Some(*roster);
                }
            }
            Word::Handed(epoch) => {
                if self.mailbox.handed(epoch) {
                    self.store.keep_mailbox(&self.mailbox).await?;
                }
            }
        }
        Ok(())
    }

    /// Answers a member; what the answer promises is stored before. Returns why it was refused.
    ///
    /// * `collecting` — members may be at work on an order: the cohort stays as it is.
    pub(crate) async fn answer(
        &mut self,
        member: VerifyingKey,
        request: CohortRequest,
        collecting: bool,
        reply: ReplySender,
    ) -> anyhow::Result<Option<Refusal>> {
        let Some(roster) = self.roster.clone() else {
            self.ask_roster();
            respond(reply, &ContributorReply::Wait { retry_ms: RETRY_MS });
            return Ok(None);
        };
        if now_ms().saturating_sub(self.asked_ms) > ROSTER_MS_MAX {
            self.ask_roster();
        }
        let listed = roster.unverified_body();
        let changed = match request {
            CohortRequest::Sync { epoch } => {
                return Ok(match self.mailbox.sync(&member, &roster, epoch) {
                    Ok(news) => {
                        respond(reply, &ContributorReply::Cohort(Box::new(news)));
                        None
                    }
                    Err(refusal) => Some(self.refuse(refusal, reply)),
                });
            }
            CohortRequest::HandKey(key) => {
                if listed.members.binary_search(&member).is_err() {
                    return Ok(Some(self.refuse(Refusal::Stranger, reply)));
                }
                self.hand_on(DaoRequest::HandKey(key), reply);
                return Ok(None);
            }
            CohortRequest::Commit { .. } if collecting => Err(Refusal::Busy),
            CohortRequest::Offer { package } => self.mailbox.offer(member, listed, package),
            CohortRequest::Commit { epoch, commit, welcome } => {
                self.mailbox.commit(member, listed, epoch, commit, welcome)
            }
        };
        match changed {
            Ok(changed) => {
                if changed {
                    self.store.keep_mailbox(&self.mailbox).await?;
                }
                respond(reply, &ContributorReply::Taken);
                Ok(None)
            }
            // Two members that act at once, or one that acts while a round collects: no fault.
            Err(refusal @ (Refusal::Busy | Refusal::Late)) => {
                respond(reply, &ContributorReply::Refused(refusal));
                Ok(None)
            }
            Err(refusal) => Ok(Some(self.refuse(refusal, reply))),
        }
    }

    fn refuse(&mut self, refusal: Refusal, reply: ReplySender) -> Refusal {
        if refusal == Refusal::Stranger {
            // Perhaps one who was admitted since.
            self.ask_roster();
        }
        respond(reply, &ContributorReply::Refused(refusal));
        refusal
    }

    /// Asks the DAO node whom it admitted, unless that was asked just now.
    fn ask_roster(&mut self) {
        let now = now_ms();
        if now.saturating_sub(self.asked_ms) < ROSTER_MS_MIN {
            return;
        }
        self.asked_ms = now;
        let (link, dao, words) = (self.link.clone(), self.dao, self.words.clone());
        drop(tokio::spawn(async move { fetch_roster(&link, &dao, &words).await }));
    }

    /// Passes a request to join to the DAO node and its answer back. Whoever joined makes the list
    /// stale, so that it is fetched before the new member is answered.
    pub(crate) fn join(&self, request: DaoRequest, reply: ReplySender, cohort: bool) {
        let (link, dao, words) = (self.link.clone(), self.dao, self.words.clone());
        // Not joined: it ends with its requests, which the link bounds in time.
        drop(tokio::spawn(async move {
            let Ok(answer) = link.request(&dao, to_wire(&request)).await else {
                return;
            };
            let answer = match from_wire(&answer) {
                Ok(DaoReply::Joined) => ContributorReply::Joined,
                Ok(DaoReply::Refused(refusal)) => ContributorReply::Refused(refusal),
                _ => ContributorReply::Refused(Refusal::Unexpected),
            };
            if cohort && answer == ContributorReply::Joined {
                fetch_roster(&link, &dao, &words).await;
            }
            respond(reply, &answer);
        }));
    }

    /// As [`Self::offers`], for those whom the DAO node admitted. Returns why it was refused.
    pub(crate) fn offers_to(
        &mut self,
        member: &VerifyingKey,
        request: DaoRequest,
        reply: ReplySender,
    ) -> Option<Refusal> {
        let Some(roster) = &self.roster else {
            self.ask_roster();
            respond(reply, &ContributorReply::Wait { retry_ms: RETRY_MS });
            return None;
        };
        if roster.unverified_body().members.binary_search(member).is_err() {
            return Some(self.refuse(Refusal::Stranger, reply));
        }
        self.offers(request, reply);
        None
    }

    /// Passes a question for a model, or the word that one was trained from, to the DAO node and its answer back.
    pub(crate) fn offers(&self, request: DaoRequest, reply: ReplySender) {
        let (link, dao) = (self.link.clone(), self.dao);
        // Not joined, as in `join`.
        drop(tokio::spawn(async move {
            let Ok(answer) = link.request(&dao, to_wire(&request)).await else {
                return;
            };
            respond(
                reply,
                &match from_wire(&answer) {
                    Ok(DaoReply::Model { offer, model }) => {
                        ContributorReply::Model { offer, model }
                    }
                    Ok(DaoReply::TrainedTaken) => ContributorReply::Taken,
                    Ok(DaoReply::Wait { retry_ms }) => ContributorReply::Wait { retry_ms },
                    Ok(DaoReply::Finished(end)) => ContributorReply::Finished(end),
                    Ok(DaoReply::Refused(refusal)) => ContributorReply::Refused(refusal),
                    _ => ContributorReply::Refused(Refusal::Unexpected),
                },
            );
        }));
    }

    /// Passes the key of models to the DAO node, and its answer back.
    fn hand_on(&self, request: DaoRequest, reply: ReplySender) {
        let (link, dao, words) = (self.link.clone(), self.dao, self.words.clone());
        let epoch = match &request {
            DaoRequest::HandKey(key) => key.unverified_body().cohort.epoch,
            _ => 0,
        };
        drop(tokio::spawn(async move {
            let Ok(answer) = link.request(&dao, to_wire(&request)).await else {
                return;
            };
            let answer = match from_wire(&answer) {
                Ok(DaoReply::KeyTaken) => {
                    drop(words.send(Word::Handed(epoch)).await);
                    ContributorReply::Taken
                }
                Ok(DaoReply::Refused(refusal)) => ContributorReply::Refused(refusal),
                _ => ContributorReply::Refused(Refusal::BadSet),
            };
            respond(reply, &answer);
        }));
    }
}

async fn fetch_roster(link: &Link, dao: &Address, words: &mpsc::Sender<Word>) {
    let answer = link.request(dao, to_wire(&DaoRequest::Roster)).await;
    if let Ok(Ok(DaoReply::Roster(roster))) = answer.map(|answer| from_wire(&answer)) {
        // The receiver is gone only when the whole shell is.
        drop(words.send(Word::Roster(roster)).await);
    }
}

fn respond(reply: ReplySender, answer: &ContributorReply) {
    if let Err(error) = reply.send(to_wire(answer)) {
        // The member asks again; every request is idempotent.
        debug!("an answer was not taken: {error}");
    }
}
