//! Messages and users' writes: each is carried out at once, and answered once it is stored and told.

use tracing::warn;

use crate::api::{self, Address, Answer, Code};
use crate::edges::answers::{self, Waiting, Writer};
use crate::edges::brain::Brain;
use crate::edges::bus::Message;
use crate::edges::door::OFFS_MAX;
use crate::edges::sessions;
use crate::model::Now;

use super::Run;

/// Writes that may wait for the store; more are refused (design S10).
const WAITING_MAX: usize = 256;

impl Run {
    /// A message is a write, or news of a device or a car.
    pub(super) fn message(&mut self, now: Now, message: &Message) {
        let Message { topic, payload, retain, reply } = message;
        let ours = topic.strip_prefix(&self.root).and_then(|rest| rest.strip_prefix('/'));
        match ours.filter(|rest| rest.ends_with("/set")) {
            Some(below) if *retain => self.discard(message, below),
            Some(below) if api::is_session_topic(below) => {
                if !payload.is_empty() {
                    self.publish(topic.clone(), Vec::new(), true);
                    sessions::correct(&self.store, &self.corrections, message, below);
                }
            }
            Some(below) => {
                let Brain { control, system, .. } = &mut self.brain;
                let Some(answer) = api::write_topic(control, system, now, below, payload) else {
                    return;
                };
                // Clients that retain their commands rely on this (api.md §2.1).
                self.publish(topic.clone(), Vec::new(), true);
                let address = Address::of_topic(below).ok();
                let to = Writer::Mqtt(topic.clone(), reply.clone());
                self.wait(Waiting { address, answer, to });
            }
            None => {
                self.devices.message(topic, payload, *retain);
                if let Some(remark) = self.brain.message(now, topic, payload, *retain) {
                    warn!("{remark}");
                }
            }
        }
    }

    /// A command of unknown age is deleted, not executed (api.md §1.4).
    fn discard(&mut self, message: &Message, below: &str) {
        let Message { topic, payload, reply, .. } = message;
        if payload.is_empty() {
            return;
        }
        warn!("deleted a retained command on {below}: commands must not be retained");
        self.publish(topic.clone(), Vec::new(), true);
        let why = "retained commands of unknown age are deleted, send it again without retain";
        let answer = Answer::refusal(Code::Refused, why);
        let to = Writer::Mqtt(topic.clone(), reply.clone());
        self.answer(Waiting { address: None, answer, to });
    }

    /// Queues a writer until its value is stored and told. Whoever has switched off a load point has a
    /// place of its own: what it wanted is in force already, and nobody shall think otherwise.
    pub(super) fn wait(&mut self, mut waiting: Waiting) {
        let off = waiting.address.as_ref().is_some_and(|at| api::switched_off(at, &waiting.answer));
        let room = if off { WAITING_MAX + OFFS_MAX } else { WAITING_MAX };
        if self.waiting.len() >= room {
            waiting.answer =
                Box::new(waiting.answer.not_stored("not stored: too many writes are waiting"));
            return self.answer(waiting);
        }
        self.waiting.push(waiting);
    }

    /// Confirms the value that is in force, then answers.
    pub(super) fn answer(&mut self, waiting: Waiting) {
        let Waiting { address, answer, to } = waiting;
        let now = self.clock.now();
        let refused = !answer.ok() && answer.code != Code::NotStored;
        match to {
            Writer::Mqtt(topic, reply) => {
                if refused {
                    self.refused(now, &topic, "mqtt", &answer);
                }
                let off = address.as_ref().is_some_and(|at| api::switched_off(at, &answer));
                if let Some(address) = address.filter(|_| answer.ok()) {
                    for (topic, payload) in self.told.topics_of(&address) {
                        self.publish(self.below_root(&topic), payload.into_bytes(), true);
                    }
                }
                if let Some(bus) = &self.bus {
                    answers::complain(bus, &self.root, &topic, &answer, now);
                    answers::answer(bus, &self.root, &topic, reply, &answer, off);
                }
            }
            Writer::Rest(sender) => {
                if let Some(address) = address.filter(|_| refused) {
                    let topic = self.below_root(&format!("{}/set", address.topic()));
                    self.refused(now, &topic, "rest", &answer);
                }
                drop(sender.send(answer));
            }
        }
    }
}
