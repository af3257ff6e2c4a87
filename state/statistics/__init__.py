"""Statistics of a past: of a desk's history samples and journal facts, of a backtest's tables. No strategy is known.

Pure but for `loading` and `run_tables`, which read the files.

Live pages, commands and backtests ask the same functions, so that a figure means the same everywhere. Each function
states its definition, its unit and where the formula comes from. Nothing returned is ever NaN or infinite: what
cannot be said is None, and beside each statistic stands `n`, what it was taken over.

A **day** is the desk's own: the session date that its samples name (`session_date`), which ends at the next
session's open. Samples of a writer that names none are counted to the UTC day of `ts`.
"""
