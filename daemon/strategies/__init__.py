"""What one strategy knows and the core does not; each in its own package, behind `core.strategy`."""
