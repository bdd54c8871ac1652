//! With TLS: stricter cookies, HSTS, and a handshake that must not take for ever.
//!
//! `tls/` holds a self-signed certificate for `localhost` and its key, valid for a hundred years and good
//! for nothing but these tests.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use whowas_server::{Limits, Options, Server, TlsFiles};

use crate::{client::Response, world::World};

async fn exchange(address: SocketAddr, request: &str) -> Response {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("tls/certificate.pem")).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    Response::parse(&bytes).unwrap()
}

#[tokio::test]
async fn cookies_are_bound_to_the_host_and_plain_text_gets_nothing() {
    let world = World::new().await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/tls");
    let tls = Some(TlsFiles { certificate: folder.join("certificate.pem"), key: folder.join("key.pem") });
    let limits = Limits { tls_timeout: Duration::from_millis(200), ..Limits::default() };
    let options = Options { listen: "127.0.0.1:0".parse().unwrap(), tls, limits };
    let server = Server::bind(world.store.clone(), options).await.unwrap();
    let (address, link) = (server.address(), server.sign_in_link().await.unwrap());
    assert!(link.starts_with("https://127.0.0.1:"), "{link}");
    let code = link.split_once("code=").unwrap().1.to_owned();
    let running = tokio::spawn(server.run(std::future::pending()));

    let form = format!("code={code}");
    let request = format!(
        "POST /sign-in HTTP/1.1\r\nHost: localhost\r\nOrigin: https://localhost\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    let signed_in = exchange(address, &request).await;
    assert_eq!(signed_in.status, 303, "{}", signed_in.text());
    let cookie = signed_in.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-whowas=") && cookie.ends_with("; Secure"), "{cookie}");
    assert!(signed_in.header("strict-transport-security").unwrap().starts_with("max-age=31536000"));
    let cookie = cookie.split(';').next().unwrap();
    let get = |cookie: &str| {
        format!("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nCookie: {cookie}\r\n\r\n")
    };
    assert_eq!(exchange(address, &get(cookie)).await.status, 200);
    // Without the prefix that browsers guard, the same secret is nobody's.
    assert_eq!(exchange(address, &get(&cookie.replace("__Host-", ""))).await.status, 303);

    for begun in ["", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(begun.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        let _ = timeout(Duration::from_secs(20), stream.read_to_end(&mut bytes)).await.expect("it is cut");
        assert!(!bytes.starts_with(b"HTTP"), "an alert at most");
    }
    running.abort();
    world.end().await;
}
