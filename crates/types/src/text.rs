//! Text that people write and others read.

/// Whether a character is seen for what it is: it controls nothing, takes its room, and leaves alone in which direction
/// the text around it runs. What joins letters and emoji is let through; languages are written with it.
pub fn is_visible(c: char) -> bool {
    let hidden = matches!(c, '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    let turning =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let breaking = matches!(c, '\u{2028}' | '\u{2029}');
    !(c.is_control() || hidden || turning || breaking)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn u1_what_hides_or_turns_text_is_not_visible() {
        for c in [
            '\0',
            '\n',
            '\u{1b}',
            '\u{7f}',
            '\u{85}',
            '\u{200b}',
            '\u{200f}',
            '\u{202e}',
            '\u{2028}',
            '\u{2066}',
            '\u{feff}',
            '\u{e0041}',
        ] {
            assert!(!is_visible(c), "{c:?}");
        }
        for text in [
            "Zoë",
            "e\u{301}",
            "Ελλάδα",
            "שלום",
            "مرحبا",
            "می\u{200c}خواهم",
            "机械键盘",
            "👩\u{200d}🚀",
            "❤\u{fe0f}",
            "SAVE",
            "ＳＡＶＥ",
        ] {
            assert!(text.chars().all(is_visible), "{text}");
        }
    }
}
