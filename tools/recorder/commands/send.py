"""Have a clip sent before all others; the recorder goes on with its work."""

from tools.recorder.cli import add_board
from tools.recorder.errors import EXIT_DONE, EXIT_FAILED, NoDevice
from tools.recorder.line import Line
from tools.recorder.ports import find_port

SUMMARY = "Have clips sent before all others."
TAKES = "N [N ...]"
EXAMPLE = """
recorder send 12 --board REC-0001
recorder send 12 15 --board REC-0001   (in this order)
"""


def add_arguments(command) -> None:
    command.add_argument("clips", metavar="N", type=int, nargs="+", help="number of a clip")
    add_board(command)


def run(options, ui) -> int:
    device = find_port(options.board)
    with Line(device) as line:
        answers = {number: ask(line, number) for number in options.clips}
    lines = [words(number, answer) for number, answer in answers.items()]
    ui.result([{"clip": number} | answer for number, answer in answers.items()], *lines)
    return EXIT_DONE if all(answer.get("ok") for answer in answers.values()) else EXIT_FAILED


def ask(line: Line, number: int) -> dict:
    """The recorder's answer. Raises NoDevice if none came."""
    answer = line.ask({"do": "send", "clip": number})
    if answer is None:
        raise NoDevice(
            f"{line.device} is silent: no recorder runs there. A board at its prompt sends "
            "nothing: reset it, then repeat the command."
        )
    return answer


def words(number: int, answer: dict) -> str:
    if not answer.get("ok"):
        return f"clip {number}: {answer.get('error', 'refused')}."
    before = answer["before"]
    if before:
        return f"clip {number} goes after the {before} that were asked for before it."
    return f"clip {number} goes next. `recorder doctor` says what it waits for, if it does."
