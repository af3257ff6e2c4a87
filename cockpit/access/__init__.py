"""Who may look and who may act: users and passwords, sessions, the gate before every route, and its audit.

`actor` names who acts, `page` and `request` find him for a page's script and for a route. Nothing here needs
Streamlit but `page`, so the command line may use the rest.
"""
