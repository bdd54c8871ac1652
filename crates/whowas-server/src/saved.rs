//! Queries under a name: what may be saved, who sees it and who may change it.
//!
//! A saved query is a state of the raw logs page, as its address says it. Nobody who may not read the
//! environment sees any; those that are not shared are their owner's.

use whowas_store::control::SavedQuery;

use crate::{access::Access, app::App, auth::Permit, problem::Problem};

/// Saved queries of one environment.
pub(crate) const SAVED_MAX: usize = 500;
/// Characters of a name.
const TITLE_CHARACTERS_MAX: usize = 80;
/// Bytes of the parameters: an address that browsers take.
const PARAMS_BYTES_MAX: usize = 4096;

/// What a name may be: some characters on one line.
fn checked_title(text: &str) -> Result<String, Problem> {
    let title = text.trim();
    let is_fine = !title.is_empty()
        && title.chars().count() <= TITLE_CHARACTERS_MAX
        && !title.chars().any(char::is_control);
    if is_fine {
        Ok(title.to_owned())
    } else {
        Err(Problem::invalid(format!("name: write 1 to {TITLE_CHARACTERS_MAX} characters on one line")))
    }
}

/// Saves the state that these parameters say, and gives its number. A name is in force once for each owner.
pub(crate) async fn save(
    app: &App,
    permit: &Permit,
    (title, is_shared): (&str, bool),
    params: String,
) -> Result<SavedQuery, Problem> {
    let title = checked_title(title)?;
    if params.len() > PARAMS_BYTES_MAX {
        return Err(Problem::invalid(format!("the query has more than {PARAMS_BYTES_MAX} bytes")));
    }
    if app.control().saved_queries(&permit.name).await?.len() >= SAVED_MAX {
        return Err(Problem::invalid(format!("there are {SAVED_MAX} saved queries already: delete some")));
    }
    let owner = permit.caller.name();
    let mut query = SavedQuery { id: 0, title, owner, is_shared, params, saved_at: app.now() };
    query.id = app.control().save_query(&permit.name, &query).await?;
    note(app, permit, "save_query", &query).await?;
    Ok(query)
}

/// Those that the caller sees: theirs, and the shared ones, by name.
pub(crate) async fn list(app: &App, permit: &Permit) -> Result<Vec<SavedQuery>, Problem> {
    let mut queries = app.control().saved_queries(&permit.name).await?;
    queries.retain(|query| query.is_shared || query.owner == permit.caller.name());
    Ok(queries)
}

/// One that the caller sees.
pub(crate) async fn find(app: &App, permit: &Permit, id: i64) -> Result<SavedQuery, Problem> {
    let found = list(app, permit).await?.into_iter().find(|query| query.id == id);
    found.ok_or_else(|| Problem::not_found("there is no saved query of this number"))
}

/// Whether the caller may rename, share and delete it.
pub(crate) fn may_change(permit: &Permit, query: &SavedQuery) -> bool {
    query.owner == permit.caller.name() || permit.caller.is_admin()
}

async fn find_own(app: &App, permit: &Permit, id: i64) -> Result<SavedQuery, Problem> {
    let query = find(app, permit, id).await?;
    if may_change(permit, &query) {
        Ok(query)
    } else {
        Err(Problem::denied("this saved query is somebody else's"))
    }
}

/// Gives it another name and other readers.
pub(crate) async fn change(
    app: &App,
    permit: &Permit,
    id: i64,
    (title, is_shared): (&str, bool),
) -> Result<SavedQuery, Problem> {
    let mut query = find_own(app, permit, id).await?;
    (query.title, query.is_shared) = (checked_title(title)?, is_shared);
    app.control().change_query(&permit.name, id, &query.title, is_shared).await?;
    note(app, permit, "change_query", &query).await?;
    Ok(query)
}

/// Forgets it.
pub(crate) async fn remove(app: &App, permit: &Permit, id: i64) -> Result<(), Problem> {
    let query = find_own(app, permit, id).await?;
    app.control().forget_query(&permit.name, id).await?;
    note(app, permit, "delete_query", &query).await
}

/// Its name may name people, and so may what it asks for.
async fn note(app: &App, permit: &Permit, action: &str, query: &SavedQuery) -> Result<(), Problem> {
    let access = Access::new(action).with("saved_query", query.id).with("is_shared", query.is_shared);
    let access = access.with_personal("name", &query.title).with_personal("params", &query.params);
    access.done(app, &permit.trail, &permit.caller).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_short_line() {
        assert_eq!(checked_title("  Leavers, \u{e9}t\u{e9} ").unwrap(), "Leavers, \u{e9}t\u{e9}");
        for wrong in ["", "  ", "a\nb", "\u{1b}[31m", &"x".repeat(81)] {
            assert!(checked_title(wrong).is_err(), "{wrong:?}");
        }
        assert!(checked_title(&"\u{e9}".repeat(80)).is_ok());
    }
}
