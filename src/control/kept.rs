//! Wishes that are kept for clients and change nothing here (api.md §3.2, §4.2, §7).

use std::collections::BTreeMap;

use crate::model::{LoadPointIx, OptimizerStrategy, RemoteDemand, Watts};

use super::{Control, Refusal};

/// More devices than this have no colour of their own.
pub const COLORS_MAX: usize = 256;
/// Longest title of a device and longest name of a remote controller, in characters.
const NAME_MAX: usize = 100;

/// Wishes that are kept for clients and change nothing here.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// The user would share data; nothing is sent, whatever it says.
    pub telemetry: bool,
    /// What evcc's optimizer is asked to spare; there is no optimizer here.
    pub optimizer_strategy: OptimizerStrategy,
    /// `#rrggbb` by the title of a device, for user interfaces.
    pub colors: BTreeMap<String, String>,
    /// A limit of evcc up to 0.131 that had lost its effect there, too.
    pub max_grid_supply: Watts,
    /// What a remote controller asked for up to 0.208, and its name.
    pub demands: BTreeMap<LoadPointIx, (RemoteDemand, String)>,
}

impl Default for Kept {
    fn default() -> Self {
        Self {
            telemetry: false,
            optimizer_strategy: OptimizerStrategy::ChargeBeforeExport,
            colors: BTreeMap::new(),
            max_grid_supply: Watts::ZERO,
            demands: BTreeMap::new(),
        }
    }
}

impl Control {
    /// Whether the user would share data; nothing is sent.
    pub fn set_telemetry(&mut self, on: bool) -> Result<(), Refusal> {
        self.kept.telemetry = on;
        Ok(())
    }

    /// What evcc's optimizer is asked to spare.
    pub fn set_optimizer_strategy(&mut self, strategy: OptimizerStrategy) -> Result<(), Refusal> {
        self.kept.optimizer_strategy = strategy;
        Ok(())
    }

    /// A limit without effect.
    pub fn set_max_grid_supply(&mut self, power: Watts) -> Result<(), Refusal> {
        self.kept.max_grid_supply = power;
        Ok(())
    }

    /// Gives a device a colour `#rrggbb`, or takes it away with an empty one.
    ///
    /// # Errors
    /// The title is missing or too long, the colour is none, or there are too many.
    pub fn set_color(&mut self, title: &str, color: &str) -> Result<(), Refusal> {
        check_color(title, color)?;
        if color.is_empty() {
            self.kept.colors.remove(title);
            return Ok(());
        }
        if self.kept.colors.len() >= COLORS_MAX && !self.kept.colors.contains_key(title) {
            return Err(too_many());
        }
        self.kept.colors.insert(title.to_owned(), color.to_owned());
        Ok(())
    }

    /// Replaces all colours.
    ///
    /// # Errors
    /// As [`Self::set_color`]; then nothing is replaced.
    pub fn set_colors(&mut self, colors: BTreeMap<String, String>) -> Result<(), Refusal> {
        if colors.len() > COLORS_MAX {
            return Err(too_many());
        }
        for (title, color) in &colors {
            check_color(title, color)?;
        }
        self.kept.colors = colors.into_iter().filter(|(_, color)| !color.is_empty()).collect();
        Ok(())
    }

    /// What a remote controller asks for; kept without effect.
    ///
    /// # Errors
    /// There is no such load point, or the name is too long.
    pub fn set_remote_demand(
        &mut self,
        lp: LoadPointIx,
        demand: RemoteDemand,
        source: &str,
    ) -> Result<(), Refusal> {
        if lp.0 >= self.loadpoints.len() {
            return Err(Refusal::NotFound(format!("loadpoint {}", lp.0 + 1)));
        }
        if source.chars().count() > NAME_MAX {
            return Err(Refusal::Malformed(format!("source: more than {NAME_MAX} characters")));
        }
        self.kept.demands.insert(lp, (demand, source.to_owned()));
        Ok(())
    }
}

fn check_color(title: &str, color: &str) -> Result<(), Refusal> {
    let refused = |text: String| Err(Refusal::Malformed(text));
    if title.is_empty() {
        return refused("title required".to_owned());
    }
    if title.chars().count() > NAME_MAX {
        return refused(format!("title: more than {NAME_MAX} characters"));
    }
    let hex = color.strip_prefix('#').unwrap_or_default();
    if color.is_empty() || (hex.len() == 6 && hex.bytes().all(|byte| byte.is_ascii_hexdigit())) {
        return Ok(());
    }
    refused("invalid hex color".to_owned())
}

fn too_many() -> Refusal {
    Refusal::Malformed(format!("more than {COLORS_MAX} colours"))
}
