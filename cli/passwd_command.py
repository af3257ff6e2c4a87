"""`bifrost passwd`: who may log in to the cockpit. The running cockpit notices a change within a second."""

import getpass
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from cli.errors import CommandError, ExitCode
from cli.options import RootOption, Settings, settings
from cli.output import say, say_json

if TYPE_CHECKING:
    from cockpit.access.actor import Role
    from cockpit.access.users import Users
    from state.layout import CockpitPaths


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command(
        "passwd",
        short_help="Who may log in to the cockpit",
        epilog="Example: ./bifrost passwd anna --role operator",
    )(passwd)


def passwd(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(help="The user. Default: the machine's user.", show_default=False)
    ] = None,
    *,
    role: Annotated[
        str | None,
        typer.Option("--role", metavar="operator|viewer", help="A new user's. Default: operator.", show_default=False),
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take the user out; his sessions end.")] = False,
    list_users: Annotated[bool, typer.Option("--list", help="Who may log in.")] = False,
    stdin: Annotated[bool, typer.Option("--stdin", help="Read the password from the first line of stdin.")] = False,
    root: RootOption = None,
) -> int:
    """Set a password for the cockpit, asked twice without echo; or list or remove users. There is no default one.

    Once there is a user, everybody logs in, on this machine as well. A changed user's sessions end.
    """
    from cockpit.access.users import UsersError, check_name
    from state.layout import CockpitPaths

    chosen = settings(context, None, root)
    paths = CockpitPaths(chosen.root)
    user = name if name is not None else _machine_user()
    try:
        if list_users:
            return _list(paths, chosen)
        check_name(user)
        if remove:
            return _remove(paths, user)
        return _set(paths, user, _role(role), stdin=stdin)
    except UsersError as error:
        raise CommandError(str(error), ExitCode.USAGE) from error


def _machine_user() -> str:
    from cockpit.access.machine import machine_user

    return machine_user()


def _role(wanted: str | None) -> "Role | None":
    from cockpit.access.actor import ROLES

    for role in ROLES:
        if wanted == role:
            return role
    if wanted is None:
        return None
    raise CommandError(f"--role {wanted}: a role is operator (may command) or viewer (may look)", ExitCode.USAGE)


def _list(paths: "CockpitPaths", chosen: Settings) -> int:
    from cockpit.access.users import read_users

    users = read_users(paths)
    if chosen.as_json:
        say_json([{"name": user.name, "role": user.role, "changed_at": user.changed_at} for user in users.values()])
    elif not users:
        say(f"no users in {paths.users}: on this machine nobody needs to log in, and nobody else can")
    for user in [] if chosen.as_json else users.values():
        say(f"{user.name}  {user.role}  password set {user.changed_at[:10]}")
    return ExitCode.DONE


def _remove(paths: "CockpitPaths", name: str) -> int:
    from cockpit.access.users import changing, operators, read_users, write_users

    with changing(paths):
        users = read_users(paths)
        if name not in users:
            raise CommandError(f"no user {name}; there is: {', '.join(users) or 'nobody'}", ExitCode.USAGE)
        left = {other: user for other, user in users.items() if other != name}
        _audit(paths, "user_removed", name, users[name].role)
        write_users(paths, left)
    say(f"{name} may not log in any more; sessions of {name} end")
    if not operators(left):
        say("nobody is left who may command from the network; set one: ./bifrost passwd NAME --role operator")
    return ExitCode.DONE


def _set(paths: "CockpitPaths", name: str, role: "Role | None", *, stdin: bool) -> int:
    from cockpit.access.passwords import hashed
    from cockpit.access.users import User, changing, read_users, write_users
    from state.times import iso_from_us

    read_users(paths)  # what is wrong with the file is said before anybody types
    password_hash = hashed(_asked(name, stdin=stdin))
    with changing(paths):
        users: Users = read_users(paths)
        known = users.get(name)
        kept: Role = known.role if known is not None else "operator"
        user = User(
            name=name,
            role=role if role is not None else kept,
            password_hash=password_hash,
            changed_at=iso_from_us(_now_us()),
        )
        _audit(paths, "password_set" if known is not None else "user_added", name, user.role)
        write_users(paths, {**users, name: user})
    done = f"the password of {name} is changed; sessions of {name} end" if known is not None else f"{name} may log in"
    say(f"{done} ({user.role})")
    if not users:
        say("from now on everybody logs in, on this machine as well")
    return ExitCode.DONE


def _asked(name: str, *, stdin: bool) -> str:
    """The new password. Raises CommandError (2) with the reason when it is none."""
    from cockpit.access.passwords import complaint

    if stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif not sys.stdin.isatty():
        raise CommandError("no terminal to ask on; give the password by --stdin", ExitCode.USAGE)
    else:
        password = _typed(f"New password for {name}: ")
    problem = complaint(name, password)
    if problem is not None:
        raise CommandError(problem, ExitCode.USAGE)
    if not stdin and _typed("The same again: ") != password:
        raise CommandError("the two were not the same; nothing was changed", ExitCode.USAGE)
    return password


def _typed(question: str) -> str:
    try:
        return getpass.getpass(question)
    except EOFError as error:
        raise CommandError("no password was given; nothing was changed", ExitCode.USAGE) from error


def _audit(paths: "CockpitPaths", action: str, name: str, role: str) -> None:
    """First, like everything that lets somebody in. Raises CommandError, and nothing is changed."""
    from state.audit import AuditError, append_audit

    try:
        append_audit(
            paths.audit,
            wall_us=_now_us(),
            source="cli",
            action=action,
            by=_machine_user(),
            outcome="written",
            data={"user": name, "role": role},
        )
    except AuditError as error:
        raise CommandError(f"nothing was changed, for it could not be audited: {error}") from error


def _now_us() -> int:
    from cockpit.clock import wall_us

    return wall_us()
