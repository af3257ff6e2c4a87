"""`bifrost profile list|show|validate`."""

from typing import TYPE_CHECKING, Annotated

import typer

from cli.errors import CommandError, ExitCode
from cli.options import JsonOption, settings
from cli.output import say, say_json

if TYPE_CHECKING:
    from config.loader import LoadedProfile

profiles = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
NameArgument = Annotated[str, typer.Argument(metavar="NAME|FILE", help="A name, or the path of a YAML file.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(
        profiles,
        name="profile",
        help="List, show and validate profiles.",
        epilog="Example: ./bifrost profile validate paper",
    )


def load(name_or_path: str) -> "LoadedProfile":
    """Load a profile for any command. Raises CommandError (2) with every problem, a line each."""
    from config.loader import ProfileError, load_profile

    try:
        return load_profile(name_or_path)
    except ProfileError as error:
        raise CommandError(str(error), ExitCode.USAGE) from error


@profiles.command("list", epilog="Example: ./bifrost profile list --json")
def list_profiles(context: typer.Context, *, as_json: JsonOption = False) -> None:
    """Names of the profiles under config/profiles/, with their desk and underlying."""
    from config.loader import PROFILES_DIR, ProfileError, load_profile, profile_names

    rows: list[dict[str, str | None]] = []
    for name in profile_names():
        try:
            profile = load_profile(name).profile
        except ProfileError as error:
            rows.append({"name": name, "desk": None, "underlying": None, "problem": str(error).splitlines()[0]})
            continue
        market = "live" if profile.live else "paper" if profile.simulator is None else "simulated"
        symbol = profile.underlying.symbol
        rows.append({"name": name, "desk": profile.desk_name, "underlying": symbol, "market": market})
    if settings(context, as_json=as_json).as_json:
        say_json({"folder": str(PROFILES_DIR), "profiles": rows})
        return
    for row in rows:
        about = row.get("problem") or f"desk {row['desk']}, {row['underlying']}, {row['market']}"
        say(f"{row['name']:<24} {about}")


@profiles.command("show", epilog="Example: ./bifrost profile show demo")
def show_profile(context: typer.Context, profile: NameArgument, as_json: JsonOption = False) -> None:
    """Print the effective profile: every key, defaults written out, with its hash and source files."""
    import msgspec

    loaded = load(profile)
    content = msgspec.to_builtins(loaded.profile)
    sources = [str(source) for source in loaded.sources]
    if settings(context, as_json=as_json).as_json:
        say_json({"name": loaded.profile.name, "hash": loaded.hash, "sources": sources, "profile": content})
        return
    import yaml

    say(f"# {loaded.profile.name}, hash {loaded.hash}")
    for source in sources:
        say(f"# from {source}")
    content.pop("name")
    say(yaml.safe_dump(content, sort_keys=False, allow_unicode=True, default_flow_style=None).rstrip())


@profiles.command("validate", epilog="Example: ./bifrost profile validate ./my_desk.yaml")
def validate_profile(context: typer.Context, profile: NameArgument, as_json: JsonOption = False) -> int:
    """Check a profile; exit 2 with one line per problem (file, line, key, remedy) when it cannot be used."""
    from config.loader import ProfileError, load_profile

    wants_json = settings(context, as_json=as_json).as_json
    try:
        loaded = load_profile(profile)
    except ProfileError as error:
        if not wants_json:
            raise CommandError(str(error), ExitCode.USAGE) from error
        say_json({"ok": False, "problems": str(error).splitlines()})
        return ExitCode.USAGE
    if wants_json:
        say_json({"ok": True, "name": loaded.profile.name, "desk": loaded.profile.desk_name, "hash": loaded.hash})
    else:
        say(f"{loaded.path}: ok (desk {loaded.profile.desk_name}, hash {loaded.hash[:12]})")
    return ExitCode.DONE
