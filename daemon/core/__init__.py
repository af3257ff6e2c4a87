"""The decision core that every desk needs: pure, no clock, no I/O, no randomness."""
