//! The providers that are built into this binary: the one place that knows their names.

use dsenv_sdk::Provider;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Providers by name.
#[derive(Clone, Default)]
pub struct Registry(BTreeMap<&'static str, Arc<dyn Provider>>);

impl Registry {
    /// The providers of this build.
    pub fn built_in() -> Registry {
        Registry::of([dsenv_local::provider()])
    }

    /// Makes a registry of these providers; tests bring their own.
    pub fn of(providers: impl IntoIterator<Item = Arc<dyn Provider>>) -> Registry {
        Registry(providers.into_iter().map(|provider| (provider.name(), provider)).collect())
    }

    /// Finds a provider.
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Provider>> {
        self.0.get(name)
    }

    /// Lists the names, sorted.
    pub fn names(&self) -> Vec<&'static str> {
        self.0.keys().copied().collect()
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
