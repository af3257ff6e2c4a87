"""An exchange, an account and a market inside this process: what the simulator serves and tests drive."""
