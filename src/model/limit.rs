//! What limits the load: circuits as a tree, and the grid operator (control.md §22, §23).

use std::time::Duration;

use super::{Amps, MeterIx, Percent, Phase, Watts};

/// A circuit by its position in [`LimitSetup::circuits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CircuitIx(pub usize);

/// Everything that limits the load; the default limits nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LimitSetup {
    /// A tree with exactly one root; `config` guarantees it. Parents may stand behind children.
    pub circuits: Vec<CircuitSetup>,
    /// How the grid operator limits the consumption, if it can.
    pub operator: Option<OperatorSetup>,
    /// How the grid operator limits the feed-in, if it can.
    pub feed_in: Option<FeedInSetup>,
}

/// One circuit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CircuitSetup {
    /// Name of the configuration; part of topics.
    pub name: String,
    /// Title for people; may be empty.
    pub title: String,
    /// The circuit that feeds it; `None` for the root.
    pub parent: Option<CircuitIx>,
    /// What measures it; without a meter the sum of what is below it counts.
    pub meter: Option<MeterIx>,
    /// The fuse, per phase.
    pub max_current: Option<Amps>,
    /// Limit of the power.
    pub max_power: Option<Watts>,
    /// A measurement counts this long, at most 60 s; `None` = by its usual period (design S2).
    pub timeout: Option<Duration>,
}

/// How the grid operator limits the consumption (§14a EnWG).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OperatorSetup {
    /// The limit while the relay is closed.
    pub max_power: Watts,
    /// The limit once the signal is lost.
    pub fail_safe: Watts,
    /// The signal is lost after this time without a message; `None` = it never is.
    pub timeout: Option<Duration>,
}

/// How the grid operator limits the feed-in (§9 EEG).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FeedInSetup {
    /// What can be produced at most, 100 %; `None` if nobody said.
    pub nominal: Option<Watts>,
    /// The limit once the signal is lost; `None` = what was heard last holds.
    pub fail_safe: Option<Percent>,
    /// The signal is lost after this time without a message; `None` = it never is.
    pub timeout: Option<Duration>,
}

/// The contacts of a control box by the FNN (control.md §23.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedInContact {
    /// Nothing may be fed in.
    W3,
    /// 30 %.
    S2,
    /// 60 %.
    S1,
}

impl FeedInContact {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::W3, Self::S2, Self::S1];

    /// Its name on the box and in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::W3 => "W3",
            Self::S2 => "S2",
            Self::S1 => "S1",
        }
    }

    /// How much may be fed in while it is closed.
    pub fn percent(self) -> Percent {
        match self {
            Self::W3 => Percent(0.0),
            Self::S2 => Percent(30.0),
            Self::S1 => Percent(60.0),
        }
    }
}

/// What the grid operator says of the consumption.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum OperatorSignal {
    /// The limit of the consumption; 0 is none.
    Limit(Watts),
    /// The relay is closed: the configured limit holds.
    Closed(bool),
}

/// What the grid operator says of the feed-in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FeedInSignal {
    /// How much of what can be produced may be fed in; 100 % is no limit.
    Share(Percent),
    /// A contact is closed.
    Contact(FeedInContact, bool),
}

/// How a load point is connected.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Wiring {
    /// The circuit that feeds it.
    pub circuit: Option<CircuitIx>,
    /// Which phases of the grid its phases are.
    pub rotation: Rotation,
}

/// Which phases of the grid L1, L2 and L3 of a charger are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rotation {
    /// As they are.
    #[default]
    L1L2L3,
    /// L1 of the charger is L2 of the grid.
    L2L3L1,
    /// L1 of the charger is L3 of the grid.
    L3L1L2,
}

impl Rotation {
    /// All spellings, in wire order.
    pub const SPELLINGS: &'static [&'static str] = &["L1L2L3", "L2L3L1", "L3L1L2"];

    /// The phases of the grid in the order of the charger's phases.
    pub fn phases(self) -> [Phase; 3] {
        match self {
            Self::L1L2L3 => [Phase::L1, Phase::L2, Phase::L3],
            Self::L2L3L1 => [Phase::L2, Phase::L3, Phase::L1],
            Self::L3L1L2 => [Phase::L3, Phase::L1, Phase::L2],
        }
    }
}

impl std::str::FromStr for Rotation {
    type Err = ();

    /// Ignores case.
    fn from_str(text: &str) -> Result<Self, ()> {
        let all = [Self::L1L2L3, Self::L2L3L1, Self::L3L1L2];
        let spelled = all.into_iter().zip(Self::SPELLINGS);
        spelled
            .into_iter()
            .find(|(_, spelling)| spelling.eq_ignore_ascii_case(text))
            .map(|(rotation, _)| rotation)
            .ok_or(())
    }
}
