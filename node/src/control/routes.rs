//! The table of requests, and how each is answered over HTTP.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio_util::sync::CancellationToken;

use super::blame::Blame;
use super::code::{Code, Exit};
use super::failure::Failure;
use super::requests::{self as ask, Answer, AnswerAtLength, Request};
use super::serve::Http;
use super::{API_VERSION, stream};
use crate::Node;
use crate::metrics;

/// What every answer is made from.
#[derive(Clone)]
pub(super) struct Site {
    node: Node,
    stop: CancellationToken,
    http: Option<Http>,
}

/// Every request a node answers.
pub(super) fn router(node: Node, stop: CancellationToken, http: Option<Http>) -> Router {
    let table = Table::new()
        .short::<ask::Init>()
        .short::<ask::Search>()
        .short::<ask::Info>()
        .short::<ask::Explain>()
        .short::<ask::Sources>()
        .short::<ask::List>()
        .short::<ask::Path>()
        .short::<ask::Remove>()
        .short::<ask::Rollback>()
        .short::<ask::Channel>()
        .short::<ask::Yank>()
        .short::<ask::Grant>()
        .short::<ask::Revoke>()
        .short::<ask::Grants>()
        .short::<ask::Attest>()
        .short::<ask::HandOver>()
        .short::<ask::Carry>()
        .short::<ask::Prove>()
        .short::<ask::Conflicts>()
        .short::<ask::Resolve>()
        .short::<ask::PeerList>()
        .short::<ask::PeerAdd>()
        .short::<ask::PeerRemove>()
        .short::<ask::PeerPing>()
        .short::<ask::PeerTicket>()
        .short::<ask::Sync>()
        .short::<ask::Changes>()
        .short::<ask::Keys>()
        .short::<ask::Trust>()
        .short::<ask::Untrust>()
        .short::<ask::Gc>()
        .short::<ask::Limits>()
        .short::<ask::Credits>()
        .short::<ask::Stats>()
        .short::<ask::MirrorMode>()
        .short::<ask::MirrorDrop>()
        .short::<ask::MirrorList>()
        .short::<ask::MirrorStatus>()
        .short::<ask::MirrorPlan>()
        .short::<ask::MirrorExplain>()
        .short::<ask::Status>()
        .short::<ask::Doctor>()
        .long::<ask::SearchLive>()
        .long::<ask::Publish>()
        .long::<ask::Install>()
        .long::<ask::Update>()
        .long::<ask::Fetch>()
        .long::<ask::MirrorAdd>()
        .long::<ask::Verify>()
        .long::<ask::IndexRebuild>();
    table
        .0
        .route(&path(ask::Cat::NAME), post(cat))
        .route(&path(ask::Stop::NAME), post(end))
        .route(&path(ask::Served::NAME), post(served))
        // Where everybody who collects metrics looks for them.
        .route("/metrics", get(measured))
        .with_state(Site { node, stop, http })
}

fn path(name: &str) -> String {
    format!("/v{API_VERSION}/{name}")
}

struct Table(Router<Site>);

impl Table {
    fn new() -> Self {
        Self(Router::new())
    }

    fn short<Q: Answer>(self) -> Self {
        Self(self.0.route(&path(Q::NAME), post(answer::<Q>)))
    }

    fn long<Q: AnswerAtLength>(self) -> Self {
        Self(self.0.route(&path(Q::NAME), post(answer_at_length::<Q>)))
    }
}

async fn answer<Q: Answer>(State(site): State<Site>, body: Bytes) -> Result<Response, Failure> {
    written(&read::<Q>(&body)?.answer(&site.node).await?)
}

fn written(reply: &impl serde::Serialize) -> Result<Response, Failure> {
    let body = serde_json::to_vec(reply).map_err(|error| Failure::of(Code::INTERNAL, &error))?;
    Ok(of_type("application/json", Body::from(body)))
}

async fn answer_at_length<Q: AnswerAtLength>(
    State(site): State<Site>,
    body: Bytes,
) -> Result<Response, Failure> {
    let request = read::<Q>(&body)?;
    let work = |reporter| request.answer(site.node, reporter);
    Ok(of_type("application/x-ndjson", stream::body(work)))
}

async fn cat(State(site): State<Site>, body: Bytes) -> Result<Response, Failure> {
    let bytes = read::<ask::Cat>(&body)?.open(&site.node).await?;
    Ok(of_type("application/octet-stream", bytes))
}

async fn served(State(site): State<Site>) -> Result<Response, Failure> {
    written(&site.http)
}

async fn measured(State(site): State<Site>) -> Result<Response, Failure> {
    let stats = site.node.stats().await.map_err(|error| error.blame())?;
    Ok(of_type(metrics::MEDIA_TYPE, metrics::text(&site.node, &stats).into()))
}

async fn end(State(site): State<Site>) -> Result<Response, Failure> {
    site.stop.cancel();
    written(&())
}

fn read<Q: serde::de::DeserializeOwned>(body: &[u8]) -> Result<Q, Failure> {
    serde_json::from_slice(body)
        .map_err(|error| Failure::new(Code::USAGE, "the request cannot be read").cause(error))
}

fn of_type(media: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
    response
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = match self.exit {
            Exit::Ok | Exit::Failed | Exit::Integrity | Exit::Interrupted => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Exit::Usage => StatusCode::BAD_REQUEST,
            Exit::NotFound => StatusCode::NOT_FOUND,
            Exit::NothingFits => StatusCode::UNPROCESSABLE_ENTITY,
            Exit::Network => StatusCode::BAD_GATEWAY,
            Exit::NotPermitted => StatusCode::FORBIDDEN,
            Exit::Disk => StatusCode::INSUFFICIENT_STORAGE,
            Exit::Busy => StatusCode::SERVICE_UNAVAILABLE,
        };
        let body = serde_json::json!({ "error": self }).to_string();
        (status, of_type("application/json", Body::from(body))).into_response()
    }
}
