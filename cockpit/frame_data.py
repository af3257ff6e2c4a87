"""What the frame's STOP is told: the same before Streamlit runs (by the index page) and while it does."""

import shlex

from cockpit.context import CockpitContext
from state.layout import DeskPaths


def stop_shell(context: CockpitContext, desk: str) -> dict[str, str]:
    """How a shell stops the desk, shown when the page cannot."""
    paths = DeskPaths(context.root, desk)
    return {
        "stop": context.shell(f"stop --desk {desk}"),
        "pause": context.shell(f"pause --desk {desk}"),
        "touch_stop": f"touch {shlex.quote(str(paths.control / 'stop'))}",
    }
