//! What every log of events must do.
