"""The TWS stand-in: the IB wire protocol around the simulated exchange."""
