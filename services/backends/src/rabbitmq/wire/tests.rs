use super::*;

fn message_with(headers: &[(&str, &str)]) -> Message {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Message { id: "id-1".to_owned(), headers, body: b"{}".to_vec() }
}

fn with_headers(headers: &[(&str, AMQPValue)]) -> BasicProperties {
    let mut table = FieldTable::default();
    for (name, value) in headers {
        table.insert((*name).into(), value.clone());
    }
    BasicProperties::default().with_headers(table)
}

#[test]
fn a_message_is_received_as_it_was_sent() {
    let sent = message_with(&[("b3", "0"), ("baggage", "a=1"), ("baggage", "b=2"), ("greeting", "नमस्ते")]);
    let properties = properties(&sent).unwrap();
    assert_eq!(message(&properties, sent.body.clone()), sent);
    assert_eq!(properties.delivery_mode(), &Some(2));
    assert!(published(&properties).unwrap().elapsed().unwrap() < Duration::from_secs(5));
}

#[test]
fn a_message_that_amqp_cannot_carry_is_rejected() {
    let long = "x".repeat(256);
    let of_id = properties(&Message { id: long.clone(), ..message_with(&[]) });
    for refused in
        [of_id, properties(&message_with(&[(&long, "")])), properties(&message_with(&[("CC", "q")]))]
    {
        assert!(!refused.unwrap_err().is_retryable());
    }
}

#[test]
fn headers_of_other_types_become_text_and_the_brokers_own_are_omitted() {
    let properties = with_headers(&[
        ("bool", AMQPValue::Boolean(true)),
        ("many", AMQPValue::FieldArray(vec![AMQPValue::LongInt(-7), long("b"), AMQPValue::Void].into())),
        ("nothing", AMQPValue::Void),
        ("x-delivery-count", AMQPValue::LongLongInt(3)),
        ("x-first-death-reason", long("rejected")),
    ]);
    let expected = [("bool", "true"), ("many", "-7"), ("many", "b")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(message(&properties, vec![]).headers, expected);
    assert_eq!(message(&BasicProperties::default(), vec![]).id, "");
}

#[test]
fn attempts_come_from_the_brokers_counters() {
    let counted = with_headers(&[("x-delivery-count", AMQPValue::LongLongInt(3))]);
    assert_eq!(attempt(&counted, true), 4);
    let both = with_headers(&[
        ("x-acquired-count", AMQPValue::LongLongInt(5)),
        ("x-delivery-count", AMQPValue::LongLongInt(3)),
    ]);
    assert_eq!(attempt(&both, true), 6);
    assert_eq!(attempt(&BasicProperties::default(), true), 2);
    assert_eq!(attempt(&BasicProperties::default(), false), 1);
    assert_eq!(attempt(&with_headers(&[("x-delivery-count", AMQPValue::LongLongInt(-1))]), false), 1);
}

#[test]
fn a_dead_letter_has_its_reason_and_no_property_that_the_broker_acts_on() {
    let original = properties(&message_with(&[("b3", "0")]))
        .unwrap()
        .with_expiration("1".into())
        .with_user_id("somebody".into());
    let letter = dead_letter(&original, 3, "not a greeting");
    assert_eq!((letter.expiration(), letter.user_id()), (&None, &None));
    assert_eq!(message(&letter, b"{}".to_vec()), message_with(&[("b3", "0")]));
    let death = death(&letter, 20);
    assert_eq!((death.reason.as_str(), death.attempts), ("not a greeting", 3));
    assert!(death.at.is_some());
}

#[test]
fn a_message_that_the_broker_dead_lettered_has_a_reason() {
    let mut entry = FieldTable::default();
    entry.insert("reason".into(), long("delivery_limit"));
    entry.insert("time".into(), AMQPValue::Timestamp(7));
    let letter = with_headers(&[
        ("x-death", AMQPValue::FieldArray(vec![AMQPValue::FieldTable(entry)].into())),
        ("x-delivery-count", AMQPValue::LongLongInt(500)),
    ]);
    let expected = Death { reason: "delivery limit of 3 reached".to_owned(), attempts: 3, at: moment(7) };
    assert_eq!(death(&letter, 3), expected);
    let foreign = death(&BasicProperties::default(), 3);
    assert_eq!((foreign.reason.as_str(), foreign.at), ("published by another program", None));
}
