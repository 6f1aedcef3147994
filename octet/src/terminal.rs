//! How output looks on a terminal and elsewhere.

use std::io::IsTerminal;

use octet_runtime::environment::Environment;

/// The form of output on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terminal {
    /// Formatted for people: stdout is a terminal, or `CLICOLOR_FORCE` is set.
    pub is_readable: bool,
    /// With colours.
    pub has_colours: bool,
}

/// Colours of ANSI's escape sequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// For what matters less.
    Dim,
    /// For errors.
    Red,
    /// For success.
    Green,
    /// For warnings.
    Yellow,
    /// For names.
    Cyan,
}

impl Terminal {
    /// Reads `NO_COLOR` and `CLICOLOR_FORCE`; any value but `0` forces colours.
    pub fn from_environment(environment: &mut Environment<'_>) -> Self {
        let has_none = environment.text("NO_COLOR").is_some();
        let is_forced = environment.text("CLICOLOR_FORCE").is_some_and(|value| value != "0");
        Self::new(std::io::stdout().is_terminal(), has_none, is_forced)
    }

    fn new(is_terminal: bool, has_none: bool, is_forced: bool) -> Self {
        let is_readable = is_terminal || is_forced;
        Self { is_readable, has_colours: is_readable && !has_none }
    }

    /// The text in a colour, where colours are wanted.
    pub fn paint(self, colour: Colour, text: &str) -> String {
        let code = match colour {
            Colour::Dim => 2,
            Colour::Red => 31,
            Colour::Green => 32,
            Colour::Yellow => 33,
            Colour::Cyan => 36,
        };
        if self.has_colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_need_a_terminal_or_force_and_no_color_wins() {
        for (is_terminal, has_none, is_forced, readable, colours) in [
            (true, false, false, true, true),
            (true, true, false, true, false),
            (false, false, false, false, false),
            (false, false, true, true, true),
            (false, true, true, true, false),
        ] {
            let terminal = Terminal::new(is_terminal, has_none, is_forced);
            assert_eq!((terminal.is_readable, terminal.has_colours), (readable, colours));
        }
        let plain = Terminal::new(true, true, false);
        assert_eq!(plain.paint(Colour::Red, "x"), "x");
        assert_eq!(Terminal::new(true, false, false).paint(Colour::Red, "x"), "\x1b[31mx\x1b[0m");
    }
}
