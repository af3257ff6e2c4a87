# ruff: noqa: INP001 -- its folder lands on the path, so it must be no package and hold nothing else
"""Streamlit's script: routes to a page, nothing else. It lies alone here because its folder is put on the path."""

import streamlit as st

from cockpit.pages import frame, now, operations

frame.configure_page()
pages = [
    st.Page(now.page, title="Now", url_path="now", default=True),
    st.Page(operations.page, title="Operations", url_path="operations"),
]
chosen = st.navigation(pages, position="hidden")
frame.open_page(pages, chosen)
chosen.run()
