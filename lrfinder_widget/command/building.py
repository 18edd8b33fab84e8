"""From names in the config to objects: model, data, loss and optimizer."""

from __future__ import annotations

import difflib
import importlib
import inspect
import re
import sysconfig
from contextlib import suppress
from functools import partial, update_wrapper
from pathlib import Path
from traceback import walk_tb
from typing import TYPE_CHECKING, Any

from jsonargparse import ArgumentError, ArgumentParser

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lrfinder_widget.command.config import Config, Part
    from lrfinder_widget.errors import SettingsError


class Maker:
    """The class or function that a part names, with its arguments checked but not yet called.

    Parameters
    ----------
    config, part
        Where it is named.
    offered
        The arguments that the command has for it, besides those in the config; it gets those that
        it names. Raises if the config gives one of `reserved` itself.

    Raises
    ------
    SettingsError
        If there is no such class or function, or it does not take what the config gives.
    """

    def __init__(self, config: Config, part: Part, reserved: tuple[str, ...] = ()) -> None:
        self._config = config
        self._part = part
        self.function = self._found()
        self.parameters = _parameters(self.function)
        self._check_names(reserved)

    @property
    def is_class(self) -> bool:
        """Whether it is a class, and not a function."""
        return inspect.isclass(self.function)

    @property
    def name(self) -> str:
        """What messages call it."""
        return getattr(self.function, "__name__", self._part.path)

    def takes(self, name: str) -> bool:
        """Return whether it names an argument so."""
        return name in self.parameters

    def accepts(self, name: str) -> bool:
        """Return whether it can be given an argument so, named or among any others."""
        return self.takes(name) or _takes_any(self.function)

    def make(self, offered: Mapping[str, Any]) -> Any:
        """Call it with the arguments of the config, and those of `offered` that it takes.

        Raises
        ------
        SettingsError
            If it refuses a value; what the user's own code raises is raised.
        """
        offered = {name: value for name, value in offered.items() if self.takes(name)}
        arguments = self._checked(tuple(offered))
        try:
            return self.function(**{**arguments, **offered})
        except (TypeError, ValueError) as error:
            if _of_the_user(error):
                raise
            raise self._not_taken(error, arguments) from error

    def bound(self) -> Callable[..., Any]:
        """Return the function itself, with the arguments of the config bound to it.

        Raises
        ------
        SettingsError
            If it refuses a value.
        """
        if not self._part.arguments:
            return self.function  # type: ignore[no-any-return]
        # Those that are missing come with the call.
        arguments = self._values(self._part.arguments)
        return update_wrapper(partial(self.function, **arguments), self.function)

    def refused(self, message: str, *keys: str) -> SettingsError:
        """Return an error about this part."""
        return self._config.refused(message, *self._part.keys, *keys)

    def _found(self) -> Any:
        path = self._part.path
        module_name, _, name = path.partition(":") if ":" in path else path.rpartition(".")
        if not all((*module_name.split("."), *name.split("."))):
            raise self.refused(
                f"{path!r} must be written as package.module.Class or module:function", "class_path"
            )
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            # One that the user's module needs is another matter, and theirs to see.
            if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
                raise
            raise self.refused(
                f"there is no module {error.name!r}{self._nearest_module(error.name)}; modules "
                f"are looked for in {self._config.module_folder}, in the working folder "
                "and among the installed packages",
                "class_path",
            ) from None
        found: Any = module
        for step in name.split("."):
            if not hasattr(found, step):
                near = difflib.get_close_matches(step, dir(found), n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise self.refused(f"{module_name} has no {step!r}{hint}", "class_path")
            found = getattr(found, step)
        if not callable(found):
            raise self.refused(
                f"{path} is neither a class nor a function (got {found!r})", "class_path"
            )
        return found

    def _nearest_module(self, name: str) -> str:
        beside = [path.stem for path in self._config.module_folder.glob("*.py")]
        near = difflib.get_close_matches(name, beside, n=1)
        return f"; did you mean {near[0]!r}?" if near else ""

    def _check_names(self, reserved: tuple[str, ...]) -> None:
        for name in self._part.arguments:
            if name in reserved:
                raise self.refused(f"lr-finder itself gives {name!r}", "init_args", name)
            if self.accepts(name):
                continue
            known = [each for each in self.parameters if each not in reserved]
            near = difflib.get_close_matches(name, known, n=1)
            hint = (
                f"; did you mean {near[0]!r}?"
                if near
                else f"; it takes {', '.join(known) or 'none'}"
            )
            raise self.refused(f"{self.name} takes no {name!r}{hint}", "init_args", name)

    def _checked(self, offered: tuple[str, ...]) -> dict[str, Any]:
        """Return the config's arguments, all there that are needed besides those `offered`."""
        given = {n: value for n, value in self._part.arguments.items() if n not in offered}
        for name, parameter in self.parameters.items():
            if parameter.default is inspect.Parameter.empty and name not in (*given, *offered):
                raise self.refused(f"{self.name} needs {name!r}", "init_args")
        return self._values(given)

    def _values(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return arguments as the annotations say, and nested parts made."""
        made = {name: self._nested(name) for name, value in given.items() if _is_part(value)}
        plain = {name: value for name, value in given.items() if name not in made}
        return {**self._typed(plain, skipped={*self.parameters} - {*plain}), **made}

    def _nested(self, name: str) -> Any:
        held = self._part.arguments[name]
        keys = (*self._part.keys, "init_args", name)
        self._config.check_part(*keys)
        part = type(self._part)(keys, held["class_path"], held.get("init_args") or {})
        return Maker(self._config, part).make({})

    def _typed(self, given: dict[str, Any], skipped: set[str]) -> dict[str, Any]:
        parser = ArgumentParser(exit_on_error=False)
        options: dict[str, Any] = {"skip": skipped, "fail_untyped": False}
        try:
            if self.is_class:
                parser.add_class_arguments(self.function, "part", instantiate=False, **options)
            else:
                parser.add_function_arguments(self.function, "part", **options)
        except ValueError:
            # Written in C, or so that its arguments cannot be told: it checks them itself.
            return given
        try:
            made = parser.instantiate(parser.parse_object({"part": given} if given else {}))
        except ArgumentError as error:
            raise self._wrong_type(str(error)) from None
        held = made.get("part")
        return {name: held[name] for name in given} if held is not None else given

    def _wrong_type(self, message: str) -> SettingsError:
        found = re.search(r"key \"part\.([\w.]+)\"", message)
        if found is None:
            return self.refused(" ".join(message.split()), "init_args")
        name = found.group(1).split(".")[0]
        value = self._part.arguments.get(name)
        wanted = inspect.formatannotation(self.parameters[name].annotation)
        detail = f"; {' '.join(message.split())}" if isinstance(value, dict) else ""
        return self.refused(f"it must be {wanted} (got {value!r}){detail}", "init_args", name)

    def _not_taken(self, error: Exception, arguments: Mapping[str, Any]) -> SettingsError:
        """Return the error that a value was not taken, at its line if the message tells which."""
        message = " ".join(str(error).split())
        words = {word.strip(".") for word in re.findall(r"[\w.+-]+", message)}
        meant = [
            name
            for name, value in arguments.items()
            if words & {name, str(value), *(["NoneType"] if value is None else [])}
        ]
        keys = ("init_args", *(meant if len(meant) == 1 else []))
        return self.refused(f"{self.name} does not take it: {message}", *keys)


def _of_the_user(error: Exception) -> bool:
    """Return whether any code on the way to where it was raised is not of an installed package."""
    called = error.__traceback__ and error.__traceback__.tb_next
    return not all(_is_installed(frame.f_code.co_filename) for frame, _ in walk_tb(called))


def _is_installed(file: str) -> bool:
    path = Path(file)
    return path.is_relative_to(sysconfig.get_path("stdlib")) or not {
        "site-packages",
        "dist-packages",
    }.isdisjoint(path.parts)


def _parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    # Annotations that cannot be evaluated are left as text.
    for evaluated in (True, False):
        with suppress(ValueError, TypeError, NameError):
            found = inspect.signature(function, eval_str=evaluated).parameters
            return {name: each for name, each in found.items() if each.kind not in kinds}
    return {}


def _is_part(value: Any) -> bool:
    return isinstance(value, dict) and "class_path" in value


def _takes_any(function: Callable[..., Any]) -> bool:
    try:
        found = inspect.signature(function).parameters.values()
    except (ValueError, TypeError):
        return True
    return any(each.kind is inspect.Parameter.VAR_KEYWORD for each in found)
