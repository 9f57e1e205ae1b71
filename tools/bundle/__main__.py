"""Make and look at signed bundles (docs/updates.md).

python -m tools.bundle keygen ~/bota-key.pem --trust trust/keys
python -m tools.bundle make --arch xtensawin --key ~/bota-key.pem
python -m tools.bundle roots --key ~/bota-key.pem
python -m tools.bundle inspect build/bundle/bota-0.1.0-xtensawin.bundle
"""

import argparse
import getpass
import pathlib
import sys

from tools.bundle import form, keys, roots
from tools.bundle.form import BundleError
from tools.image import tree
from tools.image.__main__ import BOARDS
from tools.sim.build import HOST_ARCH, ROOT, BuildError

_OUT = ROOT / "build" / "bundle"
_TRUST = ROOT / "trust" / "keys"


def keygen(options) -> None:
    passphrase = getpass.getpass("Passphrase of the new key: ") if options.encrypt else ""
    key = keys.generate(options.key, passphrase)
    line = keys.trust_line(key, options.name or options.key.stem)
    if options.trust:
        with options.trust.open("a") as f:
            f.write(line)
        print(f"{options.key}: the key, for you alone. {options.trust}: its public line, added.")
        print("Boards learn it with the next `recorder provision`, or with a signed release.")
    else:
        print(line, end="")


def make(options) -> None:
    version = tree.version()
    arch = options.arch or _arch_of(options.board)
    files = tree.release_files(arch)
    files["trust/keys"] = options.trust.read_bytes()
    if not keys.read_trusted(files["trust/keys"].decode()):
        raise BundleError(
            f"{options.trust} holds no key: a board with this release would take no update ever "
            f"after. `python -m tools.bundle keygen KEY.pem --trust {options.trust}` adds one."
        )
    files["release.json"] = tree.release_json(files, version, arch)
    made = form.release(files, version, arch, options.downgrade)
    _write(options, made, f"bota-{version}-{arch}.bundle")


def _arch_of(board: str) -> str:
    table = BOARDS[board]
    return HOST_ARCH if table is None else tree.arch_of_board(table)


def make_roots(options) -> None:
    version = roots.version(options.folder)
    made = form.roots(roots.pack(options.folder), version, options.downgrade)
    _write(options, made, f"bota-roots-{version}.bundle")


def sign(options) -> None:
    signed = form.sign(options.bundle.read_bytes(), keys.load(options.key))
    options.bundle.write_bytes(signed)
    inspect(options)


def inspect(options) -> None:
    found = form.read(options.bundle.read_bytes())
    facts = found.facts
    print(f"{options.bundle}: {facts['kind']} {facts['version']} for {facts['arch']}")
    count = f"{facts['files']} file{'s' if facts['files'] > 1 else ''}"
    print(f"  {count}, {facts['bytes']} bytes, every hash right")
    if facts["downgrade"]:
        print("  may replace a newer version")
    print("  " + _signer(found, options.trust))
    if options.files:
        for path, data in found.files.items():
            print(f"  {len(data):>8}  {path}")


def _signer(found: form.Read, trust: pathlib.Path) -> str:
    if not found.is_signed:
        return "NOT SIGNED: boards refuse it; `python -m tools.bundle sign` signs it"
    for name, key in keys.read_trusted(trust.read_text()).items():
        if keys.is_signed(key, found.signature, found.signed):
            return f"signed by {name} of {trust}"
    return f"signed by NO KEY of {trust}: boards with those keys refuse it"


def _write(options, made: bytes, name: str) -> None:
    if options.key:
        made = form.sign(made, keys.load(options.key))
    options.bundle = options.output or _OUT / name
    options.bundle.parent.mkdir(parents=True, exist_ok=True)
    options.bundle.write_bytes(made)
    options.files = False
    inspect(options)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="tools.bundle",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name, run, summary):
        command = commands.add_parser(name, help=summary, description=summary)
        command.add_argument(
            "--trust", type=pathlib.Path, help="file of public keys", default=_TRUST
        )
        command.set_defaults(run=run)
        return command

    command = add("keygen", keygen, "make a signing key; --trust FILE adds its public line there")
    command.set_defaults(trust=None)
    command.add_argument("key", type=pathlib.Path, help="file for the private key (mode 600)")
    command.add_argument("--name", help="what boards and people call it (default: the file's)")
    command.add_argument("--encrypt", action="store_true", help="ask for a passphrase")
    for name, run, summary in (
        ("make", make, "bundle a release of this source tree"),
        ("roots", make_roots, "bundle a set of TLS roots"),
    ):
        command = add(name, run, summary)
        command.add_argument("--key", type=pathlib.Path, help="sign with this private key")
        command.add_argument("-o", "--output", type=pathlib.Path)
        command.add_argument(
            "--downgrade", action="store_true", help="may replace a newer version"
        )
        if name == "make":
            which = command.add_mutually_exclusive_group(required=True)
            which.add_argument("--arch", choices=tree.ARCHS)
            which.add_argument("--board", choices=BOARDS, help="as `make image` calls it")
        else:
            command.add_argument("--folder", type=pathlib.Path, default=roots.FOLDER)
    command = add("sign", sign, "sign a bundle that was made without --key")
    command.add_argument("bundle", type=pathlib.Path)
    command.add_argument("--key", type=pathlib.Path, required=True)
    command.set_defaults(files=False)
    command = add("inspect", inspect, "say what is in a bundle, and who signed it")
    command.add_argument("bundle", type=pathlib.Path)
    command.add_argument("--files", action="store_true", help="list the files too")
    return top


def main(argv: list[str] | None = None) -> int:
    options = parser().parse_args(argv)
    try:
        options.run(options)
    except (BundleError, BuildError, OSError) as error:
        print(f"bundle: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
