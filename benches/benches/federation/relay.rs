//! Peers that spoil searches: each stands before a real node, passes on what is said, and is late,
//! silent or a liar when it is asked to search.
//!
//! It speaks the protocol with messages of its own, so that a change of their bytes shows here.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use catalog::permission::NodeId;
use catalog::signature::SecretKey as SigningKey;
use catalog::statement::{SealedStatement, Statement};
use catalog_node::Ticket;
use catalog_tests::dice::Dice;
use iroh::endpoint::{Connection, PortmapperConfig, RecvStream, SendStream, presets};
use iroh::{Endpoint, EndpointAddr, EndpointId, SecretKey};
use serde::{Deserialize, Serialize};
use tokio::io;

const ALPN: &[u8] = b"catalog/1";
/// The first byte of a question for packages.
const SEARCH: u8 = 3;
/// How late a slow peer is, in milliseconds: mostly too late.
const LATE_MS: std::ops::Range<u64> = 300..1500;

/// How a peer spoils searches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// It never answers: the worst way to be dead.
    Silent,
    /// It answers late.
    Slow,
    /// It adds releases that it signed in the name of others.
    Forges,
    /// It sends genuine releases that have nothing to do with the question, and counts of its fancy.
    Invents,
}

/// A peer that spoils searches.
pub struct Relay {
    node: NodeId,
    addrs: Vec<SocketAddr>,
    accepts: tokio::task::JoinHandle<()>,
}

/// Genuine records to mislead with: a release beside the inception that proves it.
pub type Decoys = Arc<Vec<[Vec<u8>; 2]>>;

struct Behaviour {
    manner: Manner,
    decoys: Decoys,
    dice: Mutex<Dice>,
}

/// An answer to a question, as it travels.
#[derive(Serialize, Deserialize)]
enum Reply {
    Found { inceptions: Vec<Vec<u8>>, releases: Vec<Vec<u8>>, counts: Option<Counts> },
    Busy,
}

#[derive(Serialize, Deserialize)]
struct Counts {
    documents: u64,
    tokens: [u64; 4],
    readings: Vec<[u64; 4]>,
}

impl Relay {
    /// Stands before the node of `ticket`.
    pub async fn before(ticket: &Ticket, manner: Manner, decoys: &Decoys, seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let key = SecretKey::from_bytes(&dice.bytes(32).try_into().unwrap());
        let endpoint = Endpoint::builder(presets::Minimal)
            .secret_key(key.clone())
            .alpns(vec![ALPN.to_vec()])
            .clear_ip_transports()
            .portmapper_config(PortmapperConfig::Disabled)
            .bind_addr((std::net::Ipv4Addr::LOCALHOST, 0))
            .unwrap()
            .bind()
            .await
            .unwrap();
        let addrs = endpoint.bound_sockets();
        let node = NodeId::from_bytes(*key.public().as_bytes());
        let theirs = EndpointId::from_bytes(ticket.node().as_bytes()).unwrap();
        let theirs = ticket
            .addrs()
            .iter()
            .fold(EndpointAddr::new(theirs), |addr, &socket| addr.with_ip_addr(socket));
        let behaviour =
            Arc::new(Behaviour { manner, decoys: decoys.clone(), dice: Mutex::new(dice) });
        let accepts = tokio::spawn(async move {
            while let Some(incoming) = endpoint.accept().await {
                let Ok(connection) = incoming.await else { continue };
                let behind = endpoint.connect(theirs.clone(), ALPN).await.unwrap();
                tokio::spawn(converse(connection, behind, behaviour.clone()));
            }
        });
        Self { node, addrs, accepts }
    }

    pub fn ticket(&self) -> Ticket {
        Ticket::new(self.node, self.addrs.clone())
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepts.abort();
    }
}

async fn converse(connection: Connection, behind: Connection, behaviour: Arc<Behaviour>) {
    while let Ok((send, receive)) = connection.accept_bi().await {
        let (behind, behaviour) = (behind.clone(), behaviour.clone());
        // Who hangs up in the middle has its reasons.
        tokio::spawn(async move { pass(send, receive, &behind, &behaviour).await.ok() });
    }
}

/// Passes on one question and its answer.
async fn pass(
    mut send: SendStream,
    mut receive: RecvStream,
    behind: &Connection,
    behaviour: &Behaviour,
) -> io::Result<()> {
    let question = frame(&mut receive).await?;
    let is_search = question.first() == Some(&SEARCH);
    if is_search {
        behaviour.wait().await;
    }
    let (mut up, mut down) = behind.open_bi().await?;
    io::AsyncWriteExt::write_all(&mut up, &framed(&question)).await?;
    if is_search {
        up.finish().ok();
        let answer = behaviour.spoil(frame(&mut down).await?);
        io::AsyncWriteExt::write_all(&mut send, &framed(&answer)).await?;
        send.finish().ok();
        return Ok(());
    }
    let there = async {
        io::copy(&mut receive, &mut up).await.ok();
        up.finish().ok();
    };
    let back = async {
        io::copy(&mut down, &mut send).await.ok();
        send.finish().ok();
    };
    tokio::join!(there, back);
    Ok(())
}

async fn frame(from: &mut RecvStream) -> io::Result<Vec<u8>> {
    let length = io::AsyncReadExt::read_u32(from).await?;
    let mut body = vec![0; length as usize];
    io::AsyncReadExt::read_exact(from, &mut body).await?;
    Ok(body)
}

fn framed(body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32).to_be_bytes(), body].concat()
}

impl Behaviour {
    async fn wait(&self) {
        match self.manner {
            Manner::Silent => std::future::pending().await,
            Manner::Slow => {
                let late = self.dice.lock().unwrap().pick(LATE_MS);
                tokio::time::sleep(Duration::from_millis(late)).await;
            }
            Manner::Forges | Manner::Invents => {}
        }
    }

    fn spoil(&self, answer: Vec<u8>) -> Vec<u8> {
        let mut reply: Reply = postcard::from_bytes(&answer).unwrap();
        let Reply::Found { inceptions, releases, counts } = &mut reply else { return answer };
        let mut dice = self.dice.lock().unwrap();
        match self.manner {
            Manner::Silent | Manner::Slow => return answer,
            Manner::Forges => {
                let [release, inception] = &self.decoys[0];
                let release = releases.first().unwrap_or(release);
                let forged = forged(release);
                releases.truncate(19);
                releases.insert(0, forged);
                if inceptions.is_empty() {
                    inceptions.push(inception.clone());
                }
            }
            Manner::Invents => {
                (*inceptions, *releases) = (Vec::new(), Vec::new());
                for _ in 0..20 {
                    let at = dice.pick(0..self.decoys.len() as u64) as usize;
                    let [release, inception] = self.decoys[at].clone();
                    if !releases.contains(&release) {
                        releases.push(release);
                        inceptions.push(inception);
                    }
                }
                if let Some(counts) = counts {
                    counts.documents = dice.roll();
                    counts.tokens = [dice.roll(); 4];
                    counts.readings.iter_mut().for_each(|row| *row = [dice.roll(); 4]);
                }
            }
        }
        postcard::to_stdvec(&reply).unwrap()
    }
}

/// The same release with other words, signed by a thief.
fn forged(release: &[u8]) -> Vec<u8> {
    let sealed = SealedStatement::decode(release).unwrap();
    let statement = Statement::decode(sealed.kind(), sealed.body()).unwrap();
    let Statement::Release(mut release) = statement else { unreachable!("answers are releases") };
    release.summary = "The one that you want".to_owned();
    let thief = SigningKey::from_bytes(&[66; 32]);
    SealedStatement::seal(&Statement::Release(release), &thief).unwrap().encode()
}
