"""Short private names for what a board carries: each name of a .mpy lies in RAM, once for all
modules.

A private name ("_like_this") is called `_0`, `_1`, … in its module; the next module uses the same
ones again. 500 names become about 40, and MicroPython's table of names, which grows by doubling,
stays a step smaller: on the unix port that is 17 KB of a running recorder's heap.
Line numbers stay, so a traceback still names module and line; only its "in …" becomes short.

So does an argument's name that is an argument's or a local variable's wherever it is spoken, and
that no call gives as a keyword. (Names of local variables cost nothing in a .mpy.)

A name stays as it is if its module does not make it (it is somebody else's attribute), if several
modules speak it and one of them of another object than self, if a string is equal to it, or if it
is no private name. Modules whose classes inherit from each other share one numbering: their names
meet in one object; what two of them speak stays as it is.
"""

import ast
import io
import pathlib
import tokenize
from collections.abc import Iterable


def shorten(
    sources: dict[pathlib.PurePath, str], keywords: frozenset[str] | None = None
) -> dict[pathlib.PurePath, str]:
    """The same modules with short private names. sources: path relative to the root -> text.
    keywords: those that callers elsewhere may give; None: nobody knows, so arguments stay.
    """
    trees = {path: ast.parse(text, str(path)) for path, text in sources.items()}
    spoken = [_names(text) for text in sources.values()]
    strings = {
        node.value
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    counts: dict[str, int] = {}
    for names in spoken:
        for name in names:
            counts[name] = counts.get(name, 0) + 1
    elsewhere = _spoken_of_others(trees.values())
    families = _families(trees)
    for family in families:
        made = set().union(*(_made(trees[path]) for path in family))
        heard: dict[str, int] = {}
        for path in family:
            for name in _names(sources[path]):
                heard[name] = heard.get(name, 0) + 1
        elsewhere.update(name for name in heard if heard[name] > 1 or name not in made)
    arguments = set() if keywords is None else _arguments(trees.values()) - keywords - strings
    shortened = {}
    for family in families:
        number = 0
        for path in family:
            renamed = {}
            for name in sorted(_made(trees[path])):
                is_own = counts[name] == 1 or name not in elsewhere
                is_private = _is_private(name) and is_own and name not in strings
                if is_private or name in arguments:
                    while f"_{number}" in counts:
                        number += 1
                    renamed[name] = f"_{number}"
                    number += 1
            shortened[path] = _rename(sources[path], renamed)
    return shortened


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and len(name) > 3


def _arguments(trees: Iterable[ast.AST]) -> set[str]:
    """The names that are nothing but arguments and local variables in all of these modules."""
    arguments, others = {"self"}, {"self"}
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.arg):
                arguments.add(node.arg)
            elif isinstance(node, ast.Attribute):
                others.add(node.attr)
            elif isinstance(node, ast.keyword):
                others.add(node.arg or "")
            elif isinstance(node, ast.alias):
                others.update((*node.name.split("."), node.asname or ""))
            elif isinstance(node, ast.ImportFrom):
                others.update((node.module or "").split("."))
            elif isinstance(node, ast.Global | ast.Nonlocal):
                others.update(node.names)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                others.add(node.name)
            if isinstance(node, ast.Module | ast.ClassDef):
                others |= _own_names(node)
    return {name for name in arguments - others if len(name) > 3}


def _spoken_of_others(trees: Iterable[ast.AST]) -> set[str]:
    """The names that some module takes from another one, or from another object than self."""
    found = set()
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                if not (isinstance(node.value, ast.Name) and node.value.id == "self"):
                    found.add(node.attr)
            elif isinstance(node, ast.alias):
                found.add(node.name)
            elif isinstance(node, ast.keyword):
                found.add(node.arg or "")
    return found


def _own_names(scope: ast.AST) -> set[str]:
    """The names that a module or class assigns outside its functions."""
    found = set()
    nodes = list(scope.body)
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        nodes += ast.iter_child_nodes(node)
    return found


def _made(tree: ast.AST) -> set[str]:
    """The names that a module gives to something: definitions, assignments, arguments, imports."""
    made = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            made.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            made.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            made.add(node.attr)
        elif isinstance(node, ast.arg):
            made.add(node.arg)
        elif isinstance(node, ast.alias) and node.asname:
            made.add(node.asname)
    return made


def _names(text: str) -> set[str]:
    return {
        token.string
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.NAME
    }


def _rename(text: str, renamed: dict[str, str]) -> str:
    """text with whole names replaced; nothing else moves, so lines keep their numbers."""
    lines = text.splitlines(keepends=True)
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    found = [t for t in tokens if t.type == tokenize.NAME and t.string in renamed]
    for token in reversed(found):
        row, begin = token.start
        line = lines[row - 1]
        lines[row - 1] = line[:begin] + renamed[token.string] + line[token.end[1] :]
    return "".join(lines)


def _families(trees: dict[pathlib.PurePath, ast.AST]) -> list[list[pathlib.PurePath]]:
    """The modules in groups: those that inherit classes from each other are together."""
    modules = {".".join(path.with_suffix("").parts): path for path in trees}
    family = {path: {path} for path in trees}
    for path, tree in trees.items():
        origins = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module in modules:
                for alias in node.names:
                    origins[alias.asname or alias.name] = modules[node.module]
        for node in ast.walk(tree):
            for base in getattr(node, "bases", ()) if isinstance(node, ast.ClassDef) else ():
                if isinstance(base, ast.Attribute):
                    # module.Class: take every module of that last name as its home.
                    homes = [p for m, p in modules.items() if m.endswith(ast.unparse(base.value))]
                else:
                    homes = [origins[base.id]] if getattr(base, "id", None) in origins else []
                for home in homes:
                    joined = family[path] | family[home]
                    for member in joined:
                        family[member] = joined
    return [sorted(group) for group in {id(g): g for g in family.values()}.values()]
