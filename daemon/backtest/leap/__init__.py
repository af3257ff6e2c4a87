"""Leaps over stretches of ticks in which nothing is decided; everything else is the core's.

    opening     whether a run may leap, and from when on it is worth it
    columns     what a market must give: its coming plain quotes as arrays
    gathering   any market, its plain steps gathered into such arrays
    fixed       what the profile says, as numbers
    resting     why no leap may begin from a book, and whether a periodic report would tell it anything
    terms       what stands still during a leap and what moves, read from the book
    leg_terms   the legs likewise
    state       those numbers as the kernel is given them: records and arrays
    kernel      the compiled loop over quotes and timers, up to the first that is not quiet
    ticking     one quote
    firing      one timer: the feed's probe, or the account's periodic report
    pricing     the legs' sums, the day's figures, the attribution's point
    looking     one look: codes, refusals, the trading machine
    moments     what a moment leaves: its row, its codes, a note
    arithmetic  the core's own functions, compiled; exact sums; the window's buckets; the legs' values
    compiled    how they are compiled, where the machine code is kept, and the proof that this machine computes alike
    rows        the decision rows of a leap, and the moments with more to tell
    landing     from the kernel's numbers to the book that the core would have reached
    leaper      one leap of a player

A leap changes what a quiet tick changes, by the same float operations in the same order, and nothing else. It ends
before the first tick that would send an order, begin a refusal, trip a limit, or is no plain quote, and before any
timer but the feed's probe and the account's periodic report: that is the core's, event by event. Reports, checkpoints,
minute samples and the account's values are noted on the way. tests/backtest/leap compares the two, bit for bit.
"""
