//! Sources that the server reads by itself: over real connections, killed and started again.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    process::Stdio,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    http::Client,
    script::{P_E, World, column, text},
};

/// A server of somebody else: answers what the function says, and remembers what was asked.
struct Other {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

/// Status line and headers, then the body.
type Answer = (String, String);

impl Other {
    fn start(answer: impl Fn(&str, &str) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (own, log) = (address.clone(), asked.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                serve(stream.unwrap(), &own, &log, &answer);
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// Waits until something was asked that has `part` in it.
    fn wait_for(&self, part: &str, after: usize) {
        let begin = Instant::now();
        while !self.asked().iter().skip(after).any(|line| line.contains(part)) {
            assert!(begin.elapsed() < Duration::from_secs(90), "nobody asks for {part}: {:#?}", self.asked());
            thread::sleep(Duration::from_millis(50));
        }
    }
}

fn serve(stream: TcpStream, own: &str, log: &Mutex<Vec<String>>, answer: &impl Fn(&str, &str) -> Answer) {
    let mut stream = BufReader::new(stream);
    let (mut first, mut authorization, mut length) = (String::new(), String::new(), 0);
    stream.read_line(&mut first).unwrap();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "authorization" => value.clone_into(&mut authorization),
            "content-length" => length = value.parse().unwrap(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    std::io::Read::read_exact(&mut stream, &mut body).unwrap();
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    log.lock().unwrap().push(format!("{path} {authorization} {}", String::from_utf8_lossy(&body)));
    let (head, body) = answer(&path, own);
    let length = body.len();
    let _ = write!(
        stream.get_mut(),
        "HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
}

fn okta_event(n: u32) -> Value {
    json!({
        "uuid": format!("u{n}"), "published": format!("2026-11-23T07:2{n}:01Z"), "eventType": "user.session.start",
        "outcome": {"result": "SUCCESS"}, "client": {"ipAddress": "192.0.2.7"},
        "actor": {"id": format!("00u{n}"), "type": "User", "alternateId": format!("user{n}@contoso.example")},
    })
}

/// The System Log: two events, then nothing new. Links name what comes next.
fn okta(path: &str, own: &str) -> Answer {
    let (events, next) = match path {
        path if path.contains("after=") => (json!([]), "two"),
        _ => (json!([okta_event(1), okta_event(2)]), "one"),
    };
    let link = format!("<http://{own}/api/v1/logs?after={next}&limit=1000>; rel=\"next\"");
    (format!("200 OK\r\nLink: {link}"), events.to_string())
}

#[test]
fn a_source_is_read_and_goes_on_where_a_killed_server_stopped() {
    let world = World::new();
    let source = Other::start(okta);
    let settings = format!(
        "[[source]]\nenvironment = \"{P_E}\"\nkind = \"okta-log\"\nurl = \"http://{}\"\nsecret_env = \"OKTA_TOKEN\"\n\
         [[source]]\nenvironment = \"{P_E}\"\nkind = \"folder\"\nname = \"drop\"\nfolder = \"in\"\n",
        source.address
    );
    world.file("whowas.toml", settings);
    fs::create_dir(world.path("in")).unwrap();
    world.fixture("logins-week-45.csv");
    fs::rename(world.path("logins-week-45.csv"), world.path("in/week.csv")).unwrap();
    fs::write(world.path("in/.half.csv"), "is being copied").unwrap();
    let log = fs::File::create(world.path("log")).unwrap();
    let serve = || {
        let log = log.try_clone().unwrap();
        world.serve_by(|command| {
            command.env("OKTA_TOKEN", "tomato-token").env("RUST_LOG", "trace").stderr(Stdio::from(log))
        })
    };
    let serving = serve();
    source.wait_for("after=one", 0);
    // The next poll is a minute later; until the folder's second look there is time for the commit.
    thread::sleep(Duration::from_secs(2));
    drop(serving);
    let asked = source.asked();
    assert!(
        asked[0].starts_with("/api/v1/logs?since=") && asked[0].contains("sortOrder=ASCENDING"),
        "{asked:?}"
    );
    assert!(asked.iter().all(|line| line.contains(" SSWS tomato-token ")), "{asked:?}");
    let users = "SELECT user_name FROM logins WHERE source IN (SELECT source FROM logins WHERE user_email_addr IS NOT NULL) ORDER BY user_name";
    assert_eq!(column(&world.sql(users), "user_name"), ["user1@contoso.example", "user2@contoso.example"]);

    let serving = serve();
    source.wait_for("after=two", asked.len());
    assert!(source.asked()[asked.len()].contains("after=two"), "it began anew: {:?}", source.asked());
    drop(serving);
    assert_eq!(column(&world.sql(users), "user_name").len(), 2, "nothing twice");
    let from_folder = world.sql("SELECT source, count(*) AS n FROM logins GROUP BY source ORDER BY source");
    assert_eq!(column(&from_folder, "source"), ["drop", "okta-log"]);
    assert_eq!(column(&from_folder, "n"), ["9", "2"]);
    let intervals = world.json(&format!("coverage --environment {P_E} --from 2020-01-01"));
    let state = |source: &str| {
        let those = intervals.iter().filter(|one| one["source"] == source);
        those.map(|one| one["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((state("drop"), state("okta-log")[0].as_str()), (vec!["closed".to_owned()], "closed"));

    // The credential is nowhere but on the wire.
    let log = fs::read_to_string(world.path("log")).unwrap();
    assert!(!log.contains("tomato") && !log.contains("contoso.example"), "{log}");
    for name in ["data/control.db", "data/control.db-wal"] {
        let bytes = fs::read(world.path(name)).unwrap_or_default();
        assert!(!bytes.windows(6).any(|part| part == b"tomato"), "{name}");
    }
}

#[test]
fn nobody_sends_the_credential_elsewhere() {
    let world = World::new();
    let thief = Other::start(|_, _| ("200 OK".to_owned(), "{\"value\":[]}".to_owned()));
    let stolen = thief.address.clone();
    let source = Other::start(move |path, _| {
        if path == "/token" {
            return ("200 OK".to_owned(), "{\"access_token\":\"carrot\",\"expires_in\":3600}".to_owned());
        }
        let person = json!({"id": "u1", "userPrincipalName": "ada@contoso.example", "displayName": "Ada"});
        let page =
            json!({"value": [person], "@odata.nextLink": format!("http://{stolen}/v1.0/users/delta?x=1")});
        ("200 OK".to_owned(), page.to_string())
    });
    world.file("secret", "tomato\n");
    let settings = format!(
        "[[source]]\nenvironment = \"{P_E}\"\nkind = \"graph-users\"\nname = \"entra\"\nurl = \"http://{0}/v1.0\"\ntenant = \"t\"\n\
         client_id = \"app\"\nsecret_file = \"secret\"\ntoken_url = \"http://{0}/token\"\n",
        source.address
    );
    world.file("whowas.toml", settings);
    let serving = world.serve();
    source.wait_for("/v1.0/users/delta", 0);
    let begin = Instant::now();
    let asked = source.asked();
    assert!(
        asked[0].contains("grant_type=client_credentials&client_id=app&client_secret=tomato&scope="),
        "{asked:?}"
    );
    assert!(asked[1].contains(" Bearer carrot "), "{asked:?}");
    // The pass is given up as soon as the link is looked at.
    thread::sleep(Duration::from_secs(3).saturating_sub(begin.elapsed()));
    drop(serving);
    assert_eq!(thief.asked(), [""; 0]);
    let people = world.json(&format!("users list --environment {P_E}"));
    assert_eq!(column(&people, "full_name"), ["Ada"], "what came before is kept");
    let shown = world.run(&format!("coverage --environment {P_E}")).exits(0);
    shown.shows("no pass has ended well").shows("which is not configured");
}

#[test]
fn settings_that_cannot_work_stop_the_start() {
    let world = World::new();
    world.file(
        "whowas.toml",
        "[[source]]\nenvironment = \"a/b\"\nkind = \"okta-log\"\nurl = \"https://o.example\"\n",
    );
    let run = world.run("serve --listen 127.0.0.1:0").exits(2);
    run.says("source of a/b: secret_env or secret_file: say where the secret is");
}

#[test]
fn a_source_is_tested_before_it_is_read() {
    let world = World::new();
    let good = Other::start(okta);
    let shut = Other::start(|_, _| ("401 Unauthorized".to_owned(), "tomato".to_owned()));
    let web = Other::start(|_, _| ("200 OK".to_owned(), "<html>tomato</html>".to_owned()));
    let source = |name: &str, address: &str| {
        format!(
            "[[source]]\nenvironment = \"{P_E}\"\nkind = \"okta-log\"\nname = \"{name}\"\n\
             url = \"http://{address}\"\nsecret_file = \"secret\"\n"
        )
    };
    world.file("secret", "tomato-token\n");
    let folder = |name: &str, path: &str| {
        format!(
            "[[source]]\nenvironment = \"{P_E}\"\nkind = \"folder\"\nname = \"{name}\"\nfolder = \"{path}\"\n"
        )
    };
    let settings = [
        source("good", &good.address),
        source("shut", &shut.address),
        source("web", &web.address),
        source("away", "127.0.0.1:1"),
        folder("drop", "in"),
        folder("gone", "nowhere"),
    ];
    world.file("whowas.toml", settings.concat());
    fs::create_dir(world.path("in")).unwrap();
    world.fixture("logins-week-45.csv");
    fs::rename(world.path("logins-week-45.csv"), world.path("in/week.csv")).unwrap();

    let run = world.run("source test --json").exits(1);
    let lines: Vec<Value> = run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |name: &str| lines.iter().find(|line| line["source"] == name).unwrap();
    let good_page = |name: &str| of("good")["page"][name].clone();
    assert_eq!((good_page("records"), good_page("has_more")), (json!(2), json!(true)));
    assert_eq!(good_page("latest"), "2026-11-23T07:22:01.000Z");
    assert_eq!(good_page("format"), "okta-log");
    assert_eq!(good.asked().len(), 1, "one request");
    assert_eq!((&of("drop")["ok"], &of("drop")["page"]["records"]), (&json!(true), &json!(9)));
    let problem = |name: &str| of(name)["problem"].as_str().unwrap().replace(&web.address, "A");
    assert!(problem("shut").ends_with(": the credential is not accepted (HTTP 401)"), "{}", problem("shut"));
    assert_eq!(problem("web"), "http://A: the answer is not as documented: no JSON at line 1, column 1");
    assert!(problem("away").contains("http://127.0.0.1:1: ") && problem("away").contains("onnect"));
    assert_eq!(problem("gone"), "the folder does not exist");
    assert!(!run.stdout.contains("tomato"), "{}", run.stdout);
    assert!(!world.path("data").exists(), "nothing is kept, not even a store is made");
    world.run("source test good").exits(0).shows("ok").shows("page");
    world.run("source test nobody").exits(2).says("there is no such [[source]] in the settings");

    world.run(&format!("import --environment {P_E} in/week.csv")).exits(0);
    let token = text(&world.json(&format!("token create --scope admin --environment {P_E}"))[0], "token");
    let serving = world.serve();
    let mut client = Client::connect(&serving.address, &token).unwrap();
    let mut test = |name: &str| {
        let answer = client.post(&format!("/api/v1/environments/{P_E}/sources/{name}/test"), "").unwrap();
        (answer.status, serde_json::from_str::<Value>(&answer.body).unwrap())
    };
    let (status, answer) = test("shut");
    assert_eq!((status, &answer["tests"][0]["ok"]), (200, &json!(false)));
    let (_, answer) = test("drop");
    assert_eq!(
        (&answer["tests"][0]["ok"], &answer["tests"][0]["page"]["records"]),
        (&json!(true), &json!(9))
    );
    assert_eq!(test("nobody").0, 404);
}
