//! What the bill is held against: another blueprint, or what `dsenv cost --json` printed of one.
//!
//! A blueprint is compiled for the same environment, held against the same state and priced with the same
//! figures as the one at hand, so a newer price or another assumption on use is no difference of the two. Its
//! own lock goes with it; where it has none, the one at hand does. A document keeps the prices of its day.

use super::look::plan_for;
use super::{Compiled, Options, Problem, Request, Site, back, chain};
use crate::diag::{Code, Diagnostic};
use crate::estimate::difference::Side;
use crate::estimate::{Moment, Terms, estimate};
use crate::refresh::Refreshed;
use crate::yaml;
use std::path::Path;

impl Site {
    /// Reads what the bill of `compiled` is held against: a blueprint, a folder with a `dsenv.yaml`, or a
    /// document.
    pub fn base(
        &self,
        path: &Path,
        request: &Request,
        compiled: &Compiled,
        terms: &Terms<'_>,
    ) -> Result<Side, Problem> {
        let file = match self.here.join(path).is_dir() {
            true => path.join("dsenv.yaml"),
            false => path.to_owned(),
        };
        let shown = file.display().to_string();
        let unread = |why: &str| {
            let message = format!("`{shown}`: {why}");
            let help = "`--diff` names a blueprint, a folder with a dsenv.yaml, or what `dsenv cost --json` \
                        printed";
            Problem::refused(Diagnostic::error(Code::E0906, message).help(help))
        };
        let bytes = self.world.disk().read(&file, yaml::FILE_BYTES_MAX);
        let bytes = bytes.map_err(|error| unread(&chain(&error)))?;
        let bytes = bytes.ok_or_else(|| unread("there is no such file"))?;
        if is_json(&bytes) {
            return Side::read(&bytes).map_err(|error| unread(&error.to_string()));
        }
        let environment = Some(compiled.front.resolved.environment.clone());
        let request = Request { environment, ..request.clone() };
        let site = Site { file, ..self.clone() };
        self.other(&site, &request, compiled, terms)
    }

    /// Prices another blueprint as if it were applied next to this one's state.
    fn other(
        &self,
        site: &Site,
        request: &Request,
        compiled: &Compiled,
        terms: &Terms<'_>,
    ) -> Result<Side, Problem> {
        let source = site.source()?;
        let in_it = |findings| Problem::File { text: source.clone(), findings };
        let (front, findings) = super::front(&source, request, &self.registry);
        let front = front.ok_or_else(|| in_it(findings))?;
        let own = site.lock(&front.resolved.blueprint)?;
        let lock = match own.pins.is_empty() {
            true => self.lock(&compiled.front.resolved.blueprint)?,
            false => own,
        };
        let (base, findings) = back(front, &lock);
        let base = base.ok_or_else(|| in_it(findings))?;
        let state = self.load(&compiled.front)?.state;
        let (unread, options) = (Refreshed::unread(), Options::default());
        let planned = plan_for(&base, &state, &unread, None, &options, Default::default())?;
        let (resolved, provider) = (&base.front.resolved, &*base.front.provider);
        Ok(Side::of(&estimate(&planned.plan, resolved, provider, terms, Moment::After)))
    }
}

/// A blueprint is a mapping in block style, and no JSON in practice.
fn is_json(bytes: &[u8]) -> bool {
    bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{')
        && String::from_utf8_lossy(bytes).contains("\"dsenv-")
}
