"""An environment of its own for each peer: pinned, made once, kept in the user's cache folder."""

import shutil
import subprocess
import sys
import venv
from pathlib import Path

import platformdirs

PINS = {
    "nautilus_trader": ("nautilus_trader==1.221.0", "pandas<3"),
    "vectorbt": ("vectorbt==1.2.0",),
    "hftbacktest": ("hftbacktest==2.4.4",),
    "backtesting": ("backtesting==0.6.6",),
    "backtrader": ("backtrader==1.9.78.123", "pandas", "numpy"),
}
_INSTALL_S = 600.0


class NoEnvironmentError(Exception):
    """A peer's environment could not be made; the text is the reason in one line."""


def python_of(peer: str) -> Path:
    """The interpreter of a peer's environment, made where it is missing. Raises NoEnvironmentError."""
    folder = Path(platformdirs.user_cache_dir("bifrost-bench")) / f"{peer}-{sys.version_info[0]}.{sys.version_info[1]}"
    python, made = folder / "bin" / "python", folder / "made"
    wanted = " ".join(PINS[peer])
    if made.exists() and made.read_text() == wanted:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    print(f"bench: installing {wanted}", file=sys.stderr)
    try:
        venv.create(folder, with_pip=True)
        subprocess.run(  # noqa: S603 - our own pins
            [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *PINS[peer]],
            check=True,
            capture_output=True,
            text=True,
            timeout=_INSTALL_S,
        )
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or str(error)
        shutil.rmtree(folder, ignore_errors=True)
        raise NoEnvironmentError(said.strip().splitlines()[-1][:200]) from error
    made.write_text(wanted)
    return python
