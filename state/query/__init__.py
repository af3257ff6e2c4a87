"""Questions to a journal, for command and cockpit alike: newest operations, the life of an intent, counts by group.

`JournalIndex` is the way in. The newest lines are read from the journal's end; closed segments are looked up in a
cache of Parquet files, which the reading side builds and which may be deleted at any time. The cache only says
where a line is: what is shown is read from the journal itself. DuckDB is loaded when the cache is first asked.
"""

from state.query.aggregates import GROUPS, Count, GroupBy, TooManyGroups
from state.query.build import Built
from state.query.engine import CacheStatus, Counted, Found, JournalIndex
from state.query.filters import ROUTINE, Filter, matches
from state.query.formats import MEDIA_TYPES, Format, encode
from state.query.running_count import RunningCount
from state.query.tail import newest

__all__ = [
    "GROUPS",
    "MEDIA_TYPES",
    "ROUTINE",
    "Built",
    "CacheStatus",
    "Count",
    "Counted",
    "Filter",
    "Format",
    "Found",
    "GroupBy",
    "JournalIndex",
    "RunningCount",
    "TooManyGroups",
    "encode",
    "matches",
    "newest",
]
