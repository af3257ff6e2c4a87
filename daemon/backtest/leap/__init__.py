"""Leaps over stretches of ticks in which nothing is decided; everything else is the core's.

    opening     whether a run may leap, and from when on it is worth it
    columns     what a market must give: its coming plain quotes as arrays
    gathering   any market, its plain steps gathered into such arrays
    fixed       what the profile says, as numbers
    terms       what stands still during a leap and what moves, read from the book; and why none may begin
    state       those numbers as the kernel is given them
    kernel      the compiled loop, tick by tick, up to the first tick that decides something
    looking     one look: codes, refusals, the trading machine
    arithmetic  the core's own functions, compiled; exact sums; the window's buckets; the legs' values
    compiled    how they are compiled, where the machine code is kept, and the proof that this machine computes alike
    rows        the decision rows of a leap, and the moments with more to tell
    landing     from the kernel's numbers to the book that the core would have reached
    leaper      one leap of a player

A leap changes what a quiet tick changes, by the same float operations in the same order, and nothing else. It ends
before the first tick that would send an order, begin a refusal, trip a limit, meet a timer other than the feed's own
probe, or is no plain quote: that tick is the core's, event by event. Checkpoints, minute samples and the account's
values are noted on the way. tests/backtest/leap compares the two, bit for bit.
"""
