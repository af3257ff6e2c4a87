"""Where a backtest's prices come from: a `Feed` for each kind of data, chosen by a spec like `lean:DIR:TWX:20140605`."""
