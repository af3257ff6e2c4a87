"""The one error of recorded data."""


class FeedError(Exception):
    """Recorded data cannot be used; the text is one line that names the file and what to do."""
