//! What happens in the demo, step by step, and the numbers that prove it.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Instant;

use catalog::digest::Digest;
use catalog::size::ByteSize;
use catalog_node::control::requests::{
    Choice, Drafted, Explain, Gc, Init, Install, LongRequest, PeerAdd, PeerRemove, PeerTicket,
    Publish, Remove, Request, Search, Verify,
};
use catalog_node::control::{Code, Control, Failure};
use catalog_node::{Installed, NodeConfig};
use serde::Serialize;

use super::{Teller, sample};
use crate::line::{Line, paragraph};
use crate::stop::Stop;

/// What an install may move beyond its variant: two parts in a hundred for proofs, and the list of
/// its files.
const OVERHEAD_PERCENT: u64 = 2;
const OVERHEAD_BYTES: u64 = 64 << 10;
/// What learning of one release may move.
const RECORDS_BYTES_MAX: u64 = 64 << 10;

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Proof {
    /// All three variants.
    pub release: ByteSize,
    /// What it took to learn of the release.
    pub records: ByteSize,
    /// The variant that was installed.
    pub variant: ByteSize,
    /// What came over the wire for it.
    pub moved: ByteSize,
    /// The variants that stayed where they were.
    pub spared: ByteSize,
    /// How long all of it took.
    pub seconds: f64,
}

/// A node with a home of its own.
struct Machine {
    home: PathBuf,
    control: Control,
}

impl Machine {
    async fn start(dir: &Path, name: &str) -> Result<Self, Stop> {
        let home = dir.join(name);
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let config = NodeConfig::at(&home).listen(loopback);
        let node = Control::spawn(&config, |_| ()).await?;
        node.online().await.map_err(Failure::from)?;
        Ok(Self { home, control: Control::local(node) })
    }

    async fn ask<Q: Request>(&self, request: Q) -> Result<Q::Reply, Failure> {
        self.control.ask(&request).await
    }

    async fn follow<Q: LongRequest>(&self, request: Q) -> Result<Q::Reply, Failure> {
        self.control.follow(&request, |_| ()).await
    }

    async fn install(&self, reference: &str) -> Result<Installed, Failure> {
        let choice = Choice::default();
        let reference = reference.to_owned();
        let (lazy, dry_run, background) = (false, false, false);
        self.follow(Install { reference, lazy, dry_run, background, strategy: None, choice }).await
    }

    /// Meets the node of a ticket; answers what its records weighed.
    async fn meet(&self, ticket: &str) -> Result<u64, Failure> {
        Ok(self.ask(PeerAdd { ticket: ticket.to_owned() }).await?.sync.bytes_in)
    }

    /// Where this node keeps the content of that digest.
    fn content(&self, digest: &Digest) -> PathBuf {
        self.home.join("data/blobs/data").join(format!("{digest}.data"))
    }
}

/// Plays all of it.
pub async fn run(dir: &Path, teller: &Teller<'_>) -> Result<Proof, Stop> {
    let began = Instant::now();
    teller.step(1, "Three nodes, each with its own home, on loopback: acme, relay, desk")?;
    let acme = Machine::start(dir, "acme").await?;
    let relay = Machine::start(dir, "relay").await?;
    let desk = Machine::start(dir, "desk").await?;
    teller.result(format!("running below {}", dir.display()))?;

    let release = publish(dir, &acme, teller).await?;
    let records = introduce(&acme, &relay, &desk, teller).await?;
    let reference = find(&desk, teller).await?;
    let installed = install(&desk, &reference, release, teller).await?;
    damage(&relay, &desk, &reference, &installed, teller).await?;

    let variant = installed.size;
    for machine in [desk, relay, acme] {
        machine.control.close().await;
    }
    Ok(Proof {
        release,
        records: ByteSize::bytes(records),
        variant,
        moved: ByteSize::bytes(installed.bytes_moved),
        spared: ByteSize::bytes(release.as_u64() - variant.as_u64()),
        seconds: began.elapsed().as_secs_f64(),
    })
}

/// Acme signs one release with three variants. Answers the size of all of them.
async fn publish(dir: &Path, acme: &Machine, teller: &Teller<'_>) -> Result<ByteSize, Stop> {
    teller.step(2, "Publish once, with a variant for each kind of hardware")?;
    teller.command("acme", "init --alias acme")?;
    let owner = acme.ask(Init { alias: Some("acme".to_owned()) }).await?;
    teller.result(format!("key {}", owner.fingerprint))?;
    let package = dir.join("notes-index");
    sample::write(&package).map_err(|error| cannot("write the sample", &error))?;
    teller.command("acme", "publish -y")?;
    let from = Drafted::Manifest(package.join("catalog.toml"));
    let reply = acme.follow(Publish { from, dry_run: false }).await?;
    let published = reply.published;
    let sizes = published.variants.iter().map(|variant| format!("{} {}", variant.id, variant.size));
    let sizes = sizes.collect::<Vec<_>>().join(", ");
    teller.result(format!("{}: {sizes}; {} in all", published.reference, published.bytes))?;
    Ok(published.bytes)
}

/// The others get to know acme and each other by tickets. Answers what the desk had to read.
async fn introduce(
    acme: &Machine,
    relay: &Machine,
    desk: &Machine,
    teller: &Teller<'_>,
) -> Result<u64, Stop> {
    teller.step(3, "Meet by ticket; the signed records come along, the files do not")?;
    teller.command("relay", "peer add catalog1…   (what `catalog peer ticket` printed at acme)")?;
    let from_acme = acme.ask(PeerTicket {}).await?;
    relay.meet(&from_acme).await?;
    relay.install("acme/notes-index").await?;
    teller
        .result("relay knows acme, and installed its own variant: now two nodes have that one")?;
    teller.command("desk", "peer add catalog1…")?;
    let records = desk.meet(&from_acme).await?;
    desk.meet(&relay.ask(PeerTicket {}).await?).await?;
    expect(records <= RECORDS_BYTES_MAX, "records weigh more than 64 KiB")?;
    teller.result(format!("desk learnt of everything acme signed: {records} bytes"))?;
    Ok(records)
}

/// The desk searches with two typing mistakes, and asks why.
async fn find(desk: &Machine, teller: &Teller<'_>) -> Result<String, Stop> {
    teller.step(4, "Find it, with typing mistakes, and see which variant fits and why")?;
    teller.command("desk", "search \"notse indx\" --fits this")?;
    let search = Search {
        text: "notse indx".to_owned(),
        fits: Some(catalog_node::control::requests::Fits::Here),
        limit: 5,
        ..Search::default()
    };
    let found = desk.ask(search).await?;
    let hit = found.hits.first().ok_or_else(|| broken("the search found nothing"))?;
    let fit = hit.fit.map(|fit| fit.as_str()).unwrap_or_default();
    teller.result(format!(
        "{} {}   {}   fits this machine: {fit}",
        hit.reference, hit.version, hit.summary
    ))?;
    teller.command("desk", &format!("explain {}", hit.reference))?;
    let reference = hit.reference.clone();
    let explain = Explain { reference: reference.clone(), choice: Choice::default() };
    for line in paragraph(&desk.ask(explain).await?.text) {
        teller.tell(Line::from("     ").join(line))?;
    }
    Ok(reference)
}

/// The desk installs; only its variant moves.
async fn install(
    desk: &Machine,
    reference: &str,
    release: ByteSize,
    teller: &Teller<'_>,
) -> Result<Installed, Stop> {
    teller.step(5, "Install: one variant moves, verified, from both nodes that have it")?;
    teller.command("desk", &format!("install {reference}"))?;
    let installed = desk.install(reference).await?;
    let (size, moved) = (installed.size.as_u64(), installed.bytes_moved);
    let most = size + size * OVERHEAD_PERCENT / 100 + OVERHEAD_BYTES;
    expect(moved >= size && moved <= most, "more moved than one variant")?;
    teller.result(format!(
        "{}#{}, {} files: variant {size} bytes, moved {moved} ({:+.2} %), of {} published",
        installed.reference,
        installed.variant,
        installed.files,
        100.0 * (moved as f64 / size as f64 - 1.0),
        release,
    ))?;
    let path = installed.path.clone().ok_or_else(|| broken("nothing was installed"))?;
    let bytes = fs::read(path.join(sample::PROGRAM)).map_err(|error| cannot("read it", &error))?;
    let source = desk.home.with_file_name("notes-index/dist").join(installed.variant.as_str());
    let original =
        fs::read(source.join(sample::PROGRAM)).map_err(|error| cannot("read it", &error))?;
    expect(bytes == original, "other bytes were installed than published")?;
    teller.result("the installed program is the published one, byte for byte")?;
    Ok(installed)
}

/// A bit rots at the relay: the desk refuses its copy, the relay finds and mends it.
async fn damage(
    relay: &Machine,
    desk: &Machine,
    reference: &str,
    installed: &Installed,
    teller: &Teller<'_>,
) -> Result<(), Stop> {
    teller
        .step(6, "One bit flips on the relay's disk, and the desk must fetch from there alone")?;
    let path = installed.path.as_ref().ok_or_else(|| broken("nothing was installed"))?;
    let (digest, _) = File::open(path.join(sample::PROGRAM))
        .and_then(Digest::of_reader)
        .map_err(|error| cannot("read it", &error))?;
    flip(&relay.content(&digest)).map_err(|error| cannot("flip a bit", &error))?;
    teller.command(
        "desk",
        &format!("remove {reference} && catalog gc && catalog peer remove acme"),
    )?;
    desk.ask(Remove { reference: reference.to_owned() }).await?;
    desk.ask(Gc { dry_run: false }).await?;
    desk.ask(PeerRemove { peer: "acme".to_owned() }).await?;
    teller.command("desk", &format!("install {reference}"))?;
    match desk.install(reference).await {
        Ok(_) => return Err(broken("wrong bytes were installed").into()),
        Err(failure) => {
            let cause = failure.cause.first().cloned().unwrap_or_default();
            teller.result(format!("refused: {} ({cause})", failure.message))?;
        }
    }
    teller.command("relay", "verify --repair")?;
    let found = relay.follow(Verify { repair: false }).await?;
    expect(found.faults.iter().any(|fault| !fault.repaired), "the flipped bit was not found")?;
    let mended = relay.follow(Verify { repair: true }).await?;
    expect(mended.is_clean(), "the flipped bit was not mended")?;
    teller.result(format!("found in blob {}, fetched again from acme", digest.short()))?;
    teller.command("desk", &format!("install {reference}"))?;
    desk.install(reference).await?;
    teller.result("installed from the relay, acme not needed")?;
    Ok(())
}

/// Flips one bit in the middle of a file.
fn flip(path: &Path) -> io::Result<()> {
    let mut file = File::options().read(true).write(true).open(path)?;
    let middle = file.metadata()?.len() / 2;
    let mut byte = [0];
    file.seek(SeekFrom::Start(middle))?;
    file.read_exact(&mut byte)?;
    file.seek(SeekFrom::Start(middle))?;
    file.write_all(&[byte[0] ^ 1])
}

fn expect(holds: bool, otherwise: &str) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(broken(otherwise)) }
}

fn broken(what: &str) -> Failure {
    Failure::new(Code::INTERNAL, format_args!("the demo did not go as it should: {what}"))
        .hint("catalog demo --keep leaves the folder for a closer look")
}

fn cannot(what: &str, error: &io::Error) -> Failure {
    Failure::new(Code::IO, format_args!("cannot {what}")).caused_by(Some(error))
}
