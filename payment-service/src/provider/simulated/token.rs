//! The test tokens: payment methods that say how the provider is to behave.

/// What the provider does when it is asked to authorise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behaviour {
    /// Approves.
    Approve,
    /// Declines with this code.
    Decline(&'static str),
    /// Approves and takes its time to say so.
    Dawdle,
    /// Approves, and loses its first answer; loses the first answer to the capture as well.
    LoseReplies,
    /// Can't be reached twice, then approves.
    FailTwice,
}

/// Every token. Named as the users of payment providers know them.
const TOKENS: [(&str, Behaviour); 10] = [
    ("pm_card_visa", Behaviour::Approve),
    ("pm_card_mastercard", Behaviour::Approve),
    ("pm_card_chargeDeclined", Behaviour::Decline("card_declined")),
    ("pm_card_chargeDeclinedInsufficientFunds", Behaviour::Decline("insufficient_funds")),
    ("pm_card_chargeDeclinedExpiredCard", Behaviour::Decline("expired_card")),
    ("pm_card_chargeDeclinedIncorrectCvc", Behaviour::Decline("incorrect_cvc")),
    ("pm_card_chargeDeclinedProcessingError", Behaviour::Decline("processing_error")),
    ("pm_sim_slow", Behaviour::Dawdle),
    ("pm_sim_lost_reply", Behaviour::LoseReplies),
    ("pm_sim_unavailable", Behaviour::FailTwice),
];

/// What a token asks for; `None` if it is none of ours.
pub(super) fn behaviour(token: &str) -> Option<Behaviour> {
    TOKENS.into_iter().find(|(name, _)| *name == token).map(|(_, behaviour)| behaviour)
}

/// Every token, comma-separated.
pub(super) fn known() -> String {
    TOKENS.map(|(name, _)| name).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_exact() {
        assert_eq!(behaviour("pm_card_visa"), Some(Behaviour::Approve));
        for other in ["", "PM_CARD_VISA", " pm_card_visa", "pm_card", "tok_visa"] {
            assert_eq!(behaviour(other), None, "{other:?}");
        }
        assert!(known().starts_with("pm_card_visa, pm_card_mastercard, "));
    }
}
