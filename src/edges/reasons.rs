//! One line in the log for every change of mind.

use tracing::info;

use crate::control::{Control, Why};

/// The reason that was written last, per load point.
pub(super) struct Reasons(Vec<Why>);

impl Reasons {
    pub(super) fn new(control: &Control) -> Self {
        Self(vec![Why::ChargerUnknown; control.loadpoints().len()])
    }

    /// Writes what has changed since.
    pub(super) fn log(&mut self, control: &Control) {
        for (index, (loadpoint, logged)) in control.loadpoints().iter().zip(&mut self.0).enumerate()
        {
            let decision = loadpoint.decision;
            if decision.why != *logged {
                *logged = decision.why;
                let surplus = decision.surplus.map(|power| power.to_string());
                info!(
                    loadpoint = index + 1,
                    why = decision.why.code(),
                    surplus,
                    "{}",
                    decision.why.sentence()
                );
            }
        }
    }
}
