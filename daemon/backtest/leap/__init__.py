"""Leaps over stretches of ticks in which nothing is decided; everything else is the core's.

    columns    what a market must give: its coming plain quotes as arrays
    terms      what stands still during a leap and what moves, read from the book; and why none may begin
    kernel     the compiled loop: the core's own functions, tick by tick, up to the first tick that decides something
    compiled   how they are compiled, where the machine code is kept, and the proof that this machine computes alike
    rows       the decision rows of a leap
    leaper     from the player's book to the book that the core would have reached

A leap changes what a quiet tick changes, by the same float operations in the same order, and nothing else. It ends
before the first tick that would emit an order or a refusal, trip a limit, write a checkpoint or a minute's sample,
meet a timer, or is no plain quote: that tick is the core's, event by event. tests/backtest/leap compares the two, bit
for bit.
"""
