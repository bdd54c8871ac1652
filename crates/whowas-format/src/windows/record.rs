//! An event of a Windows log, whatever it was written in: what all framings have in common.

/// The longest category of set-aside records, in bytes.
const CATEGORY_BYTES_MAX: usize = 100;

/// An event as Windows' `System` and `EventData` elements have it, in texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// `EventID`: its meaning depends on the provider.
    pub(super) event_id: u32,
    /// `Provider/@Name`; empty if it is not told.
    pub(super) provider: String,
    /// `Channel`: the log it is from; empty if it is not told.
    pub(super) channel: String,
    /// `Computer`: who wrote it.
    pub(super) computer: String,
    /// `EventRecordID`: unique in a log of a computer.
    pub(super) record_id: Option<u64>,
    /// `TimeCreated/@SystemTime`, as it is written.
    pub(super) time: String,
    /// Names and values of `EventData` or `UserData`, in their order.
    pub(super) data: Vec<(String, String)>,
}

impl Record {
    /// A value of the event's data that says something.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.data.iter().find(|(have, _)| have.eq_ignore_ascii_case(name));
        found.and_then(|(_, value)| said(value))
    }

    /// Of what kind the event is, for those that are set aside.
    pub(super) fn category(&self) -> String {
        let log = [&self.channel, &self.provider].into_iter().find(|log| !log.is_empty());
        let mut category = match log {
            Some(log) => format!("{log} {}", self.event_id),
            None => self.event_id.to_string(),
        };
        while category.len() > CATEGORY_BYTES_MAX {
            category.pop();
        }
        category
    }
}

/// A text that says something: Windows writes `-` for nothing.
pub(super) fn said(text: &str) -> Option<&str> {
    let text = text.trim();
    (!text.is_empty() && text != "-").then_some(text)
}

/// A number that is written in decimal or, behind `0x`, in hexadecimal digits. A negative one is a code of 32
/// bits whose highest bit was taken for a sign.
pub(super) fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None if text.starts_with('-') => text.parse().ok().map(|code: i32| u64::from(code.cast_unsigned())),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_nothing_is_absent() {
        let data = [("IpAddress", "-"), ("TargetUserName", " ada "), ("Empty", "")];
        let data = data.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let record = Record { event_id: 4688, data, channel: "é".repeat(80), ..Record::default() };
        assert_eq!((record.get("IpAddress"), record.get("Empty"), record.get("None")), (None, None, None));
        assert_eq!(record.get("targetUserName"), Some("ada"));
        assert_eq!(record.category(), "é".repeat(50));
        assert_eq!(Record::default().category(), "0");
        assert_eq!([number("0x3E7"), number(" 999 "), number("3 - Network")], [Some(999), Some(999), None]);
        assert_eq!(number("-1073741715"), Some(0xc000_006d));
    }
}
