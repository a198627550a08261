//! The log of decisions: one line per change of mind, with the reason's code.

use tracing::info;

use crate::control::{LoadPoint, Why};

/// The reason last written to the log, per load point.
#[derive(Debug, Default)]
pub(super) struct Reasons(Vec<Why>);

impl Reasons {
    /// Writes a line for each load point that has another reason than before.
    pub(super) fn tell(&mut self, loadpoints: &[LoadPoint]) {
        self.0.resize(loadpoints.len(), Why::ChargerUnknown);
        for (index, (loadpoint, told)) in loadpoints.iter().zip(&mut self.0).enumerate() {
            let decision = loadpoint.decision;
            if decision.why != *told {
                *told = decision.why;
                let surplus = decision.surplus.map(|power| power.to_string());
                let (why, sentence) = (decision.why.code(), decision.why.sentence());
                info!(loadpoint = index + 1, why, surplus, "{sentence}");
            }
        }
    }
}
