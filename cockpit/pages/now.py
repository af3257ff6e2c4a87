"""The Now page: what stands above the fold decides what an operator knows. Composition only."""

import streamlit as st

from cockpit import components, context
from cockpit.pages import dialogs, frame


def page() -> None:
    """Controls, key figures, the curve, and what the desk holds."""
    paths = frame.current_paths()
    desk = frame.live_data()
    frame.controls(paths, on_ask=lambda name: dialogs.ask(name, paths))
    components.tiles(key=frame.live_key("tiles"), data=desk)
    reader = frame.current_reader()
    chart_words = reader.words.area("charts.browser")
    curve = {**desk, "chart_words": chart_words, "source": "equity", "range": "1d", "buttons": True, "height": 390}
    components.chart(key=frame.live_key("chart"), data=curve)
    components.table(key=frame.live_key("legs"), data={**desk, "source": "legs"})
    components.table(key=frame.live_key("day-pnl"), data={**desk, "source": "day_pnl"})
    left, right = st.columns(2)
    with left:
        components.table(key=frame.live_key("positions"), data={**desk, "source": "positions"})
    with right:
        components.table(key=frame.live_key("orders"), data={**desk, "source": "orders"})
    command = context.current().shell(f"status --desk {paths.desk}")
    st.caption(reader.say("frame.twin", command=f"`{command}`"))
    dialogs.open_dialog(None, paths)
