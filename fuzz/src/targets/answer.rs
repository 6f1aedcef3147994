//! An upstream's response on the wire, and the JSON that a client receives.

use prost_reflect::DynamicMessage;

use crate::{
    checks::{json, read, read_strictly, value},
    library::{LIBRARY, message},
};

pub(crate) fn run(bytes: &[u8]) {
    let everything = message(&LIBRARY.0, "library.v1.Everything");
    let Ok(response) = DynamicMessage::decode(everything, bytes) else { return };
    let Some(written) = json(&response) else { return };
    // An `Any` that cannot be decoded has a form of its own, which cannot be read back. What a strict reader accepts can.
    if read_strictly(&response, &written).is_ok() {
        let again = read(&response, &written).expect("a strict reader accepts it");
        let again = json(&again).expect("what was read can be written");
        assert_eq!(value(&again), value(&written), "reading changed it");
    }
}
