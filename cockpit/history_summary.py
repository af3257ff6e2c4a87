"""The statistics of one range of a desk's history, put together once per change and shared by page, figures and CSV."""

from cockpit.equity import Range, first_day
from cockpit.history_store import HistoryStore, HistoryView
from state.statistics.days import trading_days
from state.statistics.executions import hedges
from state.statistics.operations import operations_by_day
from state.statistics.past import Past, Source


class Summary(Past):
    """The past from the first day of a range on; what does not change with every sample is kept by the store."""

    def __init__(self, store: HistoryStore, view: HistoryView, span: Range) -> None:
        self.view = view
        self.span: Range = span
        # Every sample moves the end of a day; which day an operation belongs to changes with a new day alone.
        counted = (view.facts_version, len(view.days))
        source = Source(
            curve=view.curve,
            parts=view.days,
            days=store.memo("days", view.version, lambda: trading_days(view.days)),
            hedges=store.memo("hedges", view.fills_version, lambda: hedges(view.fills)),
            operations=store.memo("operations", counted, lambda: operations_by_day(view.facts, view.days)),
            facts=view.facts,
            unreadable=view.unreadable,
        )
        super().__init__(source, first_day=first_day(view, span))


def summary_of(store: HistoryStore, span: Range) -> Summary:
    """The newest statistics of a range."""
    view = store.look()
    return store.memo(f"summary {span}", view.version, lambda: Summary(store, view, span))
