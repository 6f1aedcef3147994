//! An upstream's answer on the wire, and the JSON that a client gets.

use prost_reflect::DynamicMessage;

use crate::{
    holds::{json, read, value},
    library::{LIBRARY, message},
};

pub(crate) fn run(bytes: &[u8]) {
    let everything = message(&LIBRARY.0, "library.v1.Everything");
    let Ok(answer) = DynamicMessage::decode(everything, bytes) else { return };
    let Some(written) = json(&answer) else { return };
    // An `Any` that cannot be decoded has a form that nobody reads back; what can be read says the same.
    if let Ok(again) = read(&answer, &written) {
        let again = json(&again).expect("what was read can be written");
        assert_eq!(value(&again), value(&written), "reading back changed it");
    }
}
