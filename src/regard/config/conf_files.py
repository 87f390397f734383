"""Find the file and line of the user's conf folders that Hydra cannot compose."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import yaml
from omegaconf.errors import GrammarParseError
from omegaconf.grammar_parser import parse

from regard.errors import one_line
from regard.places import conf_folder


def line_with(words: str, folders: Sequence[Path]) -> str | None:
    """Return file and line of the first occurrence of ``words`` in ``folders``; None if there is none."""
    for path in _files(folders):
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
            if words in line.partition("#")[0]:
                return f"{path}, line {number}"
    return None


def find_fault(folders: Sequence[Path], chosen: Collection[str]) -> str | None:
    """Return the error message for the first file in ``folders`` that is not a configuration; None if all are.

    Files whose names are ``chosen`` options are read first.
    """
    for path in sorted(_files(folders), key=lambda path: path.stem not in chosen):
        content = path.read_bytes()
        try:
            text = content.decode("utf-8")
            node = yaml.compose(text, yaml.SafeLoader)
        except UnicodeDecodeError as error:
            line = content[: error.start].count(b"\n") + 1
            return (
                f"{path}, line {line}: not UTF-8 (byte 0x{content[error.start]:02x}); convert the file, e.g. with iconv"
            )
        except yaml.YAMLError as error:
            return explain_yaml(error, str(path))
        if node is None:
            continue
        if not isinstance(node, yaml.MappingNode):
            return f"{path}, line {node.start_mark.line + 1}: expected lines of KEY: VALUE; correct the file"
        for key, value in node.value:
            if key.value == "defaults" and not isinstance(value, yaml.SequenceNode):
                return f"{path}, line {key.start_mark.line + 1}: defaults must be a list, such as [{value.value}]"
        for scalar in _scalars(node, set()):
            try:
                parse(scalar.value)
            except GrammarParseError:
                place = f"{path}, line {scalar.start_mark.line + 1}"
                return rf"{place}: {scalar.value} is not an interpolation; write ${{KEY}}, or \${{ for these characters"
    return None


def explain_yaml(error: yaml.YAMLError, path: str = "") -> str:
    """Return the error message for a file that is not YAML."""
    if isinstance(error, yaml.reader.ReaderError):  # an invalid character
        before = Path(path or error.name).read_text(encoding="utf-8")[: error.position]
        return f"{path or error.name}, line {before.count(chr(10)) + 1}: not YAML ({error.reason}); correct the file"
    if not isinstance(error, yaml.MarkedYAMLError):
        return f"{path}: not YAML ({one_line(error)}); correct the file"
    mark = error.problem_mark or error.context_mark
    if error.context_mark is not None and "<stream end>" in str(error.problem):
        mark = error.context_mark  # the opening of what is not closed
    place = path if mark is None else f"{path or mark.name}, line {mark.line + 1}"
    return f"{place}: not YAML ({' '.join(str(error.problem or error.context).split())}); correct the file"


def options_of(group: str, folders: Sequence[Path]) -> list[str]:
    """Return the options of a config group, of regard and of the user."""
    return sorted({path.stem for folder in (conf_folder(), *folders) for path in (folder / group).glob("*.yaml")})


def _files(folders: Sequence[Path]) -> Iterator[Path]:
    for folder in folders:
        yield from sorted(path for path in folder.rglob("*.yaml") if path.is_file())


def _scalars(node: yaml.Node, seen: set[int]) -> Iterator[yaml.ScalarNode]:
    """Yield the values with an interpolation. ``seen`` stops at aliases, which may be recursive."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.ScalarNode) and "${" in node.value:
        yield node
    elif isinstance(node, yaml.CollectionNode):
        for each in node.value:
            for child in each if isinstance(each, tuple) else (each,):
                yield from _scalars(child, seen)
