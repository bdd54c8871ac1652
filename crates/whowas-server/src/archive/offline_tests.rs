//! Tests of offline storage in a folder; those with emulators are the binary's.

use super::*;

#[tokio::test]
async fn a_folder_gets_each_name_once() {
    let folder = tempfile::tempdir().unwrap();
    let offline = Offline::open(&folder.path().join("deep/er").display().to_string()).unwrap();
    offline.create("a/b.json", b"one".to_vec()).await.unwrap();
    offline.create("a/b.json", b"one".to_vec()).await.unwrap();
    for other in [b"two".to_vec(), b"one and more".to_vec(), Vec::new()] {
        let taken = offline.create("a/b.json", other).await;
        assert!(matches!(taken, Err(OfflineError::Taken(_))), "{taken:?}");
    }
    assert_eq!(offline.read("a/b.json", 3).await.unwrap(), b"one");
    assert!(matches!(offline.read("a/b.json", 2).await, Err(OfflineError::TooLong(..))));
    assert!(matches!(offline.read("a/c.json", 2).await, Err(OfflineError::Missing(_))));
    assert_eq!(offline.folders("").await.unwrap(), ["a"]);
    assert!(offline.has("a/b.json").await.unwrap() && !offline.has("a/c").await.unwrap());
}

#[tokio::test]
async fn large_files_are_whole_and_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let offline = Offline::open(&format!("file://{}", folder.path().display())).unwrap();
    let mut file = tempfile::tempfile().unwrap();
    let bytes = vec![7_u8; usize::try_from(SINGLE_BYTES_MAX).unwrap() + 1];
    file.write_all(&bytes).unwrap();
    offline.create_from("x/large-1", &mut file).await.unwrap();
    offline.create_from("x/large-1", &mut file).await.unwrap();
    file.write_all(b"more").unwrap();
    let taken = offline.create_from("x/large-1", &mut file).await;
    assert!(matches!(taken, Err(OfflineError::Taken(_))), "{taken:?}");
    let (length, sha256) = offline.fetch("x/large-1", u64::MAX, &mut io::sink()).await.unwrap();
    assert_eq!((length, sha256), (bytes.len() as u64, hex::encode(Sha256::digest(&bytes))));
}

#[test]
fn addresses_are_understood_or_refused() {
    for wrong in ["ftp://x/y", "gs://x", "http://127.0.0.1/x"] {
        assert!(matches!(Offline::open(wrong), Err(OfflineError::Address(_))), "{wrong}");
    }
    assert_eq!(Offline::open("/tmp/x/").unwrap().shown(), "/tmp/x");
}
