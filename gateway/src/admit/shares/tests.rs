use super::*;

/// A caller from `192.0.2.<address>`.
fn caller(address: u8, connection: u16) -> Caller {
    let address = IpAddr::from([192, 0, 2, address]);
    Caller { address, connection: SocketAddr::new(address, connection) }
}

/// Takes one at a time until it is refused, each on the next of `connections`.
fn exhaust(shares: &Shares, address: u8, connections: u16) -> Vec<Share> {
    let callers = (0..connections).cycle().map(|connection| caller(address, connection));
    callers.map_while(|caller| shares.take(caller, 1).ok()).collect()
}

#[test]
fn a_client_alone_gets_all_but_an_eighth_on_many_connections_and_half_of_that_on_one() {
    let shares = Shares::new(512);
    let one = exhaust(&shares, 1, 1);
    assert_eq!(one.len(), 224);
    drop(one);
    let many = exhaust(&shares, 1, 448);
    assert_eq!(many.len(), 448);
    drop(many);
    assert_eq!(shares.free(), 512);
    assert!(lock(&shares.0).clients.is_empty());
}

#[test]
fn however_many_connections_a_hostile_client_has_others_are_admitted() {
    let shares = Shares::new(64);
    let hostile = exhaust(&shares, 1, 1_000);
    assert_eq!(shares.take(caller(1, 2_000), 1).err(), Some(Exhausted::Client));
    let others: Vec<_> =
        (2..10).map(|address| shares.take(caller(address, 0), 1).expect("reserved")).collect();
    assert_eq!((hostile.len(), others.len(), shares.free()), (56, 8, 0));
    assert_eq!(shares.take(caller(99, 0), 1).err(), Some(Exhausted::Limit));
}

#[test]
fn connections_of_one_client_leave_room_for_its_other_connections() {
    let shares = Shares::new(512);
    let hostile = exhaust(&shares, 1, 4);
    assert!((350..=360).contains(&hostile.len()), "{}", hostile.len());
    let others: Vec<_> = (10..60).map(|connection| shares.take(caller(1, connection), 1)).collect();
    assert!(others.iter().all(Result::is_ok), "{others:?}");
}

#[test]
fn clients_that_want_everything_get_equal_parts() {
    let shares = Shares::new(512);
    let mut held: Vec<Vec<Share>> = (0..4).map(|_| Vec::new()).collect();
    let mut connection = 0;
    loop {
        let before = shares.free();
        for (address, held) in (0..).zip(&mut held) {
            connection += 1;
            held.extend(shares.take(caller(address, connection), 1));
        }
        if shares.free() == before {
            break;
        }
    }
    for held in held {
        assert!((122..=124).contains(&held.len()), "{}", held.len());
    }
    assert!(shares.free() > 8, "{}", shares.free());
}

#[test]
fn the_smallest_limits_admit_one() {
    for max in [1, 2] {
        let shares = Shares::new(max);
        let first = shares.take(caller(1, 1), 1).expect("the first");
        assert!(shares.take(caller(1, 1), 1).is_err());
        drop(first);
        shares.take(caller(1, 1), 1).expect("it is free again");
    }
}

#[test]
fn a_first_part_may_be_large_and_a_share_that_grows_keeps_to_the_rule() {
    let shares = Shares::new(64);
    let first = shares.take(caller(1, 1), 60).expect("the first");
    assert_eq!(shares.take(caller(1, 2), 1).err(), Some(Exhausted::Client));
    assert_eq!(shares.take(caller(2, 1), 5).err(), Some(Exhausted::Limit));
    drop(first);
    let mut growing = shares.take(caller(1, 1), 0).expect("nothing");
    growing.resize(28).expect("half of seven eighths");
    assert_eq!(growing.resize(29), Err(Exhausted::Client));
    assert_eq!(shares.free(), 36);
    growing.resize(10).expect("less");
    assert_eq!(shares.free(), 54);
    drop(growing);
    assert_eq!(shares.free(), 64);
}

#[test]
fn an_ipv6_network_is_one_client_and_a_mapped_address_is_its_ipv4_address() {
    let caller = |address: &str| {
        let mut extensions = Extensions::new();
        extensions.insert(Peer("127.0.0.1:1".parse().unwrap()));
        extensions.insert(ClientAddress(address.parse().unwrap()));
        Caller::of(&extensions)
    };
    assert_eq!(caller("2001:db8::1"), caller("2001:db8::ffff:2:3:4"));
    assert_ne!(caller("2001:db8::1"), caller("2001:db8:0:1::1"));
    assert_eq!(caller("::ffff:192.0.2.1"), caller("192.0.2.1"));
    assert_ne!(caller("192.0.2.1"), caller("192.0.2.2"));
}
