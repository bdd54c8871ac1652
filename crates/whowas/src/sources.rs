//! `[[source]]` of `whowas.toml`: what is read by itself while the server runs, and with whose credentials.
//!
//! Secrets are named, never written here: by a variable of the environment or by a file.

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use url::Url;
use whowas_collect::{
    ImportOptions,
    poll::{
        self, Api, Auth, DynamicsUsers, Folder, GraphSignIns, GraphUsers, KeycloakEvents, Objects, OktaLog,
        Probe, Secret, Setup, Web,
    },
};
use whowas_event::{EnvironmentName, admit::RawData};
use whowas_store::Store;

use crate::failure::Failure;

const DAY_MS: i64 = 86_400_000;
/// The longest retention that can be set: a century.
const RETENTION_DAYS_MAX: u32 = 36_500;
/// Of an Entra tenant with a P1 or P2 licence; 7 without.
const ENTRA_RETENTION_DAYS: u32 = 30;
/// A secret is shorter.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// What kind of source it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// Microsoft Graph: sign-ins of Entra ID.
    GraphSignIns,
    /// Microsoft Graph: users of Entra ID.
    GraphUsers,
    /// Dynamics 365 Finance and Operations: users, by OData.
    DynamicsUsers,
    /// Okta: the System Log.
    OktaLog,
    /// Keycloak: user events of a realm.
    KeycloakEvents,
    /// A folder that files are dropped in.
    Folder,
    /// An S3 prefix or an Azure container that files are left in.
    ObjectStorage,
}

/// One `[[source]]`.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourceSetting {
    /// PROJECT/ENVIRONMENT; created if there is none.
    environment: String,
    /// What kind of source it is.
    kind: Kind,
    /// Its name in the records [default: the format's name].
    name: Option<String>,
    /// Its address: of Okta, Keycloak, Dynamics and object storage; of Graph where it is a national cloud's.
    url: Option<String>,
    /// Of Graph and Dynamics: the tenant's id.
    tenant: Option<String>,
    /// Of Keycloak: the realm.
    realm: Option<String>,
    /// Of Graph, Dynamics and Keycloak: who asks.
    client_id: Option<String>,
    /// The variable of the environment that holds the client's secret, or Okta's API token.
    secret_env: Option<String>,
    /// The file that holds it.
    secret_file: Option<PathBuf>,
    /// Where tokens are given, where it is not the usual place.
    token_url: Option<String>,
    /// For how long the source keeps records.
    retention_days: Option<u32>,
    /// Of a folder: where it is.
    folder: Option<PathBuf>,
    /// Of a folder and object storage: the format of the files [default: recognized].
    format: Option<String>,
    /// Whether the records' own bytes are kept beside them [default: true].
    keep_raw: Option<bool>,
}

/// A source that is ready to be read.
pub(crate) struct Source {
    environment: EnvironmentName,
    reader: Reader,
}

enum Reader {
    Polled(Arc<dyn Api>, Setup),
    Folder(Folder),
    Objects(Objects),
}

/// Every source of the settings, with its secret read.
pub(crate) fn sources(settings: &[SourceSetting]) -> Result<Vec<Source>, Failure> {
    settings
        .iter()
        .map(|setting| {
            setting.source().map_err(|reason| {
                Failure::not_understood(format!("source of {}: {reason}", setting.environment))
            })
        })
        .collect()
}

/// What can be tested of every source.
pub(crate) fn probes(sources: &[Source]) -> Result<Vec<(EnvironmentName, Probe)>, Failure> {
    let web = Arc::new(Web::new().map_err(Failure::failed)?);
    let probe = |one: &Source| match &one.reader {
        Reader::Polled(api, setup) => {
            Probe::Asked { source: setup.source.clone(), http: web.clone(), api: api.clone() }
        }
        Reader::Folder(folder) => Probe::Folder(folder.clone()),
        Reader::Objects(objects) => Probe::Objects(objects.clone()),
    };
    Ok(sources.iter().map(|one| (one.environment.clone(), probe(one))).collect())
}

/// Reads every source until it is dropped.
pub(crate) fn start(store: &Arc<Store>, sources: Vec<Source>) -> Result<tokio::task::JoinSet<()>, Failure> {
    let mut tasks = tokio::task::JoinSet::new();
    let web = Arc::new(Web::new().map_err(Failure::failed)?);
    for Source { environment, reader } in sources {
        let store = store.clone();
        match reader {
            Reader::Polled(api, setup) => {
                tasks.spawn(poll::run(store, environment, web.clone(), api, setup));
            }
            Reader::Folder(folder) => {
                tasks.spawn(poll::watch(store, environment, folder));
            }
            Reader::Objects(objects) => {
                tasks.spawn(poll::watch_objects(store, environment, objects));
            }
        }
    }
    Ok(tasks)
}

impl SourceSetting {
    fn source(&self) -> Result<Source, String> {
        let environment = self.environment.parse().map_err(|e| format!("environment: {e}"))?;
        if self.retention_days.is_some_and(|days| !(1..=RETENTION_DAYS_MAX).contains(&days)) {
            return Err(format!("retention_days: 1 to {RETENTION_DAYS_MAX}"));
        }
        let raw = if self.keep_raw.unwrap_or(true) { RawData::Kept } else { RawData::Dropped };
        if matches!(self.kind, Kind::Folder | Kind::ObjectStorage) {
            if let Some(format) = self.format.as_deref()
                && whowas_format::registry::find(format).is_none()
            {
                return Err(format!("format: there is no format {format}; `whowas formats` lists them"));
            }
            let options = ImportOptions { raw, format: self.format.clone(), ..ImportOptions::default() };
            let source = self.name.clone();
            let reader = if self.kind == Kind::Folder {
                let path = self.folder.clone().ok_or("folder: say which")?;
                Reader::Folder(Folder { source, path, options })
            } else {
                let address = self.url.as_deref().ok_or("url: say where")?;
                let (store, prefix) = whowas_store::remote(address)?;
                Reader::Objects(Objects { source, store, prefix, options })
            };
            return Ok(Source { environment, reader });
        }
        let api = self.api()?;
        let source = self.name.clone().unwrap_or_else(|| api.format().to_owned());
        Ok(Source { environment, reader: Reader::Polled(api, Setup { source, raw }) })
    }

    fn api(&self) -> Result<Arc<dyn Api>, String> {
        let retention_ms = |days: u32| i64::from(days) * DAY_MS;
        Ok(match self.kind {
            Kind::GraphSignIns => {
                let base = self.address(Some("https://graph.microsoft.com/beta"))?;
                let auth = self.entra(&base)?;
                let days = self.retention_days.unwrap_or(ENTRA_RETENTION_DAYS);
                if days < 7 {
                    return Err("retention_days: Entra keeps sign-ins for 7 days or more".to_owned());
                }
                Arc::new(GraphSignIns::new(base, auth, retention_ms(days)))
            }
            Kind::GraphUsers => {
                let base = self.address(Some("https://graph.microsoft.com/v1.0"))?;
                let auth = self.entra(&base)?;
                Arc::new(GraphUsers::new(base, auth))
            }
            Kind::DynamicsUsers => {
                let base = self.address(None)?;
                let auth = self.entra(&base)?;
                Arc::new(DynamicsUsers::new(base, auth))
            }
            Kind::OktaLog => {
                let secret = self.secret()?;
                let auth = Auth::Header(Secret::new(format!("SSWS {}", secret.reveal())));
                Arc::new(OktaLog::new(self.address(None)?, auth))
            }
            Kind::KeycloakEvents => {
                let realm = self.realm.as_deref().ok_or("realm: say which")?;
                let below = |path: &[&str]| {
                    let mut url = self.address(None)?;
                    url.path_segments_mut().map_err(|()| "url: no web address")?.pop_if_empty().extend(path);
                    Ok::<_, String>(url)
                };
                let token = below(&["realms", realm, "protocol", "openid-connect", "token"])?;
                let auth = self.client_credentials(token, None)?;
                let retention_ms = self.retention_days.map(retention_ms);
                Arc::new(KeycloakEvents::new(below(&["admin", "realms", realm])?, auth, retention_ms))
            }
            Kind::Folder | Kind::ObjectStorage => return Err("files are not asked for".to_owned()),
        })
    }

    fn address(&self, default: Option<&str>) -> Result<Url, String> {
        let text = self.url.as_deref().or(default).ok_or("url: say where")?;
        web_address("url", text)
    }

    /// A token of Entra for the resource at `base`.
    fn entra(&self, base: &Url) -> Result<Auth, String> {
        let tenant = self.tenant.as_deref().ok_or("tenant: say whose")?;
        let mut token = web_address("token_url", "https://login.microsoftonline.com")?;
        token
            .path_segments_mut()
            .map_err(|()| "token_url: no web address")?
            .extend([tenant, "oauth2", "v2.0", "token"]);
        self.client_credentials(token, Some(format!("{}/.default", base.origin().ascii_serialization())))
    }

    fn client_credentials(&self, token_url: Url, scope: Option<String>) -> Result<Auth, String> {
        let client_id = self.client_id.as_deref().ok_or("client_id: say whose")?;
        let secret = self.secret()?;
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials")
            .append_pair("client_id", client_id)
            .append_pair("client_secret", secret.reveal());
        if let Some(scope) = scope {
            form.append_pair("scope", &scope);
        }
        let token_url = match &self.token_url {
            Some(text) => web_address("token_url", text)?,
            None => token_url,
        };
        Ok(Auth::ClientCredentials { token_url, form: Secret::new(form.finish()) })
    }

    fn secret(&self) -> Result<Secret, String> {
        read_secret(self.secret_env.as_deref(), self.secret_file.as_deref())
    }
}

/// A secret of which the settings say where it is.
pub(crate) fn read_secret(env: Option<&str>, file: Option<&Path>) -> Result<Secret, String> {
    let text = match (env, file) {
        (Some(name), None) => {
            env::var(name).map_err(|_| format!("secret_env: there is no variable {name}"))?
        }
        (None, Some(path)) => {
            let wrong = |e: std::io::Error| format!("secret_file {}: {e}", path.display());
            if fs::metadata(path).map_err(wrong)?.len() > SECRET_BYTES_MAX {
                return Err(format!("secret_file {}: too long for a secret", path.display()));
            }
            fs::read_to_string(path).map_err(wrong)?
        }
        _ => return Err("secret_env or secret_file: say where the secret is".to_owned()),
    };
    let text = text.trim();
    if text.is_empty() {
        return Err("the secret is empty".to_owned());
    }
    Ok(Secret::new(text))
}

/// An address to which a secret may go: encrypted, or on this machine.
fn web_address(name: &str, text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|e| format!("{name}: {text}: {e}"))?;
    let is_here = match url.host() {
        Some(url::Host::Domain(domain)) => domain == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_here => Ok(url),
        "http" => Err(format!("{name}: {text}: a secret goes there; use https")),
        _ => Err(format!("{name}: {text}: write an https address")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, want: Result<&str, &str>) {
        #[derive(serde::Deserialize)]
        struct File {
            source: Vec<SourceSetting>,
        }
        let got = toml::from_str::<File>(&format!("[[source]]\nenvironment = \"a/b\"\n{text}"))
            .map_err(|e| e.message().to_owned())
            .and_then(|file| {
                let source = file.source[0].source()?;
                Ok(match source.reader {
                    Reader::Polled(_, setup) => setup.source,
                    Reader::Folder(folder) => folder.path.display().to_string(),
                    Reader::Objects(objects) => objects.prefix.to_string(),
                })
            });
        assert_eq!(got.as_deref().map_err(String::as_str), want, "{text}");
    }

    #[test]
    fn sources_are_complete_or_refused_with_what_is_missing() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "tomato\n").unwrap();
        let secret = format!("secret_file = \"{}\"", file.path().display());
        let graph = "kind = \"graph-sign-ins\"\ntenant = \"t\"\nclient_id = \"c\"";
        check(&format!("{graph}\n{secret}"), Ok("entra-graph"));
        check(&format!("{graph}\n{secret}\nname = \"entra\""), Ok("entra"));
        check(graph, Err("secret_env or secret_file: say where the secret is"));
        check(
            &format!("{graph}\nsecret_env = \"WHOWAS_NO_SUCH\""),
            Err("secret_env: there is no variable WHOWAS_NO_SUCH"),
        );
        check(
            &format!("{graph}\n{secret}\nretention_days = 3"),
            Err("retention_days: Entra keeps sign-ins for 7 days or more"),
        );
        check(&format!("{graph}\n{secret}\nretention_days = 0"), Err("retention_days: 1 to 36500"));
        check("kind = \"okta-log\"\nsecret_env = \"PATH\"", Err("url: say where"));
        check(
            "kind = \"okta-log\"\nsecret_env = \"PATH\"\nurl = \"http://o.example\"",
            Err("url: http://o.example: a secret goes there; use https"),
        );
        check("kind = \"okta-log\"\nsecret_env = \"PATH\"\nurl = \"http://127.0.0.1:1\"", Ok("okta-log"));
        check(
            &format!(
                "kind = \"keycloak-events\"\nurl = \"https://k.example\"\nrealm = \"r\"\nclient_id = \"c\"\n{secret}"
            ),
            Ok("keycloak-events"),
        );
        check(
            &format!("kind = \"keycloak-events\"\nurl = \"https://k.example\"\nclient_id = \"c\"\n{secret}"),
            Err("realm: say which"),
        );
        check("kind = \"folder\"\nfolder = \"in\"", Ok("in"));
        check(
            "kind = \"folder\"\nfolder = \"in\"\nformat = \"x\"",
            Err("format: there is no format x; `whowas formats` lists them"),
        );
        check(
            "kind = \"folder\"\nsecret = \"tomato\"",
            Err(
                "unknown field `secret`, expected one of `environment`, `kind`, `name`, `url`, `tenant`, `realm`, `client_id`, `secret_env`, `secret_file`, `token_url`, `retention_days`, `folder`, `format`, `keep_raw`",
            ),
        );
    }
}
