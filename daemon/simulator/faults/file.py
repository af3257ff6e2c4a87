"""The fault script as a file: YAML with `faults` in force and `acts` to carry out, checked before anything is done."""

from pathlib import Path

import msgspec
import yaml

from daemon.simulator.faults.acts import Act
from daemon.simulator.faults.data import DataFault
from daemon.simulator.faults.line import LineFault
from daemon.simulator.faults.orders import OrderFault

Fault = LineFault | OrderFault | DataFault
"""Every kind that a script can name."""


class FaultFileError(ValueError):
    """A fault script cannot be used; one line names file, key and remedy."""


class Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file: either key may be left out, not both."""

    faults: tuple[Fault, ...] = ()
    acts: tuple[Act, ...] = ()


def load_script(path: Path) -> Script:
    """A fault script from YAML. Raises FaultFileError."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise FaultFileError(f"{path}: cannot read the fault script: {reason}") from None
    except yaml.YAMLError as error:
        raise FaultFileError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    try:
        script = msgspec.convert(content, Script)
    except msgspec.ValidationError as error:
        raise FaultFileError(f"{path}: {error}; docs/simulator.md lists the faults and acts") from None
    if content == {}:
        raise FaultFileError(f"{path}: neither faults nor acts; docs/simulator.md lists them")
    ids = [act.id for act in script.acts]
    if "" in ids:
        raise FaultFileError(f"{path}: the act number {ids.index('') + 1} has no id; give each act an id of its own")
    doubled = next((name for name in ids if ids.count(name) > 1), None)
    if doubled is not None:
        raise FaultFileError(f"{path}: two acts have the id {doubled}; give each act an id of its own")
    return script
