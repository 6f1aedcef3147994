//! Compiles the .proto files without a `protoc` binary.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message;

const SERVED: &str = "greeting/v3/greeting.proto";
/// In the descriptor set, so that readers of an error can decode its details.
const ERROR_DETAILS: &str = "google/rpc/error_details.proto";
/// In a set of its own: the gateway answers it itself, and routes only the services of the other set.
const HEALTH: &str = "grpc/health/v1/health.proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=greeting");
    println!("cargo:rerun-if-changed=google");
    println!("cargo:rerun-if-changed=grpc");

    compile(&[SERVED, ERROR_DETAILS], "greeting.v3", "descriptors.binpb")?;
    compile(&[HEALTH], "grpc.health.v1", "health.binpb")
}

/// Writes the descriptor set of `files`, and the code of `package`.
// A build script's environment is its interface with cargo.
#[allow(clippy::disallowed_methods)]
fn compile(files: &[&str], package: &str, name: &str) -> Result<(), Box<dyn Error>> {
    let mut compiler = protox::Compiler::new(["."])?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(files)?;

    // Encoded by the compiler itself: decoding into prost's types first would drop the HTTP rules, an option that prost does
    // not know.
    let encoded = compiler.encode_file_descriptor_set();
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join(name), &encoded)?;

    let set = only(package, &encoded)?;
    tonic_prost_build::configure().bytes(".").codec_path("crate::codec::SmallBuffers").compile_fds(set)?;
    Ok(())
}

/// Code is generated only for `package`; the imported option types stay in the descriptor set.
fn only(package: &str, encoded: &[u8]) -> Result<tonic_prost_build::FileDescriptorSet, Box<dyn Error>> {
    let mut set = tonic_prost_build::FileDescriptorSet::decode(encoded)?;
    set.file.retain(|file| file.package() == package);
    for file in &mut set.file {
        file.dependency.clear();
    }
    Ok(set)
}
