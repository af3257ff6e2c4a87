"""Decides and trades. It speaks to the rest of the world only in the files of `state`."""
