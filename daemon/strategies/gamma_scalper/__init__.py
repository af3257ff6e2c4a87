"""Gamma scalping: hedge the delta of an option position back to its target."""
