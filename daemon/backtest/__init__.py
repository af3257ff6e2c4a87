"""History through the same decision core: backtests, parity with a recorded run, sweeps. No network, no order."""
