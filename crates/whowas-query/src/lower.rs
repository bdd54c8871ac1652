//! Filters and named queries as expressions of the engine.
//!
//! [`crate::filter::Filter::matches`] says what a filter means; what is made here must agree with it.

use std::{collections::BTreeSet, sync::Arc};

use arrow::{
    array::{ArrayRef, BooleanArray},
    datatypes::DataType,
};
use datafusion::{
    common::{Result, ScalarValue, cast::as_string_array},
    functions::expr_fn::lower,
    logical_expr::{ColumnarValue, Expr, Operator, Volatility, binary_expr, col, create_udf, lit},
};
use whowas_event::{Time, admit::parse_ip};
use whowas_store::Directory;

use crate::{
    Filter, NamedQuery,
    filter::{Network, Pattern, Term, Test, TextField, fits_user},
};

/// A time as the archive's column has it.
pub(crate) fn instant(time: Time) -> Expr {
    lit(ScalarValue::TimestampMicrosecond(Some(time.as_ms().saturating_mul(1000)), Some("UTC".into())))
}

/// What a named query asks for.
pub(crate) fn named(query: NamedQuery) -> Expr {
    let is_login = col("kind").eq(lit("login"));
    match query {
        NamedQuery::UserLoginEvents => is_login.and(col("activity").not_eq(lit("logoff"))),
        NamedQuery::SignInFailures => is_login.and(col("status").eq(lit("failure"))),
        NamedQuery::SignOuts => is_login.and(col("activity").eq(lit("logoff"))),
        NamedQuery::AllEvents | NamedQuery::EventsForUser | NamedQuery::EventsForBrowserSession => is_login,
    }
}

/// The conjunction of a filter's terms.
pub(crate) fn filter(filter: &Filter, directory: &Directory) -> Vec<Expr> {
    filter.terms.iter().map(|term| lower_term(term, directory)).collect()
}

fn lower_term(term: &Term, directory: &Directory) -> Expr {
    let test = lower_test(&term.test, directory);
    // A comparison with an absent value is unknown; a filter knows only yes and no.
    if term.is_excluded { test.is_not_true() } else { test }
}

fn lower_test(test: &Test, directory: &Directory) -> Expr {
    match test {
        Test::User(pattern) => user(pattern, directory),
        Test::Text(field, pattern) => text(*field, pattern),
        Test::Ip(network) if network.is_single() => col("src_ip").eq(lit(network.address.to_string())),
        Test::Ip(network) => in_network(*network),
        Test::After(time) => col("occurred_at").gt_eq(instant(*time)),
        Test::Before(time) => col("occurred_at").lt(instant(*time)),
        Test::Mfa(wanted) => col("is_mfa").eq(lit(*wanted)),
        Test::Anywhere(pattern) => anywhere(pattern, directory),
    }
}

/// Fields whose stored text is always lower case.
const fn is_lower_case(field: TextField) -> bool {
    matches!(field, TextField::Status | TextField::Activity | TextField::Format)
}

fn text(field: TextField, pattern: &Pattern) -> Expr {
    let column = if is_lower_case(field) { col(field.column()) } else { lower(col(field.column())) };
    if field.is_searched_within() {
        return column.like(lit(pattern.within().to_like()));
    }
    match pattern.exact() {
        Some(exact) => column.eq(lit(exact)),
        None => column.like(lit(pattern.to_like())),
    }
}

/// People are found by the archive's sort key: whoever the directory knows by that name, and whoever's key
/// is that name itself. The pages of the archive that have none of these keys are not read.
fn user(pattern: &Pattern, directory: &Directory) -> Expr {
    let mut keys = match pattern.exact() {
        Some(exact) => directory.keys_of(exact, pattern.local_part().is_some()),
        None => directory.keys_matching(|name| fits_user(pattern, name)),
    };
    let others = match pattern.exact() {
        Some(exact) => {
            keys.insert(exact.to_owned());
            // `alice@` … `alice@\u{10ffff}`: every address of that local part.
            let key = || col("user_key");
            pattern.local_part().map(|local| {
                key().gt_eq(lit(format!("{local}@"))).and(key().lt(lit(format!("{local}@\u{10ffff}"))))
            })
        }
        None => Some(user_columns(pattern)),
    };
    is_one_of(keys).into_iter().chain(others).reduce(Expr::or).unwrap_or_else(|| lit(false))
}

/// Whether the record lies under one of these keys; `None` without any.
fn is_one_of(keys: BTreeSet<String>) -> Option<Expr> {
    (!keys.is_empty()).then(|| col("user_key").in_list(keys.into_iter().map(lit).collect(), false))
}

/// The same question asked of every record's own names.
fn user_columns(pattern: &Pattern) -> Expr {
    let whole = pattern.to_like();
    let address = format!("{whole}@%");
    ["user_uid", "user_name", "user_email_addr", "user_full_name"]
        .into_iter()
        .map(|name| {
            let column = lower(col(name));
            column.clone().like(lit(whole.clone())).or(column.like(lit(address.clone())))
        })
        .reduce(Expr::or)
        .unwrap_or_else(|| lit(false))
}

/// The texts of the grid, in the order in which they are likely to hold a word.
const GRID_TEXTS: [&str; 20] = [
    "user_name",
    "user_full_name",
    "user_email_addr",
    "user_uid",
    "src_ip",
    "service_name",
    "user_agent",
    "device_name",
    "src_city",
    "src_country",
    "status_detail",
    "status_code",
    "session_uid",
    "native_id",
    "auth_protocol",
    "logon_type",
    "status",
    "activity",
    "source",
    "format",
];

fn anywhere(pattern: &Pattern, directory: &Directory) -> Expr {
    let like = pattern.within().to_like();
    let texts = GRID_TEXTS.into_iter().map(|name| lower(col(name)).like(lit(like.clone())));
    let any = texts.reduce(Expr::or).unwrap_or_else(|| lit(false));
    // Records that have only an id show the directory's name, so they are found by it.
    is_one_of(directory.keys_matching(|name| pattern.fits_within(name))).into_iter().fold(any, Expr::or)
}

/// Whether `src_ip` lies in a network: addresses are text, so the comparison is a function of its own.
fn in_network(network: Network) -> Expr {
    let contains = move |arguments: &[ColumnarValue]| -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(arguments)?;
        let Some(addresses) = arrays.first() else { return datafusion::common::internal_err!("no argument") };
        let is_inside =
            |text: Option<&str>| text.map(|text| parse_ip(text).is_some_and(|ip| network.contains(ip)));
        let inside: BooleanArray = as_string_array(addresses)?.iter().map(is_inside).collect();
        Ok(ColumnarValue::Array(Arc::new(inside) as ArrayRef))
    };
    let name = format!("in_network_{}_{}", network.address, network.prefix_bits);
    let function =
        create_udf(&name, vec![DataType::Utf8], DataType::Boolean, Volatility::Immutable, Arc::new(contains));
    let inside = function.call(vec![col("src_ip")]);
    match network_prefix(network) {
        // Whole bytes of an IPv4 network are a prefix of its text, which statistics can rule out.
        Some(prefix) => binary_expr(col("src_ip").like(lit(format!("{prefix}%"))), Operator::And, inside),
        None => inside,
    }
}

fn network_prefix(network: Network) -> Option<String> {
    let std::net::IpAddr::V4(address) = network.address else { return None };
    let bytes = usize::from(network.prefix_bits / 8);
    let whole = address.octets().into_iter().take(bytes).map(|byte| format!("{byte}."));
    (bytes > 0 && bytes < 4).then(|| whole.collect())
}
