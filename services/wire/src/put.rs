//! Writes protobuf's wire format, field by field and without a structure.

/// A message, whose fields `write` appends. `N` is the usual number of bytes of its length: 1 up to 127 bytes, 2 up to
/// 16,383; another number moves the message.
pub fn message<const N: usize>(out: &mut Vec<u8>, field: u32, write: impl FnOnce(&mut Vec<u8>)) {
    key(out, field, 2);
    let before = out.len();
    out.extend_from_slice(&[0; N]);
    let start = out.len();
    write(out);
    let length = out.len() - start;
    let end = out.len();
    varint(out, length as u64);
    let used = out.len() - end;
    // The length stands behind the message; it belongs before it.
    if used == N {
        out.copy_within(end.., before);
        out.truncate(end);
    } else if let Some(moved) = out.get_mut(start..) {
        moved.rotate_right(used);
        out.drain(before..start);
    }
}

/// `bytes`.
pub fn bytes(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    key(out, field, 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// `string`.
pub fn text(out: &mut Vec<u8>, field: u32, text: &str) {
    bytes(out, field, text.as_bytes());
}

/// `int32`, `int64`, `uint32`, `uint64`, `bool`, an enum.
pub fn varint_field(out: &mut Vec<u8>, field: u32, number: u64) {
    key(out, field, 0);
    varint(out, number);
}

/// `fixed64`.
pub fn fixed64(out: &mut Vec<u8>, field: u32, number: u64) {
    key(out, field, 1);
    out.extend_from_slice(&number.to_le_bytes());
}

/// `double`.
pub fn double(out: &mut Vec<u8>, field: u32, number: f64) {
    fixed64(out, field, number.to_bits());
}

/// `fixed32`.
pub fn fixed32(out: &mut Vec<u8>, field: u32, number: u32) {
    key(out, field, 5);
    out.extend_from_slice(&number.to_le_bytes());
}

fn key(out: &mut Vec<u8>, field: u32, wire_type: u32) {
    varint(out, u64::from(field << 3 | wire_type));
}

/// Appends a number of seven bits a byte.
fn varint(out: &mut Vec<u8>, number: u64) {
    if let Ok(byte @ ..0x80) = u8::try_from(number) {
        out.push(byte);
        return;
    }
    let mut left = number;
    while left > 0x7f {
        out.push(u8::try_from(left & 0x7f).unwrap_or_default() | 0x80);
        left >>= 7;
    }
    out.push(u8::try_from(left).unwrap_or_default());
}
