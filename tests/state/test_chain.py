import hashlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state.chain import GENESIS, Head, LineError, check, read_head, seal


def test_the_hash_is_what_the_format_page_says() -> None:
    line, head = seal(Head(), b'{"seq":1,"a":2}')
    expected = hashlib.sha256(GENESIS.encode() + b'{"seq":1,"a":2}').hexdigest()
    assert line == b'{"seq":1,"a":2,"hash":"' + expected.encode() + b'"}\n'
    assert head == Head(1, expected)


def test_a_sealed_line_checks_and_tells_its_head() -> None:
    first, one = seal(Head(), b'{"seq":1}')
    second, two = seal(one, b'{"seq":2}')
    assert check(Head(), first) == (b'{"seq":1}', one)
    assert check(one, second) == (b'{"seq":2}', two)
    assert read_head(second) == two


@settings(max_examples=30)
@given(st.text(max_size=20))
def test_every_single_bit_flip_is_seen(text: str) -> None:
    import msgspec

    line, _ = seal(Head(), msgspec.json.encode({"seq": 1, "text": text}))
    for place in range(len(line)):
        for bit in range(8):
            flipped = bytearray(line)
            flipped[place] ^= 1 << bit
            with pytest.raises(LineError):
                check(Head(), bytes(flipped))


def test_a_line_of_another_place_is_called_a_matter_of_sequence() -> None:
    _, one = seal(Head(), b'{"seq":1}')
    _, two = seal(one, b'{"seq":2}')
    third, _ = seal(two, b'{"seq":3}')
    with pytest.raises(LineError) as caught:
        check(one, third)
    assert caught.value.kind == "sequence"


def test_an_edited_line_is_called_a_matter_of_hash() -> None:
    line, _ = seal(Head(), b'{"seq":1,"price":10}')
    with pytest.raises(LineError) as caught:
        check(Head(), line.replace(b"10", b"11"))
    assert caught.value.kind == "hash"


def test_a_rightly_hashed_line_with_a_wrong_number_is_refused() -> None:
    line, _ = seal(Head(), b'{"seq":5}')
    with pytest.raises(LineError) as caught:
        check(Head(), line)
    assert caught.value.kind == "sequence"


@pytest.mark.parametrize(
    "line", [b"\n", b"{}\n", b'{"hash":"00"}\n', b'"hash"}\n', b'x,"hash":"' + b"0" * 64 + b'"}\n']
)
def test_what_is_no_line_is_refused(line: Any) -> None:
    with pytest.raises(LineError) as caught:
        check(Head(), line)
    assert caught.value.kind == "not_a_line"
