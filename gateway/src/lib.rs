//! REST to gRPC at Octet's edge, and the pages it serves.
