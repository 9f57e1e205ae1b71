"""The main job as a person would do it: press, let it hear everything, press, wait for the proof.

The person copes with the knobs: after a power cut the button is pressed again, and nobody is
impatient while a knob is what holds the recorder up.
"""

import time

IDLE_LIMIT_S = 60.0  # without any progress for so long the run has failed
_PRESS_S = 2.0  # a press shows by then
_START_S = 30.0
# Nothing runs, and a press begins a take. A full card stays said until then, in button mode.
AT_REST = ("idle", "storage_full", "storage_failed")


class JobFailed(Exception):
    """One sentence: what did not move, what the recorder said last."""


class Job:
    """has_heard_all(): nothing more comes that is to be recorded. show(status): progress.
    plays: False if somebody else presses the button, and this person only waits for the end.
    """

    def __init__(self, bench, watch, knobs, has_heard_all, show, plays=True):
        self._bench = bench
        self._watch = watch
        self._knobs = knobs
        self._has_heard_all = has_heard_all
        self._show = show
        self._pressed_s = 0.0
        self._cuts = 0
        self.is_ended_by_hand = False
        self._wants_take = plays  # until all was heard, or somebody at the page ended the take

    def run(self, is_over=lambda: True) -> None:
        """Until all is recorded and delivered, and is_over(). Raises JobFailed."""
        if not self._watch.wait(lambda w: w.status, _START_S):
            raise JobFailed(f"The board does not start: {last_words(self._bench.board)}")
        last_change_s, last = time.monotonic(), None
        while True:
            status = self._watch.fresh_status()
            if self._bench.board.resets:
                cause = self._bench.board.resets[0]
                raise JobFailed(f"The board was reset ({cause}): {last_words(self._bench.board)}")
            if status is None:
                last_change_s = time.monotonic()  # no power: whoever pulled it puts it back
                if not self._knobs.is_any_on() and self._bench.board.is_running():
                    self._watch.wait(lambda w: w.status, _START_S)
                continue
            self._show(status)
            self._act(status["recorder"]["code"])
            if self._is_through(status) and is_over():
                return
            recorder, queue = status["recorder"], status["queue"]
            now = (recorder["take_samples"], queue["delivered"], queue["bytes_sent"])
            if now != last or self._knobs.is_any_on() or not is_over():
                last_change_s, last = time.monotonic(), now
            if time.monotonic() - last_change_s > IDLE_LIMIT_S:
                raise JobFailed(
                    f"Nothing moved for {IDLE_LIMIT_S:.0f} s: recorder {recorder['code']}, "
                    f"queue {queue['code']} {queue.get('detail', '')}; "
                    f"see {self._bench.board.folder / 'serial.log'}."
                )

    def _act(self, code: str) -> None:
        """Press the button if the take is to begin or to end now."""
        if self._knobs.power_cuts > self._cuts:
            self._cuts = self._knobs.power_cuts
            self._pressed_s = 0.0
        is_pressable = time.monotonic() - self._pressed_s > _PRESS_S
        heard_all = self._has_heard_all()
        is_recording = code == "recording" or code.startswith("microphone_")
        if is_recording and heard_all and self._wants_take:
            self._press()
            self._wants_take = False
        elif code in AT_REST and self._wants_take and is_pressable:
            if code != "idle" and self._knobs.is_any_on():
                return
            # Somebody else may have pressed the button since this person did.
            self.is_ended_by_hand = 0 < self._pressed_s < self._knobs.states["press"].since_s
            if self.is_ended_by_hand or heard_all:
                self._wants_take = False
            else:
                self._press()

    def _press(self) -> None:
        self._bench.board.command("press")
        self._pressed_s = time.monotonic()

    def _is_through(self, status: dict) -> bool:
        queue = status["queue"]
        return (
            not self._wants_take
            and status["recorder"]["code"] in AT_REST
            and queue["code"] == "nothing_to_send"
            and queue["waiting"] == 0
        )


def last_words(board) -> str:
    """The board's last words before its first reset."""
    first_life = board.serial().split("\nI start ", 2)[:2]
    lines = [line for line in "\n".join(first_life).splitlines() if line.startswith("E ")]
    return f"{lines[-1] if lines else 'it said nothing'}; see {board.folder / 'serial.log'}."
