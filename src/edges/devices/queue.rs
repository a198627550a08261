//! The commands that wait at one charger: newest set-point wins, current before enable, off first.

use std::collections::VecDeque;

use crate::model::ChargerCommand;

/// At most one command of each kind, in the order in which they are to be carried out.
#[derive(Debug, Default)]
pub(super) struct Queue(VecDeque<ChargerCommand>);

impl Queue {
    /// Adds a command. A waiting one of the same kind is superseded and never carried out.
    pub(super) fn push(&mut self, command: ChargerCommand) {
        let place = self.0.iter().position(|waiting| same_kind(waiting, &command));
        match command {
            ChargerCommand::Enable(on) => {
                if let Some(place) = place {
                    self.0.remove(place);
                }
                if on { self.0.push_back(command) } else { self.0.push_front(command) }
            }
            ChargerCommand::MaxCurrent(_)
            | ChargerCommand::Phases(_)
            | ChargerCommand::WakeUp
            | ChargerCommand::Renew => match place.and_then(|place| self.0.get_mut(place)) {
                Some(waiting) => *waiting = command,
                None => self.0.insert(self.place_of(&command), command),
            },
        }
    }

    /// The command to carry out next.
    pub(super) fn pop(&mut self) -> Option<ChargerCommand> {
        self.0.pop_front()
    }

    /// At the end, but a current never behind the release that it is for.
    fn place_of(&self, command: &ChargerCommand) -> usize {
        let release = |waiting: &ChargerCommand| {
            matches!(command, ChargerCommand::MaxCurrent(_))
                && *waiting == ChargerCommand::Enable(true)
        };
        self.0.iter().position(release).unwrap_or(self.0.len())
    }
}

fn same_kind(a: &ChargerCommand, b: &ChargerCommand) -> bool {
    std::mem::discriminant(a) == std::mem::discriminant(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Amps;
    use ChargerCommand::{Enable, MaxCurrent, Phases, Renew, WakeUp};

    #[test]
    fn order_and_supersession() {
        let six = MaxCurrent(Amps(6.0));
        let ten = MaxCurrent(Amps(10.0));
        for (pushed, expected) in [
            (vec![six, ten], vec![ten]),
            (vec![six, Enable(true), ten], vec![ten, Enable(true)]),
            (vec![Enable(true), ten], vec![ten, Enable(true)]),
            (vec![ten, Enable(true), Enable(false)], vec![Enable(false), ten]),
            (vec![ten, Phases(1), Enable(false), Phases(3)], vec![Enable(false), ten, Phases(3)]),
            (vec![Enable(false), six, Enable(true)], vec![six, Enable(true)]),
            (vec![Renew, Renew, WakeUp, Renew], vec![Renew, WakeUp]),
            (vec![six, Enable(true), WakeUp, ten], vec![ten, Enable(true), WakeUp]),
        ] {
            let mut queue = Queue::default();
            pushed.iter().for_each(|command| queue.push(*command));
            let order: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
            assert_eq!(order, expected, "{pushed:?}");
        }
    }
}
