"""The Now page: what stands above the fold decides what an operator knows. Composition only."""

import streamlit as st

from cockpit import components, context
from cockpit.pages import dialogs, frame


def page() -> None:
    """Controls, key figures, the curve, and what the desk holds."""
    paths = frame.current_paths()
    desk = {"desk": paths.desk}
    asked = frame.controls(paths)
    components.tiles(key=f"tiles-{paths.desk}", data=desk)
    components.chart(key=f"chart-{paths.desk}", data=desk)
    components.table(key=f"legs-{paths.desk}", data={**desk, "source": "legs"})
    components.table(key=f"day-pnl-{paths.desk}", data={**desk, "source": "day_pnl"})
    left, right = st.columns(2)
    with left:
        components.table(key=f"positions-{paths.desk}", data={**desk, "source": "positions"})
    with right:
        components.table(key=f"orders-{paths.desk}", data={**desk, "source": "orders"})
    st.caption(f"The same in a shell: `{context.current().shell(f'status --desk {paths.desk}')}`")
    if asked.ask is not None:
        dialogs.open_dialog(str(asked.ask), paths)
