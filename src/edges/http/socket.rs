//! One WebSocket client: the whole state first, then what changed, and warnings of the log (api.md §3.9).

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use axum::extract::{State as Shared, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::Response;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::api::legacy;

use super::App;
use super::answer::problem;
use super::legacy::Legacy;
use super::story::Step;

/// Clients take a silent server for dead after 20 s; a frame with content comes at least this often.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// A client that does not take a frame within this time is dropped.
const TAKE_WITHIN: Duration = Duration::from_secs(10);
/// Clients have nothing to say; more than this in one message ends the connection.
const MAX_MESSAGE: usize = 4096;

/// Takes a client in, if there is a seat.
pub(super) async fn socket(
    Shared(app): Shared<App>,
    old: Option<Extension<Legacy>>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let Ok(seat) = Arc::clone(&app.sockets).try_acquire_owned() else {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "too many WebSocket clients");
    };
    upgrade
        .max_message_size(MAX_MESSAGE)
        .max_frame_size(MAX_MESSAGE)
        .read_buffer_size(MAX_MESSAGE)
        .on_upgrade(async move |socket| {
            let news = app.door.log.listen();
            tell(socket, app.story, news, app.stop, old.is_some()).await;
            drop(seat);
        })
}

/// Tells a client until it leaves, is too slow, or the service stops. There is no queue: a slow
/// client skips steps and gets the difference to the one that it saw last.
async fn tell(
    mut socket: WebSocket,
    mut story: watch::Receiver<Arc<Step>>,
    mut news: broadcast::Receiver<Arc<str>>,
    stop: CancellationToken,
    old: bool,
) {
    let mut seen: Option<Arc<Step>> = None;
    let mut last_frame = Instant::now();
    story.mark_changed();
    loop {
        let frames = tokio::select! {
            () = stop.cancelled() => break,
            message = socket.recv() => match message {
                None | Some(Err(_) | Ok(Message::Close(_))) => return,
                Some(Ok(_)) => continue,
            },
            () = sleep_until(last_frame + HEARTBEAT) => story.borrow().heartbeat(),
            // The whole state comes first.
            line = news.recv(), if seen.is_some() => match line {
                Ok(line) => Arc::new([Utf8Bytes::from(&*line)]),
                Err(RecvError::Lagged(_)) => continue,
                Err(RecvError::Closed) => break,
            },
            changed = story.changed() => {
                if changed.is_err() {
                    break;
                }
                let step = Arc::clone(&story.borrow_and_update());
                let frames = step.frames(seen.as_deref());
                seen = Some(step);
                frames
            }
        };
        for frame in frames.iter() {
            let frame = if old { before(frame) } else { Some(frame.clone()) };
            let Some(frame) = frame else { continue };
            match timeout(TAKE_WITHIN, socket.send(Message::Text(frame))).await {
                Ok(Ok(())) => last_frame = Instant::now(),
                Ok(Err(_)) => return,
                Err(_) => return close(socket, close_code::POLICY, "too slow").await,
            }
        }
    }
    close(socket, close_code::AWAY, "the service is stopping").await;
}

/// The frame in the old dialect; `None` if nothing of it existed then.
fn before(frame: &Utf8Bytes) -> Option<Utf8Bytes> {
    let now = serde_json::from_str(frame).ok()?;
    Some(legacy::frame(now)?.to_string().into())
}

async fn close(mut socket: WebSocket, code: u16, reason: &'static str) {
    let frame = CloseFrame { code, reason: reason.into() };
    // Whoever does not take the farewell is gone anyway.
    let _ = timeout(Duration::from_secs(1), socket.send(Message::Close(Some(frame)))).await;
}
