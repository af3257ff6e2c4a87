"""The thin shell around the core: one asyncio loop, files, signals, locks, the supervisor."""
