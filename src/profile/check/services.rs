//! Services: names, endpoints, and what needs what.

use super::super::Service;
use super::super::draft::{Placed, ServiceDraft};
use super::super::endpoint;
use super::{NAME, follow, is_name, refuse_circles};
use crate::model::ServiceKind;
use crate::settings::fault::Report;
use crate::settings::names::quoted;
use std::collections::{BTreeMap, HashSet};

/// The numbers of services by name; of two with one name, the first.
pub(super) fn numbers(services: &[ServiceDraft]) -> BTreeMap<&str, usize> {
    let mut numbers = BTreeMap::new();
    for (number, service) in services.iter().enumerate() {
        numbers.entry(service.name.value.as_str()).or_insert(number);
    }
    numbers
}

/// Services that nothing uses, and that no used service needs.
pub(super) fn unused<'a>(services: &'a [ServiceDraft], used: &HashSet<&str>) -> Vec<&'a Placed<String>> {
    let numbers = numbers(services);
    let mut open: Vec<&str> = used.iter().copied().collect();
    let mut reached = HashSet::new();
    while let Some(name) = open.pop() {
        if let Some(number) = numbers.get(name)
            && reached.insert(*number)
        {
            open.extend(services[*number].needs.iter().map(|need| need.value.as_str()));
        }
    }
    let left = services.iter().enumerate().filter(|(number, _)| !reached.contains(number));
    left.map(|(_, service)| &service.name).collect()
}

/// Checks services. Those at fault are left out of what is returned.
pub(super) fn check(services: &[ServiceDraft], report: &mut Report<'_>) -> Vec<Service> {
    let known = numbers(services);
    let mut needs = Vec::new();
    let mut checked = Vec::new();
    for (number, service) in services.iter().enumerate() {
        let what = format!("service {}", quoted(&service.name.value));
        needs.push(follow(&service.needs, &known, "service", &format!("`needs` of {what}"), report));
        if !is_name(&service.name.value) {
            report.fault(&service.name.span, format!("{what}: expected a name of {NAME}"));
        }
        if known.get(service.name.value.as_str()) != Some(&number) {
            report.fault(&service.name.span, format!("{what} is there twice"));
        }
        checked.extend(one(service, &what, report));
    }
    refuse_circles(&needs, |number| services[number].name.value.clone(), "services", report);
    checked
}

fn one(service: &ServiceDraft, what: &str, report: &mut Report<'_>) -> Option<Service> {
    if let Some(variable) = &service.password_env
        && !is_variable(&variable.value)
    {
        let expected =
            "expected the name of an environment variable, such as DB_PASSWORD: letters, digits and `_`";
        report.fault(&variable.span, format!("`password_env` in {what}: {expected}"));
    }
    let kind = service.kind?;
    access(service, kind, what, report);
    let endpoint = match &service.endpoint {
        None => None,
        Some(written) => match endpoint::check(kind, &written.value) {
            Ok(endpoint) => Some(endpoint),
            Err(expected) => {
                report.fault(&written.span, format!("`endpoint` in {what} (kind {kind}): {expected}"));
                None
            }
        },
    };
    Some(Service {
        name: service.name.value.clone(),
        kind,
        endpoint,
        user: service.user.clone(),
        password_env: service.password_env.as_ref().map(|variable| variable.value.clone()),
        password_file: service.password_file.as_ref().map(|file| file.value.clone()),
        tls: service.tls.as_ref().map(|tls| tls.value.clone()),
        sasl: service.sasl.as_ref().map(|sasl| sasl.value),
        database: service.database.clone(),
        image: service.image.clone(),
        stands_for: service.stands_for.clone(),
        from: service.from.clone(),
        needs: service.needs.iter().map(|need| need.value.clone()).collect(),
        at: report.source.position(service.name.span.start),
    })
}

/// Whether what it says of password, TLS and SASL goes together.
fn access(service: &ServiceDraft, kind: ServiceKind, what: &str, report: &mut Report<'_>) {
    if let (Some(_), Some(file)) = (&service.password_env, &service.password_file) {
        let told = "a password comes either from a variable (`password_env`) or from a file (`password_file`), and there \
                    are both";
        report.fault(&file.span, format!("{what}: {told}"));
    }
    if let Some(sasl) = service.sasl.as_ref().filter(|_| kind != ServiceKind::Kafka) {
        let told = format!("`sasl` in {what} is for kind kafka; for {kind} `user` and a password are enough");
        report.fault(&sasl.span, told);
    }
    let Some(tls) = &service.tls else { return };
    let lacking = match (&tls.value.certificate, &tls.value.key) {
        (Some(_), None) => Some(("certificate", "key")),
        (None, Some(_)) => Some(("key", "certificate")),
        _ => None,
    };
    if let Some((there, lacking)) = lacking {
        let told = format!("`tls` in {what} has `{there}` and no `{lacking}`: expected both, or neither");
        report.fault(&tls.span, told);
    }
    if service.endpoint.as_ref().is_some_and(|endpoint| endpoint.value.starts_with("http://")) {
        let told =
            format!("{what} has `tls`: expected an `endpoint` with https://, and it is one with http://");
        report.fault(&tls.span, told);
    }
}

fn is_variable(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
