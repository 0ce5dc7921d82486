//! Why a machine is what it is: what was considered for it, and what fell out. Offline.

use super::{Front, Problem, Site};
use crate::diag::{Code, Diagnostic, suggest};
use crate::lower;
use dsenv_sdk::placement::{self, Market};
use dsenv_sdk::prices::Book;
use dsenv_sdk::prices::place::Placement;
use dsenv_sdk::provider::Neutral;
use dsenv_sdk::{Addr, Term};

/// What came of the need of one resource.
#[derive(Clone, Debug)]
pub struct Explained<'b> {
    /// The resource.
    pub address: String,
    /// What it needs, in the words of the blueprint.
    pub needs: String,
    /// What is tried, in order: those of the lock when it has some.
    pub offers: Vec<String>,
    /// Whether the lock has them: then a newer book is of no account.
    pub pinned: bool,
    /// What the book says today.
    pub placement: Placement<'b>,
}

impl Site {
    /// Explains the placement of one machine or pool. Refuses what has no offers: another kind, or a provider
    /// without a price list.
    pub fn explain<'b>(
        &self,
        front: &Front,
        addr: &Addr,
        book: &'b Book,
    ) -> Result<Explained<'b>, Problem> {
        let refused = |message: String| Diagnostic::error(Code::E0814, message);
        let Some(resource) = front.resolved.resources.get(addr) else {
            let names: Vec<String> = front.resolved.resources.keys().map(Addr::to_string).collect();
            let near = suggest(&addr.to_string(), names.iter().map(String::as_str));
            let unknown = refused(format!("this environment has no `{addr}`"));
            return Err(Problem::refused(unknown.did_you_mean(near)));
        };
        let Some(market) = front.provider.market() else {
            let message =
                format!("provider `{}` has no offers to choose from", front.provider.name());
            return Err(Problem::refused(refused(message)));
        };
        if resource.kind.field("cpus").is_none() || resource.kind.field("gpu").is_none() {
            let message =
                format!("`{addr}` is a {}, and machines and pools are placed", resource.kind.name);
            return Err(Problem::refused(refused(message)));
        }
        let neutral = lower::neutral(&front.resolved, resource);
        let pins = self.lock(&front.resolved.blueprint)?.pins;
        let around = lower::surroundings(&front.resolved, &pins);
        // Of what is wanted, because the provider knows by which price it puts its offers in order.
        let wants = front.provider.wants(&neutral, &around);
        let want = wants.into_iter().find(|want| want.what == placement::OFFERS);
        let need = match want.as_ref().and_then(Market::need_of) {
            Some(need) => need,
            None => placement::need(&neutral)
                .map_err(|wrong| Problem::refused(refused(wrong.message)))?,
        };
        Ok(Explained {
            address: addr.to_string(),
            needs: words(&neutral),
            offers: front.provider.offers(&neutral, &around),
            pinned: want.is_some_and(|want| pins.contains_key(&*want.pin)),
            placement: market.place(book, front.resolved.region.as_deref(), &need),
        })
    }
}

/// `cpus: 2+, memory: 8GiB+`.
fn words(resource: &Neutral) -> String {
    let said = ["type", "cpus", "memory", "gpu"].into_iter().filter_map(|field| {
        let value = resource.fields.get(field).and_then(Term::known)?;
        let text = value.as_text().map_or_else(|| value.to_string(), str::to_owned);
        Some(format!("{field}: {text}"))
    });
    let said: Vec<String> = said.collect();
    if said.is_empty() { "no more than a machine has".to_owned() } else { said.join(", ") }
}
