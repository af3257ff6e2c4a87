"""Where the cockpit listens and who may reach it: options of `cockpit`, and of `up`, which passes them on."""

from pathlib import Path
from typing import Annotated

import typer

HostOption = Annotated[
    str,
    typer.Option(
        "--host",
        metavar="ADDRESS",
        help="Where to listen. Beyond this machine it needs an operator (./bifrost passwd) and --allowed-host.",
    ),
]
AllowedHostOption = Annotated[
    list[str] | None,
    typer.Option(
        "--allowed-host",
        metavar="NAME",
        help="A name or address that is typed in the browser to come here; repeatable.",
        show_default=False,
    ),
]
BehindProxyOption = Annotated[
    str | None,
    typer.Option(
        "--behind-proxy",
        metavar="ADDRESS",
        help="A reverse proxy whose X-Forwarded-For and -Proto are believed.",
        show_default=False,
    ),
]
TlsCertOption = Annotated[
    Path | None,
    typer.Option("--tls-cert", metavar="FILE", help="The certificate, with its chain (PEM).", show_default=False),
]
TlsKeyOption = Annotated[
    Path | None, typer.Option("--tls-key", metavar="FILE", help="Its key, mode 600 (PEM).", show_default=False)
]


def access_options(
    *,
    allowed_host: list[str] | None,
    behind_proxy: str | None,
    tls_cert: Path | None,
    tls_key: Path | None,
) -> dict[str, object]:
    """As the cockpit's server takes them; what was not given is left to `settings.toml`."""
    return {
        "allowed_hosts": list(allowed_host or ()),
        "behind_proxy": behind_proxy,
        "tls_cert": None if tls_cert is None else str(tls_cert.absolute()),
        "tls_key": None if tls_key is None else str(tls_key.absolute()),
    }


def as_words(host: str, options: dict[str, object]) -> list[str]:
    """The same as words of a command line."""
    words = ["--host", host]
    hosts = options["allowed_hosts"]
    for name in hosts if isinstance(hosts, list) else []:
        words += ["--allowed-host", str(name)]
    for option in ("behind_proxy", "tls_cert", "tls_key"):
        if options[option] is not None:
            words += [f"--{option.replace('_', '-')}", str(options[option])]
    return words
