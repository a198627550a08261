//! The services: what each is sent, and what its answer means.

use std::sync::Arc;

use serde_json::json;

use crate::config::{
    Carrier, HttpAuth, HttpRequest, MessageEncoding, Sink, encoded as encoded_uri,
};
use crate::model::{Piece, Template};

use super::super::devices::Publish;
use super::super::fetch::{Failure, Fetch};
use super::super::program;

/// Of what a service says to an error, this much is logged.
const SAID_MAX: usize = 200;

/// Why a message was not taken.
pub(super) enum Trouble {
    /// It never will be.
    Refused(String),
    /// Perhaps later.
    Away(String),
}

/// A service that can be sent messages.
pub(super) struct Way {
    carrier: Carrier,
    fetch: Fetch,
    bus: Arc<dyn Publish>,
}

impl Way {
    pub(super) fn new(carrier: &Carrier, fetch: Fetch, bus: Arc<dyn Publish>) -> Self {
        Self { carrier: carrier.clone(), fetch, bus }
    }

    /// Hands a message over and waits until it is taken.
    pub(super) async fn carry(&self, title: &str, msg: &str) -> Result<(), Trouble> {
        if let Carrier::Custom { send, encoding } = &self.carrier {
            return self.write(send, &encoded(*encoding, title, msg)).await;
        }
        match web(&self.carrier, title, msg) {
            Some(request) => self.ask(&request).await,
            None => Ok(()),
        }
    }

    /// Writes a text to a sink of the user's. It stays one payload, one part of an address, one
    /// argument: no shell takes part.
    async fn write(&self, send: &Sink, text: &str) -> Result<(), Trouble> {
        let away = |why: &str| Trouble::Away(why.to_owned());
        if let Sink::Mqtt { topic, payload, retained } = send {
            let payload =
                payload.as_deref().map_or_else(|| text.to_owned(), |payload| filled(payload, text));
            let sent = self.bus.publish(topic, &payload, *retained);
            return if sent { Ok(()) } else { Err(away("not connected to the broker")) };
        }
        if let Sink::Http(request) = send {
            let mut request = HttpRequest::clone(request);
            request.uri = filled(&request.uri, &encoded_uri(text));
            request.body = filled(&request.body, text);
            return self.ask(&request).await;
        }
        if let Sink::Script(command) = send {
            let words: Vec<String> = command.words.iter().map(|word| filled(word, text)).collect();
            let ended = program::run(&words, command.timeout).await;
            return ended.map(drop).map_err(|why| away(&why));
        }
        Err(Trouble::Refused("a text can be sent over MQTT, HTTP or to a script only".to_owned()))
    }

    async fn ask(&self, request: &HttpRequest) -> Result<(), Trouble> {
        let answer = self.fetch.send(request).await.map_err(|failure| match failure {
            Failure::Invalid(why) => Trouble::Refused(why),
            Failure::NoAnswer(_) | Failure::TooLong | Failure::Redirected(_) => {
                Trouble::Away(failure.to_string())
            }
        })?;
        let said = String::from_utf8_lossy(&answer.body);
        let said: String = said.trim().chars().take(SAID_MAX).collect();
        let why = format!("status {} {said}", answer.status);
        match answer.status {
            200..=299 => Ok(()),
            408 | 425 | 429 => Err(Trouble::Away(why)),
            400..=499 => Err(Trouble::Refused(why)),
            _ => Err(Trouble::Away(why)),
        }
    }
}

/// The request of a service of the web; `None` for a sink of the user's.
fn web(carrier: &Carrier, title: &str, msg: &str) -> Option<HttpRequest> {
    // Where there is no headline of its own, it is the first line.
    let both = if title.is_empty() { msg.to_owned() } else { format!("{title}\n{msg}") };
    let plain = json!({ "title": title, "message": msg });
    Some(match carrier {
        Carrier::Custom { .. } => return None,
        Carrier::Ntfy { server, topic, priority, tags, token } => {
            let mut body = json!({ "topic": topic, "message": msg });
            if !title.is_empty() {
                body["title"] = title.into();
            }
            if let Some(priority) = priority {
                body["priority"] = (*priority).into();
            }
            if !tags.is_empty() {
                body["tags"] = tags.clone().into();
            }
            bearing(post(format!("{server}/"), &body), token)
        }
        Carrier::Pushover { app, recipient, devices } => {
            let mut body = json!({ "token": app, "user": recipient, "message": msg });
            if !title.is_empty() {
                body["title"] = title.into();
            }
            if !devices.is_empty() {
                body["device"] = devices.join(",").into();
            }
            post("https://api.pushover.net/1/messages.json".to_owned(), &body)
        }
        Carrier::Telegram { token, chat } => post(
            format!("https://api.telegram.org/bot{token}/sendMessage"),
            &json!({ "chat_id": chat, "text": both }),
        ),
        Carrier::HomeAssistant { server, service, token, insecure } => {
            let mut request = post(format!("{server}/api/services/{service}"), &plain);
            request.insecure = *insecure;
            bearing(request, token)
        }
        Carrier::Gotify { server, token } => {
            let mut request = post(format!("{server}/message"), &plain);
            request.headers.push(("X-Gotify-Key".into(), token.clone()));
            request
        }
        Carrier::Discord { id, token } => post(
            format!("https://discord.com/api/webhooks/{id}/{token}"),
            &json!({ "content": both }),
        ),
        Carrier::Webhook { uri } => post(uri.clone(), &plain),
    })
}

fn post(uri: String, body: &serde_json::Value) -> HttpRequest {
    let mut request = HttpRequest::post(uri, body.to_string());
    request.headers.push(("Content-Type".into(), "application/json".into()));
    request
}

fn bearing(mut request: HttpRequest, token: &str) -> HttpRequest {
    if !token.is_empty() {
        request.auth = HttpAuth::Bearer(token.to_owned());
    }
    request
}

/// A text of the configuration with the message in the place of `${send}`.
fn filled(template: &str, text: &str) -> String {
    let (template, _) = Template::parse(template);
    let piece = |piece: Piece| match piece {
        Piece::Text(text) => text,
        Piece::Value { .. } => text.to_owned(),
    };
    template.pieces.into_iter().map(piece).collect()
}

/// What a sink of the user's is sent (§7.7).
fn encoded(encoding: MessageEncoding, title: &str, msg: &str) -> String {
    match encoding {
        MessageEncoding::Message => msg.to_owned(),
        MessageEncoding::Title => title.to_owned(),
        MessageEncoding::Json if title.is_empty() => json!({ "msg": msg }).to_string(),
        MessageEncoding::Json => json!({ "title": title, "msg": msg }).to_string(),
        MessageEncoding::Csv => [title, msg].map(|text| quoted(text, ',')).join(","),
        MessageEncoding::Tsv => [title, msg].map(|text| quoted(text, '\t')).join("\t"),
    }
}

/// A cell in quotation marks if it needs them.
fn quoted(text: &str, separator: char) -> String {
    match text.contains([separator, '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_has_its_own_request() {
        let telegram = Carrier::Telegram { token: "1:x".into(), chat: -5 };
        let pushover = Carrier::Pushover {
            app: "a".into(),
            recipient: "u".into(),
            devices: vec!["p".into(), "q".into()],
        };
        let discord = Carrier::Discord { id: "7".into(), token: "t".into() };
        for (carrier, uri, body) in [
            (
                &telegram,
                "https://api.telegram.org/bot1:x/sendMessage",
                json!({ "chat_id": -5, "text": "T\nm" }),
            ),
            (
                &pushover,
                "https://api.pushover.net/1/messages.json",
                json!({ "token": "a", "user": "u", "message": "m", "title": "T", "device": "p,q" }),
            ),
            (&discord, "https://discord.com/api/webhooks/7/t", json!({ "content": "T\nm" })),
        ] {
            let request = web(carrier, "T", "m").unwrap();
            assert_eq!((&*request.method, &*request.uri), ("POST", uri));
            assert_eq!(serde_json::from_str::<serde_json::Value>(&request.body).unwrap(), body);
        }
    }

    #[test]
    fn a_sink_is_sent_what_its_encoding_says() {
        for (encoding, text) in [
            (MessageEncoding::Message, "a \"b\", c"),
            (MessageEncoding::Title, "T"),
            (MessageEncoding::Json, r#"{"title":"T","msg":"a \"b\", c"}"#),
            (MessageEncoding::Csv, r#"T,"a ""b"", c""#),
            (MessageEncoding::Tsv, "T\t\"a \"\"b\"\", c\""),
        ] {
            assert_eq!(encoded(encoding, "T", "a \"b\", c"), text);
        }
        assert_eq!(encoded(MessageEncoding::Json, "", "m"), r#"{"msg":"m"}"#);
    }
}
