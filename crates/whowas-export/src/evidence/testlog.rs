//! A small log in memory, for tests of evidence.

use std::{collections::BTreeMap, fs, path::Path};

use whowas_event::{Event, LeafWriter, NativeId, Record, Status, Time};
use whowas_tlog::{
    checkpoint::Checkpoint,
    hash::{Hash, leaf_hash},
    note::{Note, SigningKey},
    policy::Policy,
    proof::prove_inclusion,
    tile::{TileBuilder, TileId, TileSource, encode_entries},
    tlog_proof::TlogProof,
    tree::root_of,
};

/// The log's name.
pub(crate) const ORIGIN: &str = "log.contoso.example/contoso/production";

/// A log of some records.
pub(crate) struct TestLog {
    pub(crate) records: Vec<Record>,
    pub(crate) leaves: Vec<Vec<u8>>,
    tiles: Tiles,
    pub(crate) note: String,
}

pub(crate) fn key() -> SigningKey {
    SigningKey::from_seed(ORIGIN, [5; 32]).unwrap()
}

pub(crate) fn policy() -> Policy {
    Policy::of_log(key().verifying_key().clone())
}

/// The `n`-th record: everybody has a name, an address and an id, and every fifth sign-in fails.
pub(crate) fn record(n: u16) -> Record {
    let mut event = Event {
        occurred_at: Time::from_ms(1_790_000_000_000 + i64::from(n) * 60_000).unwrap(),
        native_id: NativeId::Given(format!("e{n}")),
        status: if n.is_multiple_of(5) { Status::Failure } else { Status::Success },
        ..Event::default()
    };
    event.user.name = Some(format!("user{}@contoso.example", n % 7));
    event.src_endpoint.ip = Some(format!("192.0.{}.{}", 2 + n / 256, n % 256));
    event.session_uid = Some(format!("session-{n}"));
    Record {
        event,
        source: "erp".into(),
        format: "whowas-event".into(),
        revision: 0,
        received_at: Time::from_ms(1_790_000_100_000).unwrap(),
        recorded_at: Time::from_ms(1_790_000_200_000).unwrap(),
        salt: u128::from(n).to_be_bytes(),
        raw_data_hash: None,
        erased: None,
    }
}

impl TestLog {
    pub(crate) fn of(records: Vec<Record>) -> Self {
        let mut writer = LeafWriter::new();
        let leaves = records.iter().map(|record| writer.leaf(record).to_vec()).collect();
        Self { records, ..Self::of_leaves(leaves, &key()) }
    }

    /// A log of any entries, signed by any key.
    pub(crate) fn of_leaves(leaves: Vec<Vec<u8>>, key: &SigningKey) -> Self {
        let hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
        let mut builder = TileBuilder::new();
        builder.append(&hashes);
        let checkpoint = Checkpoint {
            origin: key.verifying_key().name().to_owned(),
            size: builder.size(),
            root: root_of(&hashes),
            extensions: Vec::new(),
        };
        let tiles = Tiles(builder.take_changed().into_iter().collect());
        Self { records: Vec::new(), leaves, tiles, note: checkpoint.sign(key) }
    }

    /// Writes the log as C2SP files; what lies there already stays.
    pub(crate) fn write(&self, folder: &Path) {
        let put = |path: &str, bytes: &[u8]| {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        put("checkpoint", self.note.as_bytes());
        for (id, bytes) in &self.tiles.0 {
            put(&id.path(), bytes);
            if id.level == 0 {
                let start = usize::try_from(id.index).unwrap() * 256;
                let entries = &self.leaves[start..start + usize::from(id.width)];
                put(&id.entries_path(), &encode_entries(entries).unwrap());
            }
        }
    }

    pub(crate) fn prove(&mut self, position: usize) -> TlogProof {
        let note = Note::parse(&self.note).unwrap();
        let checkpoint = Checkpoint::parse_text(note.text()).unwrap();
        let leaf = leaf_hash(&self.leaves[position]);
        let index = position as u64;
        let hashes =
            prove_inclusion(index, &leaf, checkpoint.size, &checkpoint.root, &mut self.tiles).unwrap();
        TlogProof { extra: None, index, hashes, note }
    }
}

struct Tiles(BTreeMap<TileId, Vec<u8>>);

impl TileSource for Tiles {
    type Error = String;

    fn read(&mut self, id: TileId) -> Result<Vec<u8>, String> {
        self.0.get(&id).cloned().ok_or_else(|| format!("no {id}"))
    }
}
