"""Where the prices of a backtest come from: a `Feed` for each kind of data, chosen by a spec like `synthetic:7`."""
