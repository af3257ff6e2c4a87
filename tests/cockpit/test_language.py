# ruff: noqa: RUF001 -- Chinese has its own punctuation
"""The catalogues and the code agree: no key is missing, none is left over, and Chinese says all that English says."""

import ast
import re
import string
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import cockpit
from cockpit import wording
from cockpit.language import HTML_LANGUAGE, LANGUAGES, Language, chosen, words_of
from cockpit.reader import Reader
from config.keys import Key, effective_keys
from config.loader import PROFILES_DIR
from daemon.backtest.feeds.findings import SENTENCES
from daemon.backtest.leap.opening import DIFFERS
from daemon.backtest.oddities import CODES
from daemon.core.book import EMBARGO_CODES
from daemon.core.daemon_fsm import DaemonState, DaemonTrigger
from daemon.core.flatten_fsm import FlattenState
from daemon.core.guard import RULES
from daemon.core.link_fsm import LinkState, LinkTrigger
from daemon.core.order_life import OrderState
from daemon.strategies.gamma_scalper import classifier, showing
from daemon.strategies.gamma_scalper.hedge_fsm import HedgeState, HedgeTrigger
from daemon.strategies.gamma_scalper.trading_fsm import TradingState, TradingTrigger
from state.reasons import REASONS
from state.records import JournalType
from tests.support.chinese import left_over_english

HOUSE = Path(cockpit.__file__).parent
DAEMON = HOUSE.parent / "daemon"
SCRIPTS = HOUSE / "components" / "assets"

OTHERS: tuple[Language, ...] = tuple(language for language in LANGUAGES if language != "en")
REGISTRY_AREAS = frozenset(
    {
        "reasons",
        "reason_words",
        "journal_types",
        "states",
        "rules",
        "checks",
        "limits",
        "phrases",
        "statuses",
        "causes",
        "profile_keys",
        "findings",
    }
)
"""Their English is the name or the sentence that the registry, the record or the machine itself has."""


@cache
def texts(language: Language) -> dict[str, str]:
    words = words_of(language)
    return {key: words.find(key) or "" for key in words.keys}


def area_of(key: str) -> str:
    return key.partition(".")[0]


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


# --- the languages among themselves ---------------------------------------------------------------
@pytest.mark.parametrize("other", OTHERS)
def test_every_language_has_every_key(other: Language) -> None:
    english = {key for key in texts("en") if area_of(key) not in REGISTRY_AREAS}
    theirs = {key for key in texts(other) if area_of(key) not in REGISTRY_AREAS}
    assert english - theirs == set()
    assert theirs - english == set()
    assert not {key for key in texts("en") if area_of(key) in REGISTRY_AREAS}, "the registry says it in English"


@pytest.mark.parametrize("other", OTHERS)
def test_a_key_has_the_same_places_in_every_language(other: Language) -> None:
    theirs = texts(other)
    odd = {key: (places(text), places(theirs[key])) for key, text in texts("en").items() if key in theirs}
    assert {key: both for key, both in odd.items() if both[0] != both[1]} == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_text_is_text(language: Language) -> None:
    """Not empty, and never markup: whoever shows it shows it as it is."""
    bad = {
        key: text
        for key, text in texts(language).items()
        if not text.strip() or re.search(r"[<>]|\]\(|:material|\*\*|&(?:lt|gt|amp|quot|nbsp|#\d+);", text)
    }
    assert bad == {}
    for key, text in texts(language).items():
        for _, name, form, conversion in string.Formatter().parse(text):
            assert not form, f"{key}: numbers are formatted by the code"
            assert not conversion, key
            assert name is None or re.fullmatch(r"\w+", name), f"{key}: a place is a plain name"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("运行 ./bifrost ops --type rejected，然后重置。", []),
        ("净 Delta {delta} 股，限额 {limit}", []),
        ("The daemon 已停止", ["The", "daemon"]),
        ("查看 logs/daemon.jsonl 和 state_code O1", []),
    ],
)
def test_left_over_english_is_told_from_what_is_typed(text: str, left: list[str]) -> None:
    assert left_over_english(text) == left


def test_chinese_is_chinese() -> None:
    assert {key: left for key, text in texts("zh").items() if (left := left_over_english(text))} == {}


# --- what a desk can say --------------------------------------------------------------------------
def names(area: str) -> set[str]:
    start = f"{area}."
    return {key.removeprefix(start) for key in texts("zh") if key.startswith(start)}


def literals(path: Path, call: str) -> set[str]:
    """The first argument of every `call("…")` in a file."""
    return set(re.findall(rf"\b{call}\(\s*\"(\w+)\"", path.read_text(encoding="utf-8")))


def test_every_reason_has_its_sentence_its_word_and_what_to_do() -> None:
    assert names("reasons") == names("reason_words") == names("remedies") == set(REASONS)


def test_every_operation_and_state_has_its_word() -> None:
    assert names("journal_types") == set(JournalType)
    assert names("states.trading") == {str(state) for state in TradingState}
    assert names("states.hedge") == {str(state) for state in HedgeState}
    assert names("states.daemon") == {str(state) for state in DaemonState}
    assert names("states.link") == {str(state) for state in LinkState}
    assert names("states.posture") == {"ACTIVE", "REDUCING", "HALTED"}


def test_every_letter_of_the_state_code_and_each_of_its_values_has_its_words() -> None:
    letters = {
        "O": classifier.OptionCode,
        "D": classifier.DeltaCode,
        "M": classifier.MarketCode,
        "L": classifier.LiquidityCode,
        "E": classifier.ExecutionCode,
        "S": classifier.SystemCode,
    }
    assert names("codes") == {
        *letters,
        *(f"{letter}{int(value)}" for letter, values in letters.items() for value in values),
    }


def test_every_rule_gate_and_embargo_has_its_name() -> None:
    asked = {rule.__name__ for rule in RULES} | set(showing._REFUSALS) | set(EMBARGO_CODES)
    asked |= set(classifier._EXECUTION_GATES.values()) | set(classifier._SYSTEM_GATES.values())
    assert {code for code in asked if code not in names("rules") and code not in names("reason_words")} == set()


def test_every_status_and_cause_that_the_daemon_journals_has_its_word() -> None:
    source = "\n".join(path.read_text("utf-8") for path in DAEMON.glob("[cr]*/*.py"))
    statuses = set(re.findall(r"\bstatus=\"(\w+)\"", source)) | {str(state) for state in OrderState}
    assert statuses - names("statuses") == set()
    causes = {
        str(trigger) for machine in (TradingTrigger, HedgeTrigger, LinkTrigger, DaemonTrigger) for trigger in machine
    }
    causes |= {"hedge_needed", "force_hedge"} | set(re.findall(r"RequestReconcile\(reason=\"(\w+)\"", source))
    assert {code for code in causes if wording.cause(code, Reader(language="zh")) == code} == set()


def test_every_check_and_limit_has_its_name() -> None:
    checks = literals(DAEMON / "core" / "self_check.py", "_check")
    checks |= literals(DAEMON / "strategies" / "gamma_scalper" / "self_check.py", "_check") | {"tape", "history"}
    assert names("checks") == checks
    limits = set()
    for path in (DAEMON / "core" / "presentation.py", DAEMON / "strategies" / "gamma_scalper" / "using.py"):
        limits |= set(re.findall(r"Limit\(\s*name=\"(\w+)\"", path.read_text("utf-8")))
    assert names("limits") == limits


def test_every_finding_of_a_run_is_said_in_chinese() -> None:
    settled = set(
        re.findall(r"_(?:add|finding)\(\s*\"(\w+)\"", (DAEMON / "backtest" / "settlement.py").read_text("utf-8"))
    )
    assert len(settled) == 4
    assert names("findings") == {*SENTENCES, *CODES, *settled, DIFFERS.code}


def shipped_keys() -> dict[str, Key]:
    """Every key that a shipped profile has, places in lists left out."""
    found = (key for path in PROFILES_DIR.glob("*.yaml") for key in effective_keys(path.stem))
    return {re.sub(r"\[\d+\]", "", key.path): key for key in found}


def test_every_key_of_a_profile_has_its_meaning_and_its_bounds_in_chinese() -> None:
    keys, reader = shipped_keys(), Reader(language="zh")
    assert names("profile_keys") == set(keys)
    said = {key.bounds for key in keys.values()} | {key.unit for key in keys.values() if key.unit not in ("", "USD")}
    plain = {text for text in said if not re.search(r"[\u4e00-\u9fff]", reader.phrase(text))}
    assert plain == set()


def sentences() -> set[str]:
    """What the strategy says of itself, and the fixed texts of the self check."""
    found = {*showing._WORDS.values(), *showing._REFUSALS.values()}
    found |= {"A hedge is needed; refused because of stop_asserted.", "The market is closed.", "Not trading now."}
    found |= {"The operator has asked for no new hedges."}
    for path in (DAEMON / "core" / "self_check.py", DAEMON / "strategies" / "gamma_scalper" / "self_check.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.keyword) and node.arg in ("measured", "limit"):
                found |= set(_texts_in(node.value))
            if isinstance(node, ast.Return):
                found |= set(_texts_in(node.value))
    return found


def _texts_in(node: ast.AST | None) -> Iterator[str]:
    """The texts that an expression may be: a constant, or either branch of a condition."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value:
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _texts_in(node.body)
        yield from _texts_in(node.orelse)
    elif isinstance(node, ast.BoolOp):
        for value in node.values:
            yield from _texts_in(value)


def test_what_a_desk_says_in_fixed_words_is_said_in_chinese() -> None:
    reader = Reader(language="zh")
    found = sentences()
    assert len(found) > 50
    assert {text for text in found if not re.search(r"[\u4e00-\u9fff]", reader.phrase(text))} == set()


def test_the_stages_of_a_flatten_are_said_in_chinese() -> None:
    reader = Reader(language="zh")
    assert {stage for stage in FlattenState if reader.phrase(stage.value) == stage.value} == set()


# --- the catalogues and the code ------------------------------------------------------------------
class Used:
    """The keys that the code names: whole, as the shape of an f-string, or by a group where a file chooses."""

    def __init__(self) -> None:
        self.known = {*texts("en"), *texts("zh")}
        areas = {area_of(key) for key in self.known}
        self.whole: set[str] = set()
        self.asked: dict[str, str] = {}
        """Keys given to `say` as they stand -> where."""
        self.shapes: dict[str, str] = {}
        """Regular expression of an f-string that begins with an area -> where."""
        self.scripts: set[str] = {"browser"}
        """Areas that scripts are given."""
        for path in (*sorted(HOUSE.rglob("*.py")), HOUSE.parent / "cli" / "top_command.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                where = f"{path.name}:{getattr(node, 'lineno', 0)}"
                if isinstance(node, ast.Constant) and node.value in self.known:
                    self.whole.add(str(node.value))
                elif isinstance(node, ast.JoinedStr) and _first(node).partition(".")[0] in areas and not _is_file(node):
                    self.shapes[_shape(node)] = where
                elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                    self._call(node.func.attr, node.args[0], where)
        self.script = "\n".join(path.read_text("utf-8") for path in sorted(SCRIPTS.glob("*.js")))

    def _call(self, name: str, asked: ast.expr, where: str) -> None:
        if name in ("say", "say_it"):
            self.asked.update(dict.fromkeys(_texts_in(asked), where))
        elif name == "say_known":
            groups = {re.escape(text) for text in _texts_in(asked)}
            groups |= {_shape(asked)} if isinstance(asked, ast.JoinedStr) else set()
            self.shapes.update(dict.fromkeys((rf"{group}\..+" for group in groups), where))
        elif name == "area":
            self.scripts.update(_texts_in(asked))

    def has(self, key: str) -> bool:
        if key in self.whole or any(re.fullmatch(shape, key) for shape in self.shapes):
            return True
        return any(self._in_script(key.removeprefix(f"{area}.")) for area in self.scripts if key.startswith(f"{area}."))

    def _in_script(self, name: str) -> bool:
        group = name.rpartition(".")[0]
        chosen_in = group and f"{group}.${{" in self.script
        return (
            bool(chosen_in)
            or re.search(rf"(?<![\w.-]){re.escape(name)}\b|\.{re.escape(name)}\b", self.script) is not None
        )


def _is_file(node: ast.JoinedStr) -> bool:
    last = node.values[-1]
    return isinstance(last, ast.Constant) and str(last.value).endswith((".md", ".toml", ".js"))


def _first(node: ast.JoinedStr) -> str:
    first = node.values[0] if node.values else None
    return str(first.value) if isinstance(first, ast.Constant) else ""


def _shape(node: ast.JoinedStr) -> str:
    return "".join(re.escape(str(each.value)) if isinstance(each, ast.Constant) else ".+" for each in node.values)


@cache
def used() -> Used:
    return Used()


def test_every_key_that_the_code_asks_for_exists() -> None:
    english = set(texts("en"))
    assert {key: where for key, where in used().asked.items() if key not in english} == {}
    dead = {
        shape: where for shape, where in used().shapes.items() if not any(re.fullmatch(shape, k) for k in used().known)
    }
    assert dead == {}


def test_every_text_that_a_script_asks_for_exists() -> None:
    given = {
        key.removeprefix(f"{area}.") for area in used().scripts for key in texts("en") if key.startswith(f"{area}.")
    }
    script = re.sub(r"//.*", "", used().script)
    asked = set(re.findall(r"\b(?:words|texts)\.(\w+)\b(?!\()", script))
    asked |= set(re.findall(r"\b(?:words|texts)\[[\"']([\w.]+)[\"']\]", script))
    assert asked - given - used().scripts == set()


def test_no_key_is_left_over() -> None:
    assert {key for key in texts("en") if not used().has(key)} == set()
    from_registries = {key for key in texts("zh") if area_of(key) in REGISTRY_AREAS - {"phrases"}}
    assert {key for key in from_registries if not used().has(key)} == set()


def test_a_language_that_nobody_has_is_english() -> None:
    assert [chosen(wanted) for wanted in ("zh", "en", "xx", "", None)] == ["zh", "en", "en", "en", "en"]
    assert set(HTML_LANGUAGE) == set(LANGUAGES)
