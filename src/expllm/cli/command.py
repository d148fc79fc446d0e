"""A command of `expllm`: its options in groups, and old spellings of them for one release."""

from collections.abc import Iterator
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperOption

from expllm.cli.ending import complain

SETTINGS: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
RENAMED_OPTIONS: Final = {
    "--batch": ("--batch-size",),
    "--max-tokens": ("--max-new-tokens", "--judge-max-new-tokens"),
    "--judge-max-tokens": ("--judge-max-new-tokens",),
    "--audit-max-tokens": ("--audit-max-new-tokens",),
    "--mirrored": ("--flip-averaging",),
    "--no-mirrored": ("--no-flip-averaging",),
    "--no-hint": ("--hint=none",),
}
"""Old options, and what took their place, with its value where it has one now: the first that a command has.
They go with the next release."""
MOVED: Final = {"eval calibrate": "model calibrate"}
"""Old places of commands, and where they are now; the old places are hidden, and go likewise."""


class Command(TyperCommand):
    """Prints options in the groups that `rich_help_panel` names, without rich's boxes."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Arguments, options of no group, and the groups in the order in which they come."""
        groups: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for parameter in self.get_params(ctx):
            if record := parameter.get_help_record(ctx):
                groups.setdefault(group_of(parameter), []).append(record)
        for name, records in groups.items():
            if records:
                with formatter.section(name):
                    formatter.write_dl(records)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Takes old spellings and old places, with a warning."""
        place = " ".join(ctx.command_path.split()[1:])
        if place in MOVED:
            complain(
                f"warning: {place} is called {MOVED[place]} now; the old name goes with the next release"
            )
        return super().parse_args(ctx, list(self._renamed(args)))

    def _renamed(self, arguments: list[str]) -> Iterator[str]:
        known = {name for one in self.params for name in (*one.opts, *one.secondary_opts)}
        for place, argument in enumerate(arguments):
            if argument == "--":
                yield from arguments[place:]
                return
            old, equals, value = argument.partition("=")
            now = (one for one in RENAMED_OPTIONS.get(old, ()) if one.partition("=")[0] in known)
            new = next(now, None)
            if new is None or old in known:
                yield argument
            else:
                complain(f"warning: {old} is called {new} now; the old name goes with the next release")
                yield f"{new}{equals}{value}"


def group_of(parameter: Any) -> str:
    """The heading that a parameter stands under in the help."""
    if not isinstance(parameter, TyperOption):
        return "Options" if parameter.param_type_name == "option" else "Arguments"
    return parameter.rich_help_panel or "Options"


def new_group(help_: str) -> typer.Typer:
    """A group of commands, such as `expllm cot`."""
    return typer.Typer(help=help_, no_args_is_help=True, rich_markup_mode=None, context_settings=SETTINGS)
