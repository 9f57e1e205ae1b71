"""Batches: the file that names them, and twenty boards with the faults of a bench."""

import collections
import concurrent.futures
import hashlib
import json
import time

import pytest
from field_bench import Person
from provision_bench import ARCH, OLD_TOKEN, Images, filled, live, ports_of

from tools.cloud import Cloud
from tools.image import tree
from tools.recorder import labels
from tools.recorder.batch_file import read
from tools.recorder.errors import UsageError
from tools.recorder.orders import Sources
from tools.recorder.record import DONE, FAILED, UNPROVED, Record
from tools.recorder.secret import Secret

HANDS = 3  # boards that somebody has plugged in at a time
_LIMIT_S = 240


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    made = Images(tmp_path_factory.mktemp("images"))
    made.get("old")
    made.get("new")
    return made


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    with Cloud.start(tmp_path_factory.mktemp("cloud"), rate_limits=False) as cloud:
        yield cloud


# The file -------------------------------------------------------------------------------------


def rows_of(tmp_path, text: str | bytes) -> list:
    path = tmp_path / "devices.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(str(path), Sources())


def test_a_file_as_spreadsheets_leave_it_is_read(tmp_path):
    (tmp_path / "w.json").write_text('[{"ssid": "Café", "password": "long enough"}]')
    (tmp_path / "t").write_text("dtok_x")
    text = (
        "board;label;wifi;token_from;note\r\nA1;R-1;w.json;file:t;Grüße, ja\r\n;;;;\r\nA2;;;;\r\n"
    )
    rows = rows_of(tmp_path, b"\xef\xbb\xbf" + text.encode())
    assert [(row.line, row.board, row.label) for row in rows] == [
        (2, "A1", "R-1"),
        (4, "A2", "A2"),
    ]
    assert rows[0].order.networks == [("Café", Secret("long enough"))]
    assert rows[0].order.token == Secret("dtok_x") and rows[1].order.token is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("label\nx\n", "'board' (serial number) is missing"),
        ("board,lable\nA,x\n", "Is 'label' meant?"),
        ("board,board\nA,A\n", "twice"),
        ("board\n", "no row"),
        ("board,label\nA,x,y\n", "line 2, column 3"),
        ("board,label\nA,x\nA,y\n", "line 3, column board: A is in line 2"),
        ("board,label\nA,x\nB,x\n", "line 3, column label: x is in line 2"),
        ("board,label\nA,two words\n", "line 2, column label"),
        ("board,wifi\nA,none.json\n", "line 2, column wifi"),
        ("board,config\nA,bad.json\n", "line 2, column config"),
        ("board,token_from\nA,dtok_secret\n", "line 2, column token_from"),
        ("board,token_from\nA,file:key\n", "operator's API key"),
        ('board,label\nA,"x\n', "line"),
        (b"board\n\xff\n", "UTF-8"),
    ],
)
def test_every_fault_of_a_file_is_said_by_line_and_column(tmp_path, text, said):
    (tmp_path / "bad.json").write_text('{"log": {"level": "loud"}}')
    (tmp_path / "key").write_text("sk_live_secret")
    with pytest.raises(UsageError) as caught:
        rows_of(tmp_path, text)
    assert said in str(caught.value) and "secret" not in str(caught.value)


def test_all_faults_are_said_at_once(tmp_path):
    with pytest.raises(UsageError) as caught:
        rows_of(tmp_path, "board,label\nA,two words\nB,\nC,?\n")
    assert "line 2" in str(caught.value) and "line 4" in str(caught.value)


# Twenty boards --------------------------------------------------------------------------------


class Hands:
    """Plug boards in, a few at a time, and pull each when the record has its result."""

    def __init__(self, record: Record):
        self._record = record

    def work_off(self, jobs: list) -> None:
        with concurrent.futures.ThreadPoolExecutor(HANDS) as pool:
            list(pool.map(lambda job: job(), jobs))

    def plug(self, serial, results: int = 1) -> None:
        """Until the record has so many more results of the board."""
        wanted = self._count(serial) + results
        serial.plug_in(runs_main=False)
        deadline = time.monotonic() + _LIMIT_S
        while self._count(serial) < wanted:
            assert time.monotonic() < deadline, f"{serial.serial_number}: no result"
            time.sleep(0.1)
        time.sleep(0.2)  # it is given back
        serial.pull_cable()
        serial.cut_after_bytes = None
        time.sleep(0.5)

    def _count(self, serial) -> int:
        number = serial.serial_number
        return sum(
            line["board"] == number and line["step"] == "result" for line in self._record.lines()
        )


def agrees(serial, line: dict, wanted_config: bytes) -> str:
    """Empty if the board holds what the record says that was read back from it."""
    said = line["live"]
    program, config, token = live(serial)
    image = serial.read_image()
    root = {n: image.get(n, b"") for n in tree.root_files(ARCH)}
    facts = {
        "firmware": tree.fingerprint(program | root),
        "config": hashlib.sha256(config or b"").hexdigest(),
        "token": Secret(token).fingerprint(),
    }
    wrong = [name for name, value in facts.items() if value != said[name]]
    wrong += [] if config == wanted_config else ["settings"]
    return f"{serial.serial_number}: {wrong}" if wrong else ""


def still(image):
    """Every file but the boot record, in which each start counts, and the kept log."""
    return {n: d for n, d in image.items() if not n.startswith(("boot0", "boot1", "log/"))}


def test_twenty_boards_with_the_faults_of_a_bench(bench, cloud, capsys, monkeypatch):
    record = Record(bench.folder / "devices.record.jsonl", "test")
    config, wifi, user = bench.config(), bench.wifi(), bench.user()
    kinds = {n: "new" for n in range(1, 21)} | {1: "empty", 2: "old", 3: "old", 4: "old"}
    boards = {n: bench.board(kinds[n], f"REC-{n:02}", is_plugged=False) for n in kinds}
    stranger = bench.board("new", "REC-99", is_plugged=False)
    rows = ["board,label,config,wifi,token_from"]
    for n, serial in boards.items():
        source = f"mint:{user}"
        if n % 2:
            token = "dtok_dead" if n == 5 else cloud.register_recorder(serial.serial_number)[1]
            source = "file:" + bench.file(f"token-{n}", token).rsplit("/", 1)[1]
        rows.append(f"{serial.serial_number},L-{n:02},config.json,wifi.json,{source}")
    assert (config, wifi) == (bench.config(), bench.wifi())
    batch = bench.file("devices.csv", "\n".join(rows))
    monkeypatch.setenv("RECORDER_PORTS", ports_of(*boards.values(), stranger))
    person = Person(capsys, monkeypatch)

    boards[2].cut_after_bytes = 12_000  # while it copies; plugged in again at once
    boards[6].cut_after_bytes = 9_000  # about its commit; plugged in again next time
    theirs = {"main.py": b"print('lamp')\n", "lamp.py": b"x = 1\n"}
    boards[7].image(None, theirs)
    full = filled(boards[4].read_image())
    boards[4].image(None, full)
    boards[8].equip(hosts=cloud.hosts, root_der=cloud.ca_der, wifi={})  # its Wi-Fi is dead
    other = {"board": "REC-77", "label": "L-09", "port": "", "live": {"token": "x"}}
    record.write(step="result", state=DONE, **other)  # L-09 is on another board

    hands = Hands(record)
    jobs = [lambda serial=serial: hands.plug(serial) for n, serial in boards.items() if n != 2]

    def twice():
        hands.plug(boards[2])
        hands.plug(boards[2])

    def plug_the_stranger():
        stranger.plug_in(runs_main=False)

    code, said = None, None
    begun = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        at_work = pool.submit(hands.work_off, [plug_the_stranger, twice, *jobs])
        code, said = person.run("provision", "--batch", batch, "--jobs", str(HANDS))
        at_work.result()
    stranger.pull_cable()
    first_s = time.monotonic() - begun
    results = {row["board"]: row["result"] for row in said["rows"]}
    bad = {"REC-04": FAILED, "REC-05": FAILED, "REC-06": FAILED, "REC-07": FAILED}
    bad |= {"REC-08": UNPROVED, "REC-09": FAILED}
    assert results == {s.serial_number: DONE for s in boards.values()} | bad, said
    assert code == 1 and said["counts"] == {DONE: 14, UNPROVED: 1, FAILED: 5, "left": 0}
    why = {row["board"]: row["text"] for row in said["rows"]}
    assert "flash is full" in why["REC-04"] and "refuses its token" in why["REC-05"]
    assert "went away" in why["REC-06"] and "another program" in why["REC-07"]
    assert "reach" in why["REC-08"] and "REC-77" in why["REC-09"]
    assert said["others"] == [f"REC-99 at {stranger.device}: not in the list: left alone."]
    assert stranger.secrets().get("token") is None

    # The record and the boards agree, also where it failed.
    wanted = boards[10].read_image()["config.json"]
    newest = record.results()
    for serial in boards.values():
        line = newest[serial.serial_number]
        if line["live"]:
            assert agrees(serial, line, wanted) == ""
    assert {n for n, d in boards[7].read_image().items() if n == "main.py"} == {"main.py"}
    assert boards[7].read_image() == theirs
    assert still(boards[4].read_image()) == still(full)
    assert boards[4].secrets()["token"] == OLD_TOKEN

    # What can be mended is; the same command goes on, and touches nothing that is done.
    del full["rec/clip.wav"]
    boards[4].image(None, full)
    bench.file("token-5", cloud.register_recorder("REC-05")[1])
    boards[8].equip(hosts=cloud.hosts, root_der=cloud.ca_der, wifi={"bench": "bench-password"})
    lines = len(record.lines())
    again = [boards[n] for n in (4, 5, 6, 8)]
    rest = [row for row in rows if not row.startswith(("REC-07", "REC-09"))]
    bench.file("devices.csv", "\n".join(rest))
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        at_work = pool.submit(hands.work_off, [lambda s=s: hands.plug(s) for s in again])
        code, said = person.run("provision", "--batch", batch, "--jobs", str(HANDS))
        at_work.result()
    assert code == 0 and said["counts"] == {DONE: 18, UNPROVED: 0, FAILED: 0, "left": 0}, said
    touched = {line["board"] for line in record.lines()[lines:]}
    assert touched == {serial.serial_number for serial in again}
    newest = record.results()
    for n, serial in boards.items():
        if n not in (7, 9):
            assert agrees(serial, newest[serial.serial_number], wanted) == ""
    tokens = collections.Counter(line["live"].get("token") for line in newest.values())
    assert not [token for token, count in tokens.items() if token and count > 1]

    # No secret in the record; labels of what is done.
    text = record.path.read_text()
    for serial in boards.values():
        token = serial.secrets().get("token")
        assert not token or token not in text
    made = labels.labels_of(newest)
    assert [label.label for label in made if label.label == "L-10"] == ["L-10"]
    print(f"twenty boards, first command: {first_s:.0f} s")


def test_a_dry_run_touches_no_board_and_writes_no_record(bench, capsys, monkeypatch):
    monkeypatch.setenv("RECORDER_PORTS", "/dev/none-such")
    batch = bench.file("devices.csv", "board\nA1\nA2\n")
    code, said = Person(capsys, monkeypatch).run("provision", "--batch", batch, "--dry-run")
    assert code == 0 and [row["text"] for row in said["rows"]] == ["would be provisioned"] * 2
    assert not (bench.folder / "devices.record.jsonl").exists()
    code, said = Person(capsys, monkeypatch).run("provision", "--batch", batch, "--label", "x")
    assert code == 2 and "column" in said["error"]


# Labels ---------------------------------------------------------------------------------------


def test_labels_show_label_serial_and_a_code_that_says_both(tmp_path, capsys, monkeypatch):
    from PIL import Image

    record = Record(tmp_path / "r.jsonl", "test")
    for n in range(25):
        state = FAILED if n == 3 else DONE
        record.write(
            step="result", state=state, board=f"24:0A:{n:02X}", label=f"L-{n:02}", port="",
            live={"token": "fingerprint"},
        )  # fmt: skip
    person = Person(capsys, monkeypatch)
    for ending, sheets in (("svg", 2), ("png", 2), ("pdf", 1)):
        code, said = person.run("labels", "--record", record.path, "-o", tmp_path / f"l.{ending}")
        assert code == 0 and len(said["labels"]) == 24 and len(said["files"]) == sheets
        assert "L-03" not in said["labels"]
    assert "24:0A:0A" in (tmp_path / "l.svg").read_text()
    assert "fingerprint" not in (tmp_path / "l.svg").read_text()
    assert (tmp_path / "l.pdf").read_bytes().startswith(b"%PDF")
    code, said = person.run("labels", "--record", record.path, "-o", tmp_path / "l.txt")
    assert code == 2
    # The first code of the picture, module by module, is what the label says.
    label = labels.Label("L-00", "24:0A:00", "2026-11-26")
    modules = labels.matrix(label)
    image = Image.open(tmp_path / "l.png").convert("L")
    left, top, dot = labels.code_place(7.25, 15.15, len(modules))
    seen = [
        [
            int(image.getpixel((left + x * dot + dot // 2, top + y * dot + dot // 2)) < 128)
            for x in range(len(modules))
        ]
        for y in range(len(modules))
    ]
    assert seen == modules


def test_a_record_outlives_a_crash_in_the_middle_of_a_line(tmp_path):
    record = Record(tmp_path / "r.jsonl", "test")
    record.write(step="copy", state="begin", board="A", label="A", port="")
    with record.path.open("ab") as f:
        f.write(b'{"at": "2026-11-26", "board": "A", "step": "resu')
    record.write(step="result", state=DONE, board="A", label="A", port="", live={})
    assert [line["step"] for line in record.lines()] == ["copy", "result"]
    assert record.path.stat().st_mode & 0o777 == 0o600
    (tmp_path / "other.jsonl").write_text("hello\n")
    with pytest.raises(UsageError, match="no record"):
        Record(tmp_path / "other.jsonl", "test").lines()
    assert json.loads(record.path.read_text().splitlines()[0])["who"].count("@") == 1
