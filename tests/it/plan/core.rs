//! Plans in a living core, on virtual time.
