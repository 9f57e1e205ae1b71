"""The fakes are held to what they imitate: each names it, and has the stub's signature."""

import ast
import pathlib
import re

import pytest

from host_tests.hal import typings

FAKES = pathlib.Path(__file__).parent / "fakes"
BESIDE = "host_tests.hal.fakes."
MODULES = ("machine", "network", "esp32", "vfs")
LIKE = re.compile(
    r"like\s+(ports|extmod|py|shared|components)(/[\w.]+)+\.(c|cpp|h|py)\s+\([\w(), :\n]+\)"
)


def functions(path):
    """(name with its class, node) of every function of a fake that is more than plumbing, and of
    the file beside it that holds one of its classes.
    """
    tree = ast.parse(path.read_text())
    found = [(node.name, node) for node in tree.body if isinstance(node, ast.FunctionDef)]
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module.startswith(BESIDE):
            found += functions(path.with_name(node.module.removeprefix(BESIDE) + ".py"))
    for owner in tree.body:
        if isinstance(owner, ast.ClassDef):
            for node in owner.body:
                if isinstance(node, ast.FunctionDef):
                    found.append((owner.name + "." + node.name, node))
    return found


# What only turns the fake's own wheels: the clock of the chip, and what a test does to it.
WHEELS = {"Chip.__init__", "Chip.run", "power_up"}


@pytest.mark.parametrize("name", [*MODULES, "clock", "chip"])
def test_each_function_of_a_fake_says_what_it_is_like(name):
    silent = [
        where
        for where, node in functions(FAKES / (name + ".py"))
        if where not in WHEELS and not LIKE.search(ast.get_docstring(node) or "")
    ]
    assert silent == []


def test_the_rule_would_see_a_silent_one():
    assert not LIKE.search("Gives the value.")
    assert not LIKE.search("like the real one (somewhere)")
    assert LIKE.search("like ports/esp32/machine_pin.c (machine_pin_call): reads it.")


def arguments(node):
    """(positional names, keyword-only names, takes anything) of a function."""
    spec = node.args
    names = [a.arg for a in spec.posonlyargs + spec.args if a.arg not in ("self", "cls")]
    return names, [a.arg for a in spec.kwonlyargs], bool(spec.kwarg or spec.vararg)


@pytest.fixture(scope="module")
def stubs(tmp_path_factory):
    folder = typings.lay_out(tmp_path_factory.mktemp("typings"))
    return {name: ast.parse((folder / (name + ".pyi")).read_text()) for name in MODULES}


def overloads(tree, where):
    """Every definition of `Class.function` or `function` in a stub."""
    body = tree.body
    owner, _, name = where.rpartition(".")
    if owner:
        classes = [node for node in body if isinstance(node, ast.ClassDef) and node.name == owner]
        body = [inner for node in classes for inner in node.body]
    names = {name, "__init__"} if name == "__new__" else {name}
    return [n for n in body if isinstance(n, ast.FunctionDef) and n.name in names]


# Names that the stubs give another way, with the reason.
OTHERWISE = {
    "SDCard.__init__": "the stub knows no cmd and data yet; machine_sdcard.c has them",
    "WLAN.config": "the stub has one overload for each keyword",
    "PPP.config": "the stub has one argument for both of its forms",
}


@pytest.mark.parametrize("name", MODULES)
def test_signatures_are_those_of_the_stubs(stubs, name):
    """Whatever a fake can be asked for, the stub knows: by name, and by number of arguments."""
    wrong = []
    for where, node in functions(FAKES / (name + ".py")):
        short = where.rpartition(".")[2]
        is_plumbing = short.startswith("_") and short not in ("__init__", "__new__")
        if is_plumbing or where in ("WLAN.pump", "WLAN.drop"):
            continue
        known = overloads(stubs[name], where)
        if not known:
            wrong.append(where + ": not in the stub")
            continue
        if where in OTHERWISE:
            continue
        ours, keywords, _ = arguments(node)
        fits = False
        for other in known:
            theirs, their_keywords, takes_all = arguments(other)
            enough = len(ours) <= len(theirs) + len(their_keywords) or takes_all
            fits = fits or (
                enough and (takes_all or set(keywords) <= set(theirs) | set(their_keywords))
            )
        if not fits:
            wrong.append("%s%s: no overload of the stub fits" % (where, (ours, keywords)))
    assert wrong == []


@pytest.mark.parametrize("where", sorted(OTHERWISE))
def test_each_exception_still_has_a_stub_to_differ_from(stubs, where):
    assert any(overloads(stubs[name], where) for name in MODULES)


def test_constants_are_in_the_stubs(stubs):
    import importlib

    missing = []
    for name in MODULES:
        text = ast.unparse(stubs[name])
        fake = importlib.import_module("host_tests.hal.fakes." + name)
        owners = [fake] + [v for v in vars(fake).values() if isinstance(v, type)]
        for owner in owners:
            for constant in vars(owner):
                if constant.isupper() and not constant.startswith("_"):
                    if not re.search(r"\b%s\b" % constant, text):
                        missing.append("%s.%s" % (name, constant))
    assert missing == []


def test_the_drivers_third_buffer_is_dropped_and_full_queues_too(chip):
    """The two silences that the microphone is built around."""
    import machine

    pins = [machine.Pin(i) for i in (4, 5, 6)]
    i2s = machine.I2S(
        0, sck=pins[0], ws=pins[1], sd=pins[2], mode=0, bits=32, format=0, rate=16000, ibuf=40000
    )
    assert i2s.dma_count == 19, "40000 bytes are 0.3 s, not 1.25"
    i2s.irq(lambda which: None)
    for _ in range(3):
        assert i2s.readinto(bytearray(4096)) == 4096
    assert i2s.ignored == 1
    with pytest.raises(OSError):
        i2s.readinto(bytearray(4095))
    for _ in range(9):
        chip.schedule(print, "x")
    assert chip.calls_lost == 1
