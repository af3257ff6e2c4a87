"""Hedges the delta of an option book with its stock, when it pays and when it is safe."""
