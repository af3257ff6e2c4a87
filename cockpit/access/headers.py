"""What every answer says to the browser: where things may come from, and that no other page may hold ours."""

from typing import Final

_POLICY: Final = {
    "default-src": "'none'",
    # Streamlit fetches each element's script from a blob that it makes itself.
    "script-src": "'self' blob:",
    "script-src-attr": "'none'",
    # Streamlit and plotly write style rules while they run.
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "connect-src": "'self'",
    "worker-src": "'self' blob:",
    "manifest-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "frame-src": "'none'",
    "object-src": "'none'",
}
CONTENT_SECURITY_POLICY: Final = "; ".join(f"{name} {value}" for name, value in _POLICY.items())
_UNUSED: Final = (
    "accelerometer",
    "camera",
    "display-capture",
    "geolocation",
    "gyroscope",
    "magnetometer",
    "microphone",
    "midi",
    "payment",
    "usb",
)
SECURITY_HEADERS: Final[tuple[tuple[str, str], ...]] = (
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    # `no-referrer` would make browsers send `Origin: null` with our own forms.
    ("referrer-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", ", ".join(f"{name}=()" for name in _UNUSED)),
)


_OPENER: Final = (b"cross-origin-opener-policy", b"same-origin")
"""Browsers heed it, and do not complain of it, over TLS and on this machine only."""


def with_security(headers: list[tuple[bytes, bytes]], *, trusted: bool) -> list[tuple[bytes, bytes]]:
    """An answer's headers with ours; one that it set itself stands. `trusted`: over TLS, or on this machine."""
    there = {name.lower() for name, _ in headers}
    ours = [(name.encode(), value.encode()) for name, value in SECURITY_HEADERS if name.encode() not in there]
    return [*headers, *ours, *([_OPENER] if trusted else [])]
