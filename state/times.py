"""Time as the files write it: UTC, ISO-8601, microseconds, `Z`. In memory it is an integer of microseconds."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def iso_from_us(time_us: int) -> str:
    """`1402000000000000` -> `2014-06-05T20:26:40.000000Z`. Exact: no float on the way."""
    moment = _EPOCH + timedelta(microseconds=time_us)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond:06d}Z"


def us_from_iso(text: str) -> int:
    """The inverse of `iso_from_us`; also takes an offset instead of `Z`. Raises ValueError on a naive or odd time."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"a time without zone: {text!r}; write it as UTC with a final Z")
    return (moment - _EPOCH) // _MICROSECOND


def us_from_datetime(moment: datetime) -> int:
    """An aware datetime as microseconds since the epoch. Raises ValueError on a naive one."""
    if moment.tzinfo is None:
        raise ValueError(f"a time without zone: {moment!r}")
    return (moment - _EPOCH) // _MICROSECOND
