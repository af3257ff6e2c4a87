"""Runs over history for the pages: backtests and sweeps read from their folders, shown, compared, started."""
