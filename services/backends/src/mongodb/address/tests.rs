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
fn a_documentdb_url_is_parsed() {
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
fn an_atlas_url_is_parsed_without_a_lookup() {
    let address =
        parsed("mongodb+srv://octet:S3cret@cluster0.abcde.mongodb.net/?retryWrites=true&w=majority");
    assert!(address.is_srv());
    assert_eq!(address.to_string(), "mongodb+srv://***@cluster0.abcde.mongodb.net");
}

#[test]
fn display_and_debug_show_no_credential_and_no_option() {
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
    assert_eq!(fault, "must not contain w=0: a write without acknowledgement may be lost");
    for accepted in ["w=1", "w=majority", "w=2&journal=true", "journal=true", "w=inBothRegions"] {
        parsed(&format!("mongodb://localhost/?{accepted}"));
    }
}

#[test]
fn an_error_names_the_invalid_part() {
    let encoded = "percent-encoded";
    let option = "has an invalid option: ";
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
fn the_only_host_is_returned() {
    let only_host = |url: &str| {
        let address = parsed(url);
        address.only_host().map(|(host, port)| (host.to_owned(), port))
    };
    let only = |host: &str, port| Some((host.to_owned(), port));
    assert_eq!(only_host("mongodb://u:p@db:4711/x"), only("db", Some(4711)));
    assert_eq!(only_host("mongodb://10.0.0.7"), only("10.0.0.7", Some(27017)));
    assert_eq!(only_host("mongodb+srv://cluster.example.net"), only("cluster.example.net", None));
    assert_eq!(only_host("mongodb://one,two"), None);
}

#[test]
fn defaults_apply_where_the_url_has_no_option() {
    let options = |url: &str| {
        let url = parsed(url).connection_string().clone();
        let options = ClientOptions::parse(url).into_future().now_or_never().unwrap().unwrap();
        crate::mongodb::options::complete(options)
    };
    let defaults = options("mongodb://localhost/?readPreference=secondary");
    assert_eq!(defaults.app_name.as_deref(), Some("octet"));
    assert_eq!(defaults.write_concern.unwrap().w, Some(Acknowledgment::Majority));
    assert_eq!((defaults.max_pool_size, defaults.min_pool_size), (Some(32), Some(0)));
    assert_eq!(defaults.server_selection_timeout, Some(Duration::from_secs(2)));
    assert_eq!((defaults.retry_writes, defaults.selection_criteria), (None, None));

    let given = options(
        "mongodb://localhost/?appName=mine&w=1&journal=true&maxPoolSize=3&serverSelectionTimeoutMS=700\
         &retryWrites=false&readConcernLevel=local&heartbeatFrequencyMS=600&connectTimeoutMS=900",
    );
    let concern = given.write_concern.unwrap();
    assert_eq!((concern.w, concern.journal), (Some(Acknowledgment::Nodes(1)), Some(true)));
    assert_eq!((given.app_name.as_deref(), given.max_pool_size), (Some("mine"), Some(3)));
    assert_eq!(given.server_selection_timeout, Some(Duration::from_millis(700)));
    assert_eq!(given.heartbeat_freq, Some(Duration::from_millis(600)));
    assert_eq!((given.retry_writes, given.connect_timeout), (Some(false), Some(Duration::from_millis(900))));
    assert_eq!(given.read_concern, Some(mongodb::options::ReadConcern::local()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_text_is_parsed_or_refused(text in "(mongodb(\\+srv)?://)?\\PC{0,60}") {
        let _ = text.parse::<MongoAddress>().map(|address| format!("{address} {address:?}"));
    }

    #[test]
    fn no_password_is_repeated(
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
