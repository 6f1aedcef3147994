//! Sources of a real `PostgreSQL`: every row is read once, whatever commits late, is equal or is interrupted.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test support: a failure here must end the test"
)]

mod postgres {
    mod collect;
    mod columns;
    mod modes;
    mod refused;
    mod watermark;
}
