"""The Now page for a terminal: lines of styled text, made for a width and a height. Pure; the terminal is `cli`'s."""
