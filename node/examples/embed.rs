//! How a program embeds a node: one publishes, another finds it by ticket, searches and installs.
//!
//! `cargo run -p catalog-node --example embed`

use std::error::Error;
use std::fs;

use catalog::manifest::Manifest;
use catalog_node::{Node, NodeConfig};

const MANIFEST: &str = r#"schema = 1
[package]
name = "hello"
version = "1.0.0"
kind = "client"
summary = "Says hello to the graph"
license = "MIT"

[[variant]]
id = "any"
files = ["hello.txt"]
"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let config =
        |name: &str| NodeConfig::at(&dir.path().join(name)).listen(([127, 0, 0, 1], 0).into());
    let acme = Node::builder(config("acme")).spawn().await?;
    let user = Node::builder(config("user")).spawn().await?;

    // Publish: what the manifest names, signed by an identity that is made on the spot.
    acme.init(Some("acme".parse()?)).await?;
    fs::write(dir.path().join("hello.txt"), "hello\n")?;
    let path = dir.path().join("catalog.toml");
    fs::write(&path, MANIFEST)?;
    let (manifest, _warnings) =
        Manifest::parse(MANIFEST, &path).map_err(|found| found[0].message.clone())?;
    let draft = manifest.draft(dir.path()).map_err(|found| found[0].message.clone())?;
    let published = acme.publish(draft).progress(|step| eprintln!("{step:?}")).await?;
    println!("published {}", published.reference);

    // A ticket is all that another node needs.
    let connected = user.connect(&acme.ticket().await?).await?;
    println!("received {} records", connected.sync.records_new);

    // Search is local and forgives typing errors; install fetches the variant that fits.
    let found = user.search("helo graph").limit(5).await?;
    let installed = user.install(&found.hits[0].reference.parse()?).await?;
    let path = installed.path.ok_or("it was not lazy")?;
    println!("installed {}: {}", installed.reference, fs::read_to_string(path.join("hello.txt"))?);

    user.shutdown().await?;
    acme.shutdown().await?;
    Ok(())
}
