//! How the services stand: `dsenv status`.

use super::style::Ink;
use super::{Style, table};
use dsenv_sdk::provider::ServiceStatus;
use serde_json::{Value as Json, json};

/// Renders the services as a table, then why each one that is not well is not.
pub fn text(services: &[ServiceStatus], style: &Style) -> String {
    if services.is_empty() {
        return "There are no services.\n".to_owned();
    }
    let row = |service: &ServiceStatus| {
        vec![
            service.addr.to_string(),
            service.service.clone(),
            service.state.clone(),
            service.pid.map(|pid| pid.to_string()).unwrap_or_default(),
            service.restarts.to_string(),
            service.url.clone().unwrap_or_default(),
        ]
    };
    let headings = ["ADDRESS", "SERVICE", "STATE", "PID", "RESTARTS", "URL"];
    let mut text = table::table(&headings, services.iter().map(row).collect());
    for service in services.iter().filter(|service| !service.well) {
        let title = format!("{} {} is {}", service.addr, service.service, service.state);
        text.push_str(&format!("\n{}\n", style.paint(Ink::Danger, &title)));
        for line in service.detail.iter().flat_map(|detail| detail.lines()) {
            text.push_str(&format!("  {line}\n"));
        }
    }
    text
}

/// Makes the document of `status --json`: a list in the order given.
pub fn json(services: &[ServiceStatus]) -> Json {
    let entry = |service: &ServiceStatus| {
        json!({"address": service.addr.to_string(), "service": service.service,
            "state": service.state, "well": service.well, "pid": service.pid,
            "restarts": service.restarts, "url": service.url, "detail": service.detail})
    };
    services.iter().map(entry).collect()
}
