use std::time::Duration;

use mongodb::options::Tls;
use proptest::prelude::*;

use super::*;
use crate::mongodb::MongoSettings;

fn refused(url: &str) -> String {
    url.parse::<MongoAddress>().expect_err(url).to_string()
}

fn parsed(url: &str) -> MongoAddress {
    url.parse().expect(url)
}

#[test]
fn documentdb_s_url_says_what_it_says() {
    let address = parsed(
        "mongodb://octet:S3cr%40t@cluster.docdb.amazonaws.com:27017/?tls=true&tlsCAFile=/etc/global-bundle.pem\
         &replicaSet=rs0&readPreference=secondaryPreferred&retryWrites=false",
    );
    let url = address.connection_string();
    let Some(Tls::Enabled(tls)) = &url.tls else { panic!("{:?}", url.tls) };
    assert_eq!(tls.ca_file_path.as_deref(), Some(std::path::Path::new("/etc/global-bundle.pem")));
    assert_eq!(tls.allow_invalid_certificates, None);
    assert_eq!((url.replica_set.as_deref(), url.retry_writes), (Some("rs0"), Some(false)));
    let credential = url.credential.as_ref().unwrap();
    assert_eq!(credential.username.as_deref(), Some("octet"));
    assert_eq!(credential.password.as_deref(), Some("S3cr@t"));
    assert_eq!(address.to_string(), "mongodb://***@cluster.docdb.amazonaws.com:27017/?replicaSet=rs0");
}

#[test]
fn atlas_s_url_is_taken_without_a_lookup() {
    let address =
        parsed("mongodb+srv://octet:S3cret@cluster0.abcde.mongodb.net/?retryWrites=true&w=majority");
    assert!(address.is_srv());
    assert_eq!(address.to_string(), "mongodb+srv://***@cluster0.abcde.mongodb.net");
}

#[test]
fn what_is_shown_holds_no_credential_and_no_option() {
    let address = parsed(
        "mongodb://S3cretUser:S3cret@host-1,host-2:27018/admin?authMechanism=PLAIN\
         &authMechanismProperties=SERVICE_NAME:S3cret&authSource=$external&appName=S3cret",
    );
    let settings = MongoSettings::new(address.clone(), "service-c", "greetings");
    for shown in
        [address.to_string(), format!("{address:?}"), format!("{settings:?}"), format!("{settings:#?}")]
    {
        assert!(!shown.contains("S3cret"), "{shown}");
        assert!(shown.contains("host-1:27017,host-2:27018"), "{shown}");
    }
}

#[test]
fn an_unacknowledged_write_concern_is_refused() {
    let fault = refused("mongodb://localhost/?w=0");
    assert_eq!(fault, "must not say w=0: a write that nobody acknowledges is not stored");
    for taken in ["w=1", "w=majority", "w=2&journal=true", "journal=true", "w=inBothRegions"] {
        parsed(&format!("mongodb://localhost/?{taken}"));
    }
}

#[test]
fn a_refusal_names_what_is_wrong() {
    let encoded = "percent-encoded";
    let option = "has an option that is not taken: ";
    for (url, part) in [
        ("", "must start with mongodb:// or mongodb+srv://"),
        ("localhost:27017", "must start with mongodb:// or mongodb+srv://"),
        ("http://localhost", "must start with mongodb:// or mongodb+srv://"),
        ("mongodb://", "must have hosts"),
        ("mongodb://localhost:port", "must have hosts"),
        ("mongodb://user:pass@", "must have hosts"),
        ("mongodb+srv://host:27017/", "must have hosts"),
        ("mongodb://user:p@ss@localhost", encoded),
        ("mongodb://user:p/ss@localhost", encoded),
        ("mongodb://user:p?ss@localhost", encoded),
        ("mongodb://user:p%ss@localhost", encoded),
        ("mongodb://user:p%aé@localhost", encoded),
        ("mongodb://localhost/?journal", "must have options like name=value"),
        ("mongodb://localhost/?tls=maybe", &format!("{option}tls ")),
        ("mongodb://localhost/?w=majority&colour=red", &format!("{option}colour ")),
        ("mongodb://localhost/?maxPoolSize=0", &format!("{option}maxPoolSize ")),
        ("mongodb+srv://host.example.net/?maxPoolSize=0", &format!("{option}maxPoolSize ")),
        ("mongodb://localhost/?heartbeatFrequencyMS=1", &format!("{option}heartbeatFrequencyMS ")),
        ("mongodb://localhost/?socketTimeoutMS=1000", &format!("{option}socketTimeoutMS ")),
        ("mongodb://localhost/?w=0&journal=true", &format!("{option}w ")),
    ] {
        let fault = refused(url);
        assert!(fault.contains(part), "{url}: {fault}");
        assert!(fault.len() < 120 && !fault.contains('\n'), "{url}: {fault}");
    }
}

#[test]
fn a_host_is_told_where_it_is_the_only_one() {
    let told = |url: &str| {
        let address = parsed(url);
        address.only_host().map(|(host, port)| (host.to_owned(), port))
    };
    let only = |host: &str, port| Some((host.to_owned(), port));
    assert_eq!(told("mongodb://u:p@db:4711/x"), only("db", Some(4711)));
    assert_eq!(told("mongodb://10.0.0.7"), only("10.0.0.7", Some(27017)));
    assert_eq!(told("mongodb+srv://cluster.example.net"), only("cluster.example.net", None));
    assert_eq!(told("mongodb://one,two"), None);
}

#[test]
fn what_the_url_leaves_open_is_filled_in_and_the_rest_stays() {
    let options = |url: &str| {
        let url = parsed(url).connection_string().clone();
        let options = ClientOptions::parse(url).into_future().now_or_never().unwrap().unwrap();
        crate::mongodb::options::complete(options)
    };
    let filled = options("mongodb://localhost/?readPreference=secondary");
    assert_eq!(filled.app_name.as_deref(), Some("octet"));
    assert_eq!(filled.write_concern.unwrap().w, Some(Acknowledgment::Majority));
    assert_eq!((filled.max_pool_size, filled.min_pool_size), (Some(32), Some(0)));
    assert_eq!(filled.server_selection_timeout, Some(Duration::from_secs(2)));
    assert_eq!((filled.retry_writes, filled.selection_criteria), (None, None));

    let said = options(
        "mongodb://localhost/?appName=mine&w=1&journal=true&maxPoolSize=3&serverSelectionTimeoutMS=700\
         &retryWrites=false&readConcernLevel=local&heartbeatFrequencyMS=600&connectTimeoutMS=900",
    );
    let concern = said.write_concern.unwrap();
    assert_eq!((concern.w, concern.journal), (Some(Acknowledgment::Nodes(1)), Some(true)));
    assert_eq!((said.app_name.as_deref(), said.max_pool_size), (Some("mine"), Some(3)));
    assert_eq!(said.server_selection_timeout, Some(Duration::from_millis(700)));
    assert_eq!(said.heartbeat_freq, Some(Duration::from_millis(600)));
    assert_eq!((said.retry_writes, said.connect_timeout), (Some(false), Some(Duration::from_millis(900))));
    assert_eq!(said.read_concern, Some(mongodb::options::ReadConcern::local()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_text_is_taken_or_refused(text in "(mongodb(\\+srv)?://)?\\PC{0,60}") {
        let _ = text.parse::<MongoAddress>().map(|address| format!("{address} {address:?}"));
    }

    #[test]
    fn no_password_is_ever_repeated(
        scheme in "mongodb(\\+srv)?",
        user in "[a-z%:]{0,4}",
        before in "[-a-zA-Z0-9%/?#@:=&,é. ]{0,5}",
        after in "[-a-zA-Z0-9%/?#@:=&,é. ]{0,5}",
        host in "(localhost|[a-z.:,\\[\\]0-9]{0,9})",
        rest in "(/?[?]?((tls|w|appName|replicaSet|authMechanism|authMechanismProperties|colour)=[a-z0-9:,%]{0,8}&?){0,3})",
    ) {
        let url = format!("{scheme}://{user}:{before}S3CRET{after}@{host}{rest}");
        let shown = match url.parse::<MongoAddress>() {
            Ok(address) => format!("{address} {address:?}"),
            Err(fault) => format!("{fault} {fault:?}"),
        };
        prop_assert!(!shown.to_uppercase().contains("S3CRET"), "{url} -> {shown}");
    }
}
