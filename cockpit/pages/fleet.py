"""The Fleet page: every desk under the root with a light of its own."""

import streamlit as st

from cockpit import components, context
from cockpit.pages import frame


def page() -> None:
    """One element that ticks by itself; a desk's name leads to its Now page."""
    components.fleet(key=frame.live_key("fleet"), data={**frame.live_data(), "carried": frame.carried()})
    reader = frame.current_reader()
    command = context.current().shell("status --desk DESK")
    st.caption(reader.say("frame.fleet_twin", command=f"`{command}`"))
