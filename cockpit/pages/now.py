"""The Now page: what stands above the fold decides what an operator knows. Composition only."""

import streamlit as st

from cockpit import components, context
from cockpit.pages import dialogs, frame


def page() -> None:
    """Controls, key figures, the curve, and what the desk holds."""
    paths = frame.current_paths()
    desk = {"desk": paths.desk}
    shell = context.current().shell
    words = {name: shell(f"{name} --desk {paths.desk}") for name in ("stop", "pause", "resume", "start", "flatten")}
    asked = components.controls(
        key=f"controls-{paths.desk}",
        data={**desk, "shell": {**words, "touch_stop": f"touch {paths.control / 'stop'}"}},
        on_ask_change=lambda: None,
    )
    components.tiles(key=f"tiles-{paths.desk}", data=desk)
    components.chart(key=f"chart-{paths.desk}", data=desk)
    components.table(key=f"legs-{paths.desk}", data={**desk, "source": "legs"})
    left, right = st.columns(2)
    with left:
        components.table(key=f"positions-{paths.desk}", data={**desk, "source": "positions"})
    with right:
        components.table(key=f"orders-{paths.desk}", data={**desk, "source": "orders"})
    st.caption(f"The same in a shell: `{shell(f'status --desk {paths.desk}')}`")
    if asked.ask is not None:
        dialogs.open_dialog(str(asked.ask), paths)
