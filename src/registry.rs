//! The providers that are built into this binary: the one place that knows their names.

use dsenv_sdk::Provider;
use dsenv_sdk::software::Resolver;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Returns what pins software, for the machines of every provider: this machine does.
pub fn resolver(variables: &BTreeMap<String, String>, cache: &Path) -> Arc<dyn Resolver> {
    dsenv_local::resolver(variables, cache)
}

/// Providers by name.
#[derive(Clone, Default)]
pub struct Registry(BTreeMap<&'static str, Arc<dyn Provider>>);

impl Registry {
    /// The providers of this build.
    pub fn built_in() -> Registry {
        Registry::of([
            dsenv_aws::provider(),
            dsenv_azure::provider(),
            dsenv_gcp::provider(),
            dsenv_local::provider(),
        ])
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
