"""Benchmarks beside peers: each is one command, prints a table, and is never part of the tests."""
