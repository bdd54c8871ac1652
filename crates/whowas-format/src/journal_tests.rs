//! Tests of journal entries. All people and machines are invented.

use super::*;
use crate::testing::{Reading, options, read, read_any, recognizes};

fn entry(seconds: u64, identifier: &str, message: &[u8]) -> Vec<u8> {
    let mut out = format!(
        "__CURSOR=s=1;i={seconds}\n__REALTIME_TIMESTAMP={}\n_HOSTNAME=erp\n_PID=77\nSYSLOG_IDENTIFIER={identifier}\n",
        seconds * 1_000_000 + 42
    )
    .into_bytes();
    out.extend_from_slice(b"_SELINUX_CONTEXT\n\x0b\0\0\0\0\0\0\0unconfined\n\n");
    if message.contains(&b'\n') {
        out.extend_from_slice(b"MESSAGE\n");
        out.extend_from_slice(&(message.len() as u64).to_le_bytes());
        out.extend_from_slice(message);
    } else {
        out.extend_from_slice(b"MESSAGE=");
        out.extend_from_slice(message);
    }
    out.extend_from_slice(b"\n\n");
    out
}

fn words(reading: &Reading) -> Vec<String> {
    let events = reading.events.iter().map(|event| {
        let text = |value: &Option<String>| value.clone().unwrap_or("-".to_owned());
        format!(
            "{} {} {} {} {} {}",
            event.raw_time.clone().unwrap_or(event.occurred_at.to_string()),
            event.activity.as_str(),
            event.status.as_str(),
            text(&event.user.name),
            text(&event.session_uid),
            event.native_id.as_str(),
        )
    });
    events.chain(reading.others.iter().cloned()).collect()
}

#[test]
fn exports_with_binary_fields() {
    let mut file = entry(1_795_500_000, "sshd", b"Accepted password for ada from 192.0.2.1 port 1 ssh2");
    file.extend(entry(1_795_500_001, "sshd", b"Invalid user eve\nfrom nowhere\xff"));
    file.extend(entry(1_795_500_002, "sshd", b"Invalid user eve from 192.0.2.66 port 2"));
    file.extend_from_slice(b"MESSAGE=x\n\n\n__CURSOR=s=1\n_SELINUX_CONTEXT\n\xff\xff\xff\xff\xff\0\0\0cut");
    let (format, reading) = read_any(&file, &options()).unwrap();
    assert_eq!(format, "journal");
    assert_eq!(
        words(&reading),
        [
            "2026-11-24T06:00:00.000042Z logon success ada erp sshd[77] s=1;i=1795500000",
            "2026-11-24T06:00:02.000042Z logon failure eve - s=1;i=1795500002",
            "set aside: sshd: connections and details",
            "record 4: the entry has no `__REALTIME_TIMESTAMP`",
            "record 5: the entry is longer than 1 MiB",
        ]
    );
    assert_eq!(reading.summary.read, 5);
}

#[test]
fn json_entries() {
    let file = r#"{"__CURSOR":"c1","__REALTIME_TIMESTAMP":"1795500000000000","_HOSTNAME":"erp","_PID":"77","SYSLOG_IDENTIFIER":"su","MESSAGE":"Successful su for root by ada"}
{"__CURSOR":"c2","__REALTIME_TIMESTAMP":"1795500001000000","_HOSTNAME":"erp","_PID":["77","78"],"_COMM":"sshd","MESSAGE":[73,110,118,97,108,105,100,32,117,115,101,114,32,101,118,101,32,102,114,111,109,32,255]}
{"__CURSOR":"c3","__REALTIME_TIMESTAMP":"soon","MESSAGE":null}
{"__CURSOR":"c4",
"#;
    let (format, reading) = read_any(file.as_bytes(), &options()).unwrap();
    assert_eq!(format, "journal");
    let words = words(&reading);
    assert_eq!(
        words[..3],
        [
            "2026-11-24T06:00:00.000Z account_switch success root erp su[77] c1",
            "2026-11-24T06:00:01.000Z logon failure eve - c2",
            "line 3, column 1: `__REALTIME_TIMESTAMP`: `soon` is no count of microseconds since 1970",
        ]
    );
    assert_eq!(words.len(), 4);
    assert!(!recognizes(&Journal, "{\"MESSAGE\":\"x\"}\n"));
    assert!(!recognizes(&Journal, "MESSAGE=x\n__REALTIME_TIMESTAMP=1\n"));
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        let mut file = b"__CURSOR=c\n".to_vec();
        file.extend_from_slice(&bytes);
        let _ = read(&Journal, &file);
    }
}
