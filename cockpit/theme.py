"""The two themes, light and dark: for Streamlit's pages and for those that do without Streamlit. Pure.

Grey is the ground; colour is left to what asks for action.
"""

from collections.abc import Mapping
from typing import Any, Final

LIGHT: Final[Mapping[str, str]] = {
    "primaryColor": "#37506b",
    "backgroundColor": "#f3f4f6",
    "secondaryBackgroundColor": "#ffffff",
    # Dark enough that a caption, which Streamlit draws at 60 % of it, keeps its contrast of 4.5 to 1.
    "textColor": "#0f1216",
    "codeTextColor": "#0f1216",
    "borderColor": "#c9ced4",
}
DARK: Final[Mapping[str, str]] = {
    "primaryColor": "#8fb3d9",
    "backgroundColor": "#16191d",
    "secondaryBackgroundColor": "#1f2429",
    "textColor": "#e7eaed",
    "codeTextColor": "#e7eaed",
    "borderColor": "#3a424a",
}
_VARIABLES = {
    "--st-text-color": "textColor",
    "--st-background-color": "backgroundColor",
    "--st-secondary-background-color": "secondaryBackgroundColor",
    "--st-border-color": "borderColor",
    "--st-primary-color": "primaryColor",
}


def streamlit_options() -> dict[str, Any]:
    """As Streamlit is told; which of the two it shows follows the system."""
    return {
        "theme.baseFontSize": 15,
        "theme.baseRadius": "6px",
        "theme.showWidgetBorder": True,
        "theme.paddingTop": "0.6rem",
        **{f"theme.light.{name}": value for name, value in LIGHT.items()},
        **{f"theme.dark.{name}": value for name, value in DARK.items()},
    }


def style_sheet() -> str:
    """The same under the names that Streamlit gives its components, for what is drawn before or without it."""

    def of(theme: Mapping[str, str]) -> str:
        return "".join(f"{variable}:{theme[name]};" for variable, name in _VARIABLES.items())

    font = '--st-font:"Source Sans",system-ui,"Noto Sans CJK SC","PingFang SC","Microsoft YaHei",sans-serif;'
    return (
        f":root{{color-scheme:light dark;{font}{of(LIGHT)}}}\n"
        f"@media (prefers-color-scheme:dark){{:root{{{of(DARK)}}}}}\n"
    )
