"""Many backtests of one profile with some of its keys varied: search, workers, results, out-of-sample."""
