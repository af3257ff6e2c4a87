"""The pages: composition only; what they show is built elsewhere."""
