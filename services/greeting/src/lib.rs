//! The one Greeting service that plays every role of the mesh.
