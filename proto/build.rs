//! Compiles the .proto files without a `protoc` binary.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message;

const SERVED: &str = "greeting/v3/greeting.proto";
/// In the descriptor set, so that readers of an error can decode its details.
const ERROR_DETAILS: &str = "google/rpc/error_details.proto";

// A build script's environment is its interface with cargo.
#[allow(clippy::disallowed_methods)]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=greeting");
    println!("cargo:rerun-if-changed=google");

    let mut compiler = protox::Compiler::new(["."])?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_file(SERVED)?.open_file(ERROR_DETAILS)?;

    // Encoded by the compiler itself: decoding into prost's types first would drop the HTTP rules, an option that prost does
    // not know.
    let encoded = compiler.encode_file_descriptor_set();
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.binpb"), &encoded)?;

    let set = served(&encoded)?;
    tonic_prost_build::configure().bytes(".").codec_path("crate::codec::SmallBuffers").compile_fds(set)?;
    Ok(())
}

/// Code is generated only for the served package; the imported option types stay in the descriptor set.
fn served(encoded: &[u8]) -> Result<tonic_prost_build::FileDescriptorSet, Box<dyn Error>> {
    let mut set = tonic_prost_build::FileDescriptorSet::decode(encoded)?;
    set.file.retain(|file| file.package() == "greeting.v3");
    for file in &mut set.file {
        file.dependency.clear();
    }
    Ok(set)
}
