"""Reads config.yaml: YAML with line numbers, and `${VAR}` filled in."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from consumer.errors import ConfigError

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")

_PLAIN = re.compile(r"-?(?:0|[1-9][0-9]*)|true|false", re.IGNORECASE)
"""What is a whole number or a boolean. YAML 1.1 also takes `no`, `007` and `10:30:00` for one: here they are text."""

_WHOLE_OR_BOOLEAN = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:bool")

Location = tuple[str | int, ...]


class Document:
    """The content of a YAML file, and the line on which each key or item stands."""

    def __init__(self, path: Path, content: Any, lines: Mapping[Location, int]) -> None:
        self.path, self.content, self.lines = path, content, lines

    def place(self, location: Location) -> str:
        """`config.yaml:12: kafka.group.id` for the nearest place that the file has."""
        known = location
        while known and known not in self.lines:
            known = known[:-1]
        line = f":{self.lines[known]}" if known in self.lines else ""
        dotted = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(".")
        return f"{self.path.name}{line}: {dotted}" if dotted else f"{self.path.name}{line}"


def read_yaml(path: Path, environment: Mapping[str, str] | None = None, option: str = "--config") -> Document:
    """A YAML file with its variables filled in.

    Args:
        option: of the command line that named it.

    Raises:
        ConfigError: the file is missing, is not YAML, repeats a key, or names a variable that is not set.
    """
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except FileNotFoundError as error:
        copy = ", or copy the project's config.yaml" if option == "--config" else ""
        raise ConfigError(f"{path} does not exist; name another with {option}{copy}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigError(_no_yaml(path, error)) from error
    reader = _Reader(path, os.environ if environment is None else environment)
    content = None if node is None else reader.read(node, ())
    return Document(path, content, reader.lines)


def _no_yaml(path: Path, error: yaml.YAMLError) -> str:
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if mark is None or problem is None:
        return f"{path.name} is not YAML: {' '.join(str(error).split())}"
    hint = "check indentation, colons and quotes around it"
    if "\\t" in problem:
        hint = "indent with spaces, not with tabs"
    context = getattr(error, "context", None)
    inside = f" {context}" if context else ""
    snippet = mark.get_snippet(indent=2) or ""
    return f"{path.name}:{mark.line + 1}: is not YAML{inside}: {problem}; {hint}\n{snippet}".rstrip()


class _Reader:
    def __init__(self, path: Path, environment: Mapping[str, str]) -> None:
        self._path, self._environment = path, environment
        self._scalars = yaml.SafeLoader("")
        self.lines: dict[Location, int] = {}

    def read(self, node: yaml.Node, location: Location) -> Any:
        self.lines.setdefault(location, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, location)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(item, (*location, at)) for at, item in enumerate(node.value)]
        if node.tag in _WHOLE_OR_BOOLEAN and not _PLAIN.fullmatch(node.value):
            return node.value
        try:
            value = self._scalars.construct_object(node, deep=True)
        except yaml.YAMLError as error:
            raise ConfigError(
                f"{self._place(location)}: YAML takes what begins with ! for a tag ({node.tag}); put the whole value "
                "into quotes, or write | and the value into the next line"
            ) from error
        except ValueError as error:
            raise ConfigError(
                f"{self._place(location)}: {node.value} is no date or time that exists: {error}"
            ) from error
        return self._filled(value, location) if isinstance(value, str) else value

    def _mapping(self, node: yaml.MappingNode, location: Location) -> dict[str, Any]:
        content: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(self._scalars.construct_object(key_node, deep=True))
            if key in content:
                line = key_node.start_mark.line + 1
                raise ConfigError(f"{self._path.name}:{line}: {key!r} stands twice in one place; keep one")
            self.lines[*location, key] = key_node.start_mark.line + 1
            content[key] = self.read(value_node, (*location, key))
        return content

    def _filled(self, text: str, location: Location) -> Any:
        if "${" not in text:
            return text
        whole = _VARIABLE.fullmatch(text)
        filled = _VARIABLE.sub(lambda match: self._variable(match, location), text)
        # A whole value from a variable is typed as if it stood in the file: a port is a number.
        return yaml.safe_load(filled) if whole and _PLAIN.fullmatch(filled) else filled

    def _variable(self, match: re.Match[str], location: Location) -> str:
        name, default = match[1], match[2]
        file = self._environment.get(f"{name}_FILE")
        if file:
            try:
                return Path(file).read_text(encoding="utf-8").rstrip("\n")
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigError(f"{self._place(location)}: {name}_FILE names {file}, which cannot be read") from error
        value = self._environment.get(name) or default
        if value is None:
            raise ConfigError(
                f"{self._place(location)}: the variable {name} is not set, or empty; "
                f"set it (or {name}_FILE), or write ${{{name}:-default}}"
            )
        return value

    def _place(self, location: Location) -> str:
        return Document(self._path, None, self.lines).place(location)
