use super::*;

fn parsed(url: &str) -> RabbitAddress {
    url.parse().unwrap_or_else(|error| panic!("{url}: {error}"))
}

fn refused(url: &str) -> String {
    url.parse::<RabbitAddress>().expect_err(url).to_string()
}

#[test]
fn parts_that_an_address_omits_have_defaults() {
    let address = parsed("amqp://broker");
    assert_eq!((address.user.as_str(), address.password.as_str()), ("guest", "guest"));
    assert_eq!((address.host(), address.port(), address.vhost.as_str()), ("broker", 5672, "/"));
    assert_eq!(parsed("amqps://broker").port(), 5671);
    assert_eq!(parsed("AMQPS://broker/").vhost, "/");
}

#[test]
fn every_part_is_read_and_decoded() {
    let address = parsed(
        "amqps://us%40er:p%3Aa%2Fs%25s@b-1.mq.example.com:5999/my%2Fhost?heartbeat=7&connection_timeout=1500\
         &cacertfile=/etc/a%20b/ca.pem",
    );
    assert_eq!((address.user.as_str(), address.password.as_str()), ("us@er", "p:a/s%s"));
    assert_eq!((address.host(), address.port()), ("b-1.mq.example.com", 5999));
    assert_eq!(address.vhost, "my/host");
    assert_eq!(address.heartbeat, Some(Duration::from_secs(7)));
    assert_eq!(address.connection_timeout, Some(Duration::from_millis(1_500)));
    assert_eq!(address.authorities, Some(PathBuf::from("/etc/a b/ca.pem")));
}

#[test]
fn an_ipv6_host_is_written_in_brackets() {
    assert_eq!((parsed("amqp://[::1]").host(), parsed("amqp://[::1]").port()), ("::1", 5672));
    assert_eq!(parsed("amqp://[fe80::2]:7000/x").port(), 7000);
    assert_eq!(parsed("amqp://[::1]").to_string(), "amqp://guest:***@[::1]:5672/%2F");
}

#[test]
fn neither_debug_nor_display_shows_the_password() {
    let address = parsed("amqp://user:hunter2@broker:1/x");
    assert_eq!(address.to_string(), "amqp://user:***@broker:1/x");
    assert_eq!(format!("{address:?}"), "RabbitAddress(amqp://user:***@broker:1/x)");
}

#[test]
fn an_error_repeats_no_text_of_the_address() {
    let faulty = [
        "hunter2",
        "http://user:hunter2@broker",
        "amqp://user:hunter2/x@broker",
        "amqp://user:hunter2?x@broker",
        "amqp://user:hunter2#x@broker",
        "amqp://user:hunter2%zz@broker",
        "amqp://user:hunter2%ff@broker",
        "amqp://user:hunter2%+1@broker",
        "amqp://user:hunter2 @broker",
        "amqp://user:hunter2@",
        "amqp://user:hunter2@broker:0",
        "amqp://user:hunter2@broker:+1",
        "amqp://user:hunter2@broker:65536",
        "amqp://user:hunter2@[::x]",
        "amqp://user:hunter2@[::1]1",
        "amqp://user:hunter2@one,two",
        "amqp://user:hunter2@broker/a/b",
        "amqp://user:hunter2@broker?heartbeat=0",
        "amqp://user:hunter2@broker?heartbeat=hunter2",
        "amqp://user:hunter2@broker?connection_timeout=",
        "amqp://user:hunter2@broker?cacertfile=/hunter2",
        "amqps://user:hunter2@broker?cacertfile=",
        "amqps://user:hunter2@broker?verify=hunter2",
    ];
    for url in faulty {
        let error = refused(url);
        assert!(!error.contains("hunter2") && !error.contains('\n'), "{url}: {error}");
    }
    assert!(refused("amqps://b?verify=x").contains("heartbeat, connection_timeout and cacertfile"));
    assert!(refused("redis://b").contains("amqp:// or amqps://"));
}
