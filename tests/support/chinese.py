"""English that was left over in a Chinese text."""

import re

LATIN = frozenset(
    re.findall(
        r"\S+",
        # names, units, and words that stand in Latin letters in every language; all else is left-over English
        """
    API Bifrost CSV Ctrl Delta Gamma Theta Vega IB ISO JSON JSONL Parquet Reg NTP TLS HTTP HTTPS LAN TWS URL USD UTC
    YAML CPU DTE ID Z IP PID RSS WebSocket SSH SHA Gateway SAFE SYNCED DOWN HALTED REDUCING ACTIVE BUY SELL FLATTEN
    UP_UNSYNCED UPSTREAM_LOST MiB GiB GB MB kB ms min px Client connections Alt client id dmesg Bps bp RTT fsync inotify
    Chromium Firefox Safari argon2id cookie Python Streamlit systemd pid seq ts wall_ts order_ref schema stdout stderr
    English Markdown Linux rm df NAME TEXT p50 p90 p95 p99 jq s h d LIVE PAPER SIMULATED OK
    stop start pause resume flatten reset book adopt release acknowledge status verify salvage maintain
    control logs journal tape history touch log n Cookie ADDRESS bps csv jsonl parquet
    EST EDT true false null DU YYYY MM DD HH a z IANA DIR
    """,
    )
)

_TYPED = re.compile(
    r"""\{\w+\} | `[^`]*`                         # a place; what the text itself marks as typed
    | \./bifrost[^\u3000-\u9fff\uff00-\uffef]*   # a command line, to the next Chinese character
    | touch\ [\w./]+ | (?<!\w)--?[a-z][\w-]*
    | [!-~]*/[!-~]* | \w+\.\w+                  # paths, addresses, file names
    | \b[a-z]+(?:_[a-z0-9]+)+ | \b[A-Z]\d?\b     # field names; O1, S0
    """,
    re.VERBOSE,
)


def left_over_english(text: str) -> list[str]:
    """Latin words of a Chinese text that no language writes so; what is typed as it stands aside."""
    words = re.findall(r"[A-Za-z][A-Za-z'_]*[A-Za-z0-9]*", _TYPED.sub(" ", text))
    return [word for word in words if word not in LATIN]
