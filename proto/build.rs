//! Compiles the contract with a compiler written in Rust: no `protoc` to install.

use std::path::PathBuf;
use std::{env, fs};

use prost::Message as _;

const FILES: [&str; 6] =
    ["product.proto", "cart.proto", "inventory.proto", "payment.proto", "checkout.proto", "orders.proto"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(FILES, ["proto"])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
