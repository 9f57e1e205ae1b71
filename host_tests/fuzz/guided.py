"""One target under a coverage-guided fuzzer: python -m host_tests.fuzz.guided TARGET SECONDS

atheris is no dependency of the project: it has wheels for few machines.
"""

import pathlib
import sys
import tempfile


def main(argv: list[str]) -> int:
    name, seconds = argv
    try:
        import atheris
    except ImportError:
        print("atheris is not installed: .venv/bin/python -m pip install atheris")
        return 2
    with atheris.instrument_imports(include=["device", "rescue"]):
        from host_tests.fuzz.targets import TARGETS
    target = next(t for t in TARGETS if t.name == name)
    corpus = pathlib.Path(tempfile.mkdtemp(prefix="corpus"))
    for number, seed in enumerate(target.seeds):
        (corpus / str(number)).write_bytes(seed)

    def one(data: bytes) -> None:
        try:
            target.run(data)
        except target.errors:
            pass

    atheris.Setup(
        [sys.argv[0], str(corpus), f"-max_total_time={seconds}", "-timeout=20", "-max_len=8192"],
        one,
    )
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
