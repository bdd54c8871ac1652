//! Object storage by its address: S3 buckets and Azure containers, with the credentials that their own tools use.
//!
//! Which store a trail lies in is decided in `store.rs`; this is for what is read and written beside it.

use std::sync::Arc;

use object_store::{
    ClientOptions, ObjectStore,
    aws::{AmazonS3Builder, Checksum},
    azure::MicrosoftAzureBuilder,
    path::Path,
};

/// Opens `s3://BUCKET/PREFIX` or `az://CONTAINER/PREFIX`. Credentials and endpoints come from the variables `AWS_…` and
/// `AZURE_STORAGE_…` of the environment.
///
/// # Errors
/// The address is none, or credentials are incomplete, in words.
pub fn remote(address: &str) -> Result<(Arc<dyn ObjectStore>, Path), String> {
    let wrong = |reason: String| format!("{address}: {reason}");
    let (scheme, rest) = address.trim_end_matches('/').split_once("://").unwrap_or(("", address));
    let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let store = match scheme {
        "s3" => s3(name),
        "az" | "azure" => azure(name),
        _ => return Err(wrong("write a folder, s3://BUCKET/PREFIX or az://CONTAINER/PREFIX".to_owned())),
    };
    let prefix = Path::parse(prefix).map_err(|e| wrong(e.to_string()))?;
    Ok((store.map_err(|e| wrong(e.to_string()))?, prefix))
}

/// Plain HTTP only to this machine: credentials go along.
fn client(endpoint: Option<&str>) -> ClientOptions {
    let is_here = endpoint.is_some_and(|url| {
        ["http://127.0.0.1:", "http://localhost:", "http://[::1]:"].iter().any(|here| url.starts_with(here))
    });
    ClientOptions::new().with_allow_http(is_here)
}

/// A bucket. With object lock it must have a default retention: then every object is locked from its first moment.
/// S3 refuses objects without a checksum there, so each has one.
fn s3(bucket: &str) -> Result<Arc<dyn ObjectStore>, object_store::Error> {
    let endpoint = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"];
    let endpoint = endpoint.into_iter().find_map(|name| std::env::var(name).ok());
    let store = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .with_checksum_algorithm(Checksum::SHA256)
        .with_client_options(client(endpoint.as_deref()));
    Ok(Arc::new(store.build()?))
}

fn azure(container: &str) -> Result<Arc<dyn ObjectStore>, object_store::Error> {
    let is_emulator = std::env::var("AZURE_STORAGE_USE_EMULATOR").is_ok_and(|word| word == "true");
    let emulator = is_emulator.then_some("AZURITE_BLOB_STORAGE_URL");
    let endpoint = emulator.into_iter().chain(["AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"]);
    let endpoint = endpoint.into_iter().find_map(|name| std::env::var(name).ok());
    let store = MicrosoftAzureBuilder::from_env()
        .with_container_name(container)
        .with_client_options(client(endpoint.as_deref()));
    Ok(Arc::new(store.build()?))
}
