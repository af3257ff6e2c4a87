"""The Profiles page: what a profile says, where each value was set, and whether a desk runs what its file says."""
