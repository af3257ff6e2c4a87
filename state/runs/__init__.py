"""Runs over history, as files: what a backtest or a sweep leaves in its folder, for commands and pages alike."""
