//! What the formats of Dynamics have in common.

/// Accounts of the system itself that appear among the users of Finance and Operations. They are recorded
/// like everyone's, and marked.
const SYSTEM_ACCOUNTS: [&str; 5] =
    ["Axrunner", "FRServiceUser", "RetailServiceAccount", "SysHealthServiceUser", "Axping"];

/// `system` for an account of the system itself.
pub(crate) fn account_class(user_id: &str) -> Option<&'static str> {
    SYSTEM_ACCOUNTS.iter().any(|account| account.eq_ignore_ascii_case(user_id.trim())).then_some("system")
}

/// A GUID in lower case without braces; `None` if the text is none or has only zeros, which stand for none.
pub(crate) fn guid(text: &str) -> Option<String> {
    let bare = text.trim().trim_start_matches('{').trim_end_matches('}');
    let is_shaped = bare.len() == 36
        && bare.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    (is_shaped && bare.bytes().any(|byte| !matches!(byte, b'0' | b'-'))).then(|| bare.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guids_are_told_from_texts() {
        let guid_text = "{0F8FAD5B-D9CB-469F-A165-70867728950E}";
        assert_eq!(guid(guid_text).as_deref(), Some("0f8fad5b-d9cb-469f-a165-70867728950e"));
        for text in ["00000000-0000-0000-0000-000000000000", "", "ada", "0f8fad5b-d9cb-469f-a165-7086772895é"]
        {
            assert_eq!(guid(text), None, "{text}");
        }
        assert_eq!((account_class("AXRUNNER"), account_class("ada")), (Some("system"), None));
    }
}
