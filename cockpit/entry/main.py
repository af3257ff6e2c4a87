# ruff: noqa: INP001 -- its folder lands on the path, so it must be no package and hold nothing else
"""Streamlit's script: routes to a page, nothing else. It lies alone here because its folder is put on the path."""

import streamlit as st

from cockpit.pages import frame, navigation

frame.configure_page()
frame.let_in()
pages = navigation.pages(frame.current_reader())
chosen = st.navigation(pages, position="hidden")
navigation.open_page(pages, chosen)
chosen.run()
navigation.close_page()
