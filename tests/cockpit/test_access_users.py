"""The users' file and the passwords: what is believed, what is refused with the command that mends it."""

import io
import stat
from pathlib import Path

import pytest
from argon2 import Type

from cli.app import run
from cockpit.access import passwords
from cockpit.access.settings import SettingsError, check_start, read_settings
from cockpit.access.users import UsersError, UsersFile, read_users, write_users
from state.audit import read_audit
from state.layout import CockpitPaths
from tests.support.cockpit_process import PASSWORD, set_users

pytestmark = pytest.mark.usefixtures("quick_passwords")
REAL = passwords._hasher


@pytest.fixture
def paths(tmp_path: Path) -> CockpitPaths:
    set_users(tmp_path, {"anna": "operator", "bob": "viewer"})
    return CockpitPaths(tmp_path)


def test_what_is_written_is_private_and_read_again(paths: CockpitPaths) -> None:
    assert {name: user.role for name, user in read_users(paths).items()} == {"anna": "operator", "bob": "viewer"}
    assert stat.S_IMODE(paths.users.stat().st_mode) == 0o600
    assert stat.S_IMODE(paths.folder.stat().st_mode) == 0o700


def test_no_file_is_nobody(tmp_path: Path) -> None:
    assert read_users(CockpitPaths(tmp_path)) == {}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666])
def test_a_file_that_others_may_touch_is_not_believed(paths: CockpitPaths, mode: int) -> None:
    paths.users.chmod(mode)
    with pytest.raises(UsersError, match=f"mode {mode:o}.*chmod 600 {paths.users}"):
        read_users(paths)


def test_neither_is_one_in_an_open_folder(paths: CockpitPaths) -> None:
    paths.folder.chmod(0o750)
    with pytest.raises(UsersError, match=f"chmod 700 {paths.folder}"):
        read_users(paths)
    with pytest.raises(UsersError, match="chmod 700"):
        write_users(paths, {})


def test_somebody_elses_file_is_not_believed(paths: CockpitPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 12345)
    with pytest.raises(UsersError, match="chown 12345"):
        read_users(paths)


def test_a_symbolic_link_is_not_followed(paths: CockpitPaths, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.json"
    paths.users.rename(elsewhere)
    paths.users.symlink_to(elsewhere)
    with pytest.raises(UsersError, match="symbolic link"):
        read_users(paths)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"schema": 1', '"schema": 2'),
        ('"operator"', '"admin"'),
        ('"anna"', '"<b>anna</b>"'),
        ('"anna"', '"bob"'),
        ("$argon2id$", "$argon2i$"),
        ('"users"', '"people"'),
        ("}\n", ""),
    ],
)
def test_a_torn_or_strange_file_is_refused_with_a_remedy(paths: CockpitPaths, old: str, new: str) -> None:
    text = paths.users.read_text()
    assert old in text
    paths.users.write_text(text.replace(old, new) if new else text[: len(text) // 2])
    with pytest.raises(UsersError, match="bifrost passwd"):
        read_users(paths)


def test_a_running_server_notices_every_change(paths: CockpitPaths) -> None:
    file = UsersFile(paths)
    before = file.current()
    assert file.current() is before
    set_users(paths.root, {"anna": "viewer"}, at="2026-01-02")
    assert {name: user.role for name, user in file.current().items()} == {"anna": "viewer"}
    paths.users.chmod(0o644)
    with pytest.raises(UsersError):
        file.current()
    paths.users.chmod(0o600)
    assert set(file.current()) == {"anna"}


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("elevenchars", "at least 12 characters"),
        ("anna.the.operator", "own name"),
        ("ANNA.THE.OPERATOR", "own name"),
        ("aaaaaaaaaaaaaaaa", "different characters"),
        ("x" * 300, "at most 256"),
    ],
)
def test_a_bad_password_is_refused_with_its_reason(password: str, reason: str) -> None:
    assert reason in str(passwords.complaint("anna.the.operator", password))


def test_a_hash_costs_what_is_stated() -> None:
    assert (REAL.type, REAL.time_cost, REAL.memory_cost, REAL.parallelism) == (Type.ID, 3, 64 * 1024, 1)
    assert (REAL.hash_len, REAL.salt_len) == (32, 16)


def test_a_password_matches_its_own_hash_only() -> None:
    assert passwords.complaint("anna", PASSWORD) is None
    made = passwords.hashed("Ka\N{LATIN SMALL LETTER E WITH ACUTE}fe and cake")
    assert made.startswith("$argon2id$v=19$")
    assert passwords.matches(made, "Kae\N{COMBINING ACUTE ACCENT}fe and cake"), "typed on another keyboard"
    assert not passwords.matches(made, "Kafe and cake")
    assert not passwords.matches(None, "nobody has this password"), "not even by the stand-in's own password"
    assert not passwords.matches("no hash at all", PASSWORD)


def test_the_command_sets_lists_and_removes_and_audits_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = iter([PASSWORD, PASSWORD, "viewers may look too", "viewers may look too"])
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("getpass.getpass", lambda _question: next(typed))
    root = ["--root", str(tmp_path)]
    assert run(["passwd", "anna", *root]) == 0
    assert run(["passwd", "bob", "--role", "viewer", *root]) == 0
    said = capsys.readouterr().out
    assert "from now on everybody logs in, on this machine as well" in said
    assert said.count("everybody") == 1
    paths = CockpitPaths(tmp_path)
    assert passwords.matches(read_users(paths)["anna"].password_hash, PASSWORD)
    assert run(["passwd", "--list", *root]) == 0
    assert run(["passwd", "anna", "--remove", *root]) == 0
    said = capsys.readouterr().out
    assert "anna  operator" in said
    assert "nobody is left who may command from the network" in said
    assert set(read_users(paths)) == {"bob"}
    found = [(line.action, line.source, line.data) for line in read_audit(paths.audit)]
    assert found == [
        ("user_added", "cli", {"user": "anna", "role": "operator"}),
        ("user_added", "cli", {"user": "bob", "role": "viewer"}),
        ("user_removed", "cli", {"user": "anna", "role": "operator"}),
    ]
    assert PASSWORD not in "".join(path.read_text() for path in paths.folder.rglob("*") if path.is_file())


def test_the_command_takes_no_bad_or_twice_different_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = iter(["short", PASSWORD, PASSWORD + "x"])
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("getpass.getpass", lambda _question: next(typed))
    for words in (["anna"], ["anna"], ["<script>"], ["anna", "--role", "admin"], ["nobody", "--remove"]):
        assert run(["passwd", *words, "--root", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 5
    for part in ("at least 12 characters", "not the same", "a name is", "--role admin", "no user nobody"):
        assert part in said
    assert not CockpitPaths(tmp_path).users.exists()


def test_without_a_terminal_the_password_comes_by_stdin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(PASSWORD + "\n"))
    assert run(["passwd", "anna", "--root", str(tmp_path)]) == 2
    assert "--stdin" in capsys.readouterr().err
    assert run(["passwd", "anna", "--stdin", "--root", str(tmp_path)]) == 0
    assert passwords.matches(read_users(CockpitPaths(tmp_path))["anna"].password_hash, PASSWORD)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.7", "::", "trader.lan", ""])  # noqa: S104 -- to be refused
def test_beyond_this_machine_both_missing_things_are_named_at_once(tmp_path: Path, host: str) -> None:
    with pytest.raises(SettingsError) as refused:
        check_start(CockpitPaths(tmp_path), host, {}, cli="./bifrost {}")
    assert "./bifrost passwd NAME --role operator" in str(refused.value)
    assert "--allowed-host NAME" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_one_of_the_two_is_not_enough_and_both_are(tmp_path: Path) -> None:
    paths, lan = CockpitPaths(tmp_path), "192.168.1.7"
    with pytest.raises(SettingsError, match="passwd"):
        check_start(paths, lan, {"allowed_hosts": ["trader.lan"]}, cli="./bifrost {}")
    set_users(tmp_path, {"bob": "viewer"})
    with pytest.raises(SettingsError, match="operator with a password"):
        check_start(paths, lan, {"allowed_hosts": ["trader.lan"]}, cli="./bifrost {}")
    set_users(tmp_path, {"anna": "operator"})
    with pytest.raises(SettingsError, match=r"--allowed-host 192\.168\.1\.7"):
        check_start(paths, lan, {}, cli="./bifrost {}")
    settings, users = check_start(paths, lan, {"allowed_hosts": ["Trader.LAN."]}, cli="./bifrost {}")
    assert settings.allowed_hosts == ("trader.lan",)
    assert set(users) == {"anna"}


def test_a_proxy_on_this_machine_needs_both_as_well(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"passwd.*--allowed-host"):
        check_start(CockpitPaths(tmp_path), "127.0.0.1", {"behind_proxy": "127.0.0.1"}, cli="./bifrost {}")
    check_start(CockpitPaths(tmp_path), "127.0.0.1", {}, cli="./bifrost {}")


def test_settings_come_from_the_file_and_the_command_line_wins(tmp_path: Path) -> None:
    paths = CockpitPaths(tmp_path)
    paths.create()
    paths.settings.write_text('allowed_hosts = ["a.lan"]\noperator_idle_min = 5\nsession_hours = 2\n')
    assert read_settings(paths).limits.idle_us == 300_000_000
    assert read_settings(paths).limits.absolute_us == 7_200_000_000
    assert read_settings(paths, allowed_hosts=["b.lan"]).allowed_hosts == ("b.lan",)
    for text in ("session_hours = 0", "colour = 1", "a = ", 'allowed_hosts = ["http://a.lan"]', 'behind_proxy = "*"'):
        paths.settings.write_text(text + "\n")
        with pytest.raises(SettingsError):
            read_settings(paths)


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_text("no key")
    key.chmod(0o644)
    with pytest.raises(SettingsError, match=f"chmod 600 {key}"):
        read_settings(CockpitPaths(tmp_path), tls_cert=str(key), tls_key=str(key))
    key.chmod(0o600)
    with pytest.raises(SettingsError, match="tls-cert"):
        read_settings(CockpitPaths(tmp_path), tls_cert=str(key), tls_key=str(key))
    with pytest.raises(SettingsError, match="needs both"):
        read_settings(CockpitPaths(tmp_path), tls_key=str(key))
