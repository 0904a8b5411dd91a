//! Takes the files of Swagger UI that a page needs out of their archive, compressed as browsers take them.

use std::borrow::Cow;
use std::env;
use std::fs::File;
use std::io::{self, Cursor};
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;
use zip::ZipArchive;

const FILES: [&str; 2] = ["swagger-ui-bundle.js", "swagger-ui.css"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut archive = ZipArchive::new(Cursor::new(SWAGGER_UI_VENDORED))?;
    for file in FILES {
        let end = format!("/dist/{file}");
        let names =
            archive.file_names().map(|name| name.map(Cow::into_owned)).collect::<Result<Vec<_>, _>>()?;
        let found: Vec<_> = names.iter().filter(|name| name.ends_with(&end)).collect();
        let [name] = found.as_slice() else {
            return Err(format!("wanted one {end} in the archive of Swagger UI, found {found:?}").into());
        };
        let mut packed = GzEncoder::new(File::create(out.join(format!("{file}.gz")))?, Compression::best());
        io::copy(&mut archive.by_name(name)?, &mut packed)?;
        packed.finish()?;
    }
    Ok(())
}
