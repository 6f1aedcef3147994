//! Ports DocumentStore, Publisher and Consumer, and their adapters.
