"""The errors of recorded data."""


class FeedError(Exception):
    """Recorded data cannot be used; the text is one line that names the file and what to do."""


class NotRecordedError(FeedError):
    """The recording of that day exists, but not of this instrument."""


class NoRowsError(FeedError):
    """A file without a single row of the regular session."""
