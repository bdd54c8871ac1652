//! Events for tests: as XML, and as an EVTX file made from the description of the format.

use flate2::Crc;

/// Names and values of an event's data.
pub(super) type Data<'a> = &'a [(&'a str, &'a str)];

pub(super) const LOGON: Data<'_> = &[
    ("SubjectUserSid", "S-1-5-18"),
    ("SubjectUserName", "DC-1$"),
    ("SubjectDomainName", "CONTOSO"),
    ("SubjectLogonId", "0x3e7"),
    ("TargetUserSid", "S-1-5-21-1-2-3-1104"),
    ("TargetUserName", "ada"),
    ("TargetDomainName", "CONTOSO"),
    ("TargetLogonId", "0x1493896"),
    ("LogonType", "10"),
    ("LogonProcessName", "User32 "),
    ("AuthenticationPackageName", "Negotiate"),
    ("WorkstationName", "DC-1"),
    ("LogonGuid", "{6528F8AD-2C11-4BDD-D0CC-30CA3FF0F235}"),
    ("TransmittedServices", "-"),
    ("LmPackageName", "-"),
    ("KeyLength", "0"),
    ("ProcessId", "0x2c0"),
    ("ProcessName", "C:\\Windows\\System32\\svchost.exe"),
    ("IpAddress", "::ffff:192.0.2.7"),
    ("IpPort", "50123"),
    ("ElevatedToken", "%%1842"),
];
pub(super) const LOGOFF: Data<'_> = &[
    ("TargetUserSid", "S-1-5-21-1-2-3-1104"),
    ("TargetUserName", "ada"),
    ("TargetDomainName", "CONTOSO"),
    ("TargetLogonId", "0x0000000001493896"),
    ("LogonType", "10"),
];
pub(super) const COMPUTER: &str = "DC-1.contoso.example";
pub(super) const TIME: &str = "2026-11-20T08:15:30.1234567Z";
/// The same in units of 100 ns since 1601.
const FILETIME: u64 = 134_396_361_301_234_567;

/// An event of the Security log.
pub(super) fn xml(event_id: u32, record_id: u64, data: Data<'_>) -> String {
    xml_of("Microsoft-Windows-Security-Auditing", "Security", event_id, record_id, data)
}

/// An event as `wevtutil` prints it.
pub(super) fn xml_of(provider: &str, channel: &str, event_id: u32, record_id: u64, data: Data<'_>) -> String {
    let data: String =
        data.iter().map(|(name, value)| format!("<Data Name='{name}'>{value}</Data>")).collect();
    format!(
        "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='{provider}'/>\
         <EventID>{event_id}</EventID><TimeCreated SystemTime='{TIME}'/><EventRecordID>{record_id}</EventRecordID>\
         <Channel>{channel}</Channel><Computer>{COMPUTER}</Computer></System><EventData>{data}</EventData></Event>"
    )
}

/// A chunk of an EVTX file under construction. Offsets count from its beginning.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) bytes: Vec<u8>,
    /// Where the definition of the template of events stands, once there is one.
    template: Option<usize>,
}

impl Chunk {
    pub(super) fn new() -> Self {
        Self { bytes: vec![0; 512], template: None }
    }

    pub(super) fn put(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    fn u32(&mut self, number: usize) -> &mut Self {
        self.put(&u32::try_from(number).unwrap().to_le_bytes())
    }

    fn u16(&mut self, number: usize) -> &mut Self {
        self.put(&u16::try_from(number).unwrap().to_le_bytes())
    }

    fn utf16(&mut self, text: &str) -> &mut Self {
        let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        self.put(&units)
    }

    /// A name where it is used: its offset, the next one of its hash, the hash, its length, and a NUL.
    fn name(&mut self, name: &str) -> &mut Self {
        let here = self.bytes.len() + 4;
        self.u32(here).put(&[0; 6]).u16(name.encode_utf16().count()).utf16(name).put(&[0; 2])
    }

    fn open(&mut self, name: &str, has_attributes: bool) -> &mut Self {
        let token = if has_attributes { 0x41 } else { 0x01 };
        self.put(&[token, 0xff, 0xff]).u32(0).name(name);
        if has_attributes { self.u32(0) } else { self }
    }

    fn attribute(&mut self, name: &str) -> &mut Self {
        self.put(&[0x06]).name(name)
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.put(&[0x05, 0x01]).u16(text.encode_utf16().count()).utf16(text)
    }

    fn substitution(&mut self, id: usize, kind: u8) -> &mut Self {
        self.put(&[0x0e]).u16(id).put(&[kind])
    }

    /// `<name>value</name>`
    fn value_element(&mut self, name: &str, id: usize, kind: u8) -> &mut Self {
        self.open(name, false).put(&[0x02]).substitution(id, kind).put(&[0x04])
    }

    /// The head of a template's instance, and of its definition, which `body` writes.
    pub(super) fn inline_template(&mut self, body: impl FnOnce(&mut Self)) -> usize {
        self.put(&[0x0c, 0x01]).u32(7);
        let definition = self.bytes.len() + 4;
        self.u32(definition).u32(0).put(&[7; 16]).u32(0);
        let start = self.bytes.len();
        body(self);
        let size = u32::try_from(self.bytes.len() - start).unwrap();
        self.bytes[start - 4..start].copy_from_slice(&size.to_le_bytes());
        definition
    }

    /// A record around what `body` writes.
    pub(super) fn record(&mut self, id: u64, body: impl FnOnce(&mut Self)) -> &mut Self {
        let start = self.bytes.len();
        self.put(b"**\0\0").u32(0).put(&id.to_le_bytes()).put(&[0; 8]).put(&[0x0f, 1, 1, 0]);
        body(self);
        self.put(&[0]);
        let size = self.bytes.len() + 4 - start;
        self.u32(size);
        self.bytes[start + 4..start + 8].copy_from_slice(&u32::try_from(size).unwrap().to_le_bytes());
        self
    }

    /// An event of the Security log, by a template that the first one defines.
    pub(super) fn event(&mut self, event_id: u16, record_id: u64, data: Data<'_>) -> &mut Self {
        self.record(record_id, |chunk| {
            match chunk.template {
                Some(definition) => _ = chunk.put(&[0x0c, 0x01]).u32(7).u32(definition),
                None => chunk.template = Some(chunk.inline_template(event_template)),
            }
            // `EventData` is a fragment, whose size is known once it is written.
            chunk.u32(4).put(&[2, 0, 0x06, 0, 8, 0, 0x11, 0, 8, 0, 0x0a, 0, 0, 0, 0x21, 0]);
            let size_at = chunk.bytes.len() - 4;
            chunk.put(&event_id.to_le_bytes()).put(&FILETIME.to_le_bytes()).put(&record_id.to_le_bytes());
            let start = chunk.bytes.len();
            chunk.event_data(data);
            let size = u16::try_from(chunk.bytes.len() - start).unwrap();
            chunk.bytes[size_at..size_at + 2].copy_from_slice(&size.to_le_bytes());
        })
    }

    fn event_data(&mut self, data: Data<'_>) {
        self.put(&[0x0f, 1, 1, 0]);
        self.inline_template(|chunk| {
            chunk.open("EventData", false).put(&[0x02]);
            for (id, (name, _)) in data.iter().enumerate() {
                chunk.open("Data", true).attribute("Name").text(name).put(&[0x02]);
                chunk.substitution(id, 0x01).put(&[0x04]);
            }
            chunk.put(&[0x04, 0x00]);
        });
        self.u32(data.len());
        for (_, value) in data {
            self.u16(value.encode_utf16().count() * 2).put(&[0x01, 0]);
        }
        for (_, value) in data {
            self.utf16(value);
        }
        self.put(&[0]);
    }

    /// `<a b='…'>`, and in it a list.
    pub(super) fn list_element(&mut self, attribute: &str) {
        self.open("a", true).attribute("b").text(attribute).put(&[0x02]);
        self.substitution(0, 0x84).put(&[0x04, 0x00]);
    }

    /// The chunk with its header, 64 KiB long.
    pub(super) fn finish(&self) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        let end = bytes.len();
        bytes.resize(64 * 1024, 0);
        bytes[..8].copy_from_slice(b"ElfChnk\0");
        bytes[40..44].copy_from_slice(&128_u32.to_le_bytes());
        bytes[48..52].copy_from_slice(&u32::try_from(end).unwrap().to_le_bytes());
        let sum = |parts: &[&[u8]]| {
            let mut crc = Crc::new();
            parts.iter().for_each(|part| crc.update(part));
            crc.sum().to_le_bytes()
        };
        let records = sum(&[&bytes[512..end]]);
        bytes[52..56].copy_from_slice(&records);
        let header = sum(&[&bytes[..120], &bytes[128..512]]);
        bytes[124..128].copy_from_slice(&header);
        bytes
    }
}

fn event_template(chunk: &mut Chunk) {
    chunk.put(&[0x0f, 1, 1, 0]);
    chunk.open("Event", true).attribute("xmlns");
    chunk.text("http://schemas.microsoft.com/win/2004/08/events/event").put(&[0x02]);
    chunk.open("System", false).put(&[0x02]);
    chunk.open("Provider", true).attribute("Name").text("Microsoft-Windows-Security-Auditing");
    // Values that are left out: of an attribute, and of an element.
    chunk.attribute("Guid").substitution(9, 0x0f).put(&[0x03]);
    chunk.value_element("EventID", 0, 0x06);
    chunk.open("TimeCreated", true).attribute("SystemTime").substitution(1, 0x11).put(&[0x03]);
    chunk.value_element("EventRecordID", 2, 0x0a);
    chunk.open("Channel", false).put(&[0x02]).text("Security").put(&[0x04]);
    chunk.open("Computer", false).put(&[0x02]).text(COMPUTER).put(&[0x04]);
    chunk.put(&[0x04]).substitution(3, 0x21).put(&[0x04, 0x00]);
}

/// A file of these chunks.
pub(super) fn evtx(chunks: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = vec![0; 4096];
    bytes[..8].copy_from_slice(b"ElfFile\0");
    bytes.extend(chunks.iter().flatten());
    bytes
}
