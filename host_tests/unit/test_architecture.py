"""Rules of the tree that a syntax tree can check: who may import what, and how much."""

import ast
import pathlib
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from tools.sim.build import mpy_cross

ROOT = pathlib.Path(__file__).parents[2]
RESCUE = sorted((ROOT / "rescue").rglob("*.py"))
SOURCES = sorted((ROOT / "device").rglob("*.py")) + [ROOT / "boot.py", ROOT / "main.py"] + RESCUE
HARDWARE = {"machine", "network", "esp32", "socket", "ssl", "vfs", "usocket", "ussl", "tls"}
# Not on every interpreter of ours, or another word for one that is (style.md section 2).
MISSING = {"typing", "dataclasses", "enum", "abc", "contextlib", "functools", "logging"}
STAGES = ("capture", "codec", "store", "queue", "api", "http", "transfer", "link", "supervisor")


def name_of(path):
    return str(path.relative_to(ROOT))


def each(rule):
    """Every place where rule(path, node) finds something."""
    found = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(), str(path))):
            if rule(path, node):
                found.append("%s:%d" % (name_of(path), node.lineno))
    return found


def imports(node):
    """The modules that an import statement names."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    if isinstance(node, ast.ImportFrom):
        module = node.module or ""
        return {module} | {module + "." + alias.name for alias in node.names}
    return set()


def is_hardware_side(path):
    name = name_of(path)
    beginnings = ("boot.py", "main.py", "device/start.py")
    return name.startswith(("device/hal/", "rescue/")) or name in beginnings


def test_the_rescue_program_shares_no_code_with_the_full_one():
    """Every module of device/ may be broken; and what touches hardware has few places here too."""
    places = ("sim_", "esp32_", "sending", "wire", "ntp")

    def rule(path, node):
        roots = {module.split(".")[0] for module in imports(node)}
        is_at_home = path.name.startswith(places)
        return path in RESCUE and ("device" in roots or roots & HARDWARE and not is_at_home)

    assert RESCUE and each(rule) == []


def test_the_walk_sees_the_whole_device():
    assert len(SOURCES) > 45
    assert any("device/hal/sim/net.py" == name_of(path) for path in SOURCES)


def test_only_the_hal_touches_hardware_and_network():
    def rule(path, node):
        roots = {module.split(".")[0] for module in imports(node)}
        return not is_hardware_side(path) and roots & HARDWARE

    assert each(rule) == []


def test_nothing_is_imported_that_micropython_lacks():
    def rule(path, node):
        return {module.split(".")[0] for module in imports(node)} & MISSING

    assert each(rule) == []


def test_only_app_and_hal_name_a_hal():
    def rule(path, node):
        named = any(module.startswith("device.hal") for module in imports(node))
        return named and not is_hardware_side(path)

    assert each(rule) == []


def test_stages_know_values_and_ports_of_others_not_their_engines():
    """api opens no socket; http knows no API; store and capture know no network."""
    forbidden = {
        "api": {"device.http", "device.transfer", "device.link", "device.store", "device.queue"},
        "http": {"device.api", "device.transfer", "device.store", "device.link", "device.queue"},
        "store": {"device.http", "device.api", "device.transfer", "device.queue", "device.link"},
        "capture": {"device.http", "device.api", "device.transfer", "device.queue"},
        "codec": {"device.http", "device.api", "device.transfer", "device.store"},
        "link": {"device.http", "device.api", "device.transfer", "device.store", "device.queue"},
    }

    def rule(path, node):
        parts = name_of(path).split("/")
        banned = forbidden.get(parts[1] if len(parts) > 2 else "", set())
        return any(module.startswith(tuple(banned)) for module in imports(node)) if banned else 0

    assert each(rule) == []


def test_only_app_joins_the_stages():
    joining = []
    for path in SOURCES:
        stages = set()
        for node in ast.walk(ast.parse(path.read_text())):
            for module in imports(node):
                parts = module.split(".")
                if parts[0] == "device" and len(parts) > 1 and parts[1] in STAGES:
                    stages.add(parts[1])
        if len(stages) > 4:
            joining.append(name_of(path))
    assert joining == ["device/app.py"]


def test_no_print():
    def rule(path, node):
        return isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print"

    assert each(rule) == []


def test_certificates_are_verified_everywhere():
    def rule(path, node):
        if isinstance(node, ast.Attribute) and node.attr in ("CERT_NONE", "CERT_OPTIONAL"):
            return True
        if isinstance(node, ast.Name) and node.id in ("CERT_NONE", "CERT_OPTIONAL"):
            return True
        if isinstance(node, ast.Attribute) and node.attr in ("_create_unverified_context",):
            return True
        if isinstance(node, ast.keyword) and node.arg in ("ssl", "check_hostname", "cert_reqs"):
            return isinstance(node.value, ast.Constant)
        if isinstance(node, ast.Assign):
            names = {getattr(target, "attr", "") for target in node.targets}
            return "check_hostname" in names
        return False

    def with_line(path, node):
        if isinstance(node, ast.keyword):
            node.lineno = node.value.lineno
        return rule(path, node)

    assert each(with_line) == []


def test_broad_excepts_stand_at_the_boundary_or_pass_on_what_they_caught():
    allowed = ("device/supervisor/supervisor.py", "device/field/entry.py", "boot.py", "main.py")
    allowed += ("device/start.py", "rescue/program.py")

    def rule(path, node):
        if not isinstance(node, ast.ExceptHandler) or name_of(path) in allowed:
            return False
        names = {getattr(part, "id", "") for part in ast.walk(node.type)} if node.type else {""}
        is_broad = node.type is None or names & {"Exception", "BaseException"}
        last = node.body[-1]
        return is_broad and not (isinstance(last, ast.Raise) and last.exc is None)

    assert each(rule) == []


def test_nothing_uses_assert_for_what_comes_from_outside():
    def rule(path, node):
        return isinstance(node, ast.Assert)

    assert each(rule) == []


def test_files_are_of_a_size_that_can_be_read():
    sizes = {name_of(path): len(path.read_text().splitlines()) for path in SOURCES}
    assert {name: size for name, size in sizes.items() if size > 350} == {}


def test_every_module_says_what_it_is():
    silent = []
    for path in SOURCES:
        text = path.read_text()
        if text.strip() and not ast.get_docstring(ast.parse(text)) and not text.startswith("#"):
            silent.append(name_of(path))
    assert silent == []


def test_nothing_happens_at_import():
    """No open file, socket, task or pin: only definitions, constants and imports."""
    calls = {"open", "socket", "create_task", "run", "Pin", "mkdir", "start", "connect"}
    found = []
    for path in SOURCES:
        if path.name in ("boot.py", "main.py"):
            continue
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                continue
            for inner in ast.walk(node):
                if isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                    break
                if isinstance(inner, ast.Call):
                    name = getattr(inner.func, "id", getattr(inner.func, "attr", ""))
                    if name in calls:
                        found.append("%s:%d %s" % (name_of(path), inner.lineno, name))
    assert found == []


@pytest.mark.parametrize("arch", ["xtensawin", "rv32imc"])
def test_every_module_compiles_for_the_boards(tmp_path, arch):
    def compile_one(path):
        out = tmp_path / (name_of(path).replace("/", "-") + ".mpy")
        command = [mpy_cross(), "-march=" + arch, "-o", str(out), str(path)]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode or not out.stat().st_size:
            return name_of(path) + ": " + result.stderr.strip()
        return None

    with ThreadPoolExecutor(4) as pool:
        failures = [found for found in pool.map(compile_one, SOURCES) if found]
    assert failures == []
