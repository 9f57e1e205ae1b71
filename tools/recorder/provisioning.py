"""One board from what it is to a recorder that the cloud has heard, step by step.

    identify → plan → copy → token → stage → commit → compare → heartbeat → record

Until the commit the board is what it was: the copy lies where nothing starts it, secrets are
staged beside the live ones. The commit is one rename. From then on every boot ends it, so a cable,
a laptop or a power supply that goes leaves the old recorder or the new one, and the same command
goes on from there. The one thing that cannot be taken back is a token that the cloud has told: it
is asked for last, when all else is on the board.
"""

import contextlib
import dataclasses
import hashlib
import json
import typing

from device import config
from tools.recorder import application, board_steps, inputs, minting
from tools.recorder.errors import BoardFault, ToolError
from tools.recorder.plan import Plan, Wanted, make_plan
from tools.recorder.port import Board
from tools.recorder.record import DONE, FAILED, RESULT, UNPROVED, Record
from tools.recorder.secret import Secret
from tools.recorder.survey import Survey, guard, survey

_NO_CLOUD = {
    "wifi_not_found": "none of its networks is in reach here",
    "wifi_refused": "the network refuses the password",
    "not_tried": "it was not asked",
}


@dataclasses.dataclass
class Order:
    """What one board shall become; everything was read and checked before the cable is used.

    label: None, it has none. config_file, networks, apn, pin: None each, as it is on the board.
    token: given, or None. mint: how to get one from the cloud, or None.
    """

    label: str | None = None
    config_file: str | None = None
    networks: list[tuple[str, Secret]] | None = None
    apn: str | None = None
    pin: Secret | None = None
    hardware: str | None = None
    token: Secret | None = None
    mint: "Mint | None" = None
    is_new_token: bool = False
    is_forced: bool = False


@dataclasses.dataclass
class Mint:
    """key: of an operator; user: eu_… that the board shall be bound to."""

    key: Secret
    user: str
    rebind: bool = False


@dataclasses.dataclass
class Outcome:
    """result: record.DONE or UNPROVED. live: what was read back from the board (record.py)."""

    board: str
    label: str
    result: str
    live: dict
    note: str


class TokenRefused(ToolError):
    """The board did its part; the cloud does not know its token."""


class Step(typing.Protocol):
    """Told as a board goes on: its step, and how far it is (0 to 100, None: no telling)."""

    def __call__(self, step: str, percent: int | None = None) -> None: ...


class Provisioning:
    """board: held by nobody else. on_step: Step."""

    def __init__(self, board: Board, order: Order, record: Record, on_step: Step):
        self._board = board
        self._order = order
        self._record = record
        self._on_step = on_step
        self._names: dict[str, str] = {}
        self._live: dict | None = None
        self.at_step = "plan"

    def plan(self, found: Survey) -> tuple[Plan, Wanted]:
        """What would be done to the board; nothing is written. Raises ToolError."""
        self._on_step("plan")
        guard(found, self._board.device, self._order.is_forced)
        wanted = Wanted.for_arch(application.arch_of(found.mpy), self._settings(found.config))
        return make_plan(found, wanted), wanted

    def run(self, found: Survey | None = None) -> Outcome:
        """All of it. found: a survey that was just made. Raises ToolError with the way to go on
        in its words; the record has it too.
        """
        if found is None:
            self._on_step("identify")
            found = survey(self._board)
        self._name(found)
        try:
            plan, wanted = self.plan(found)
            if not self._order.is_forced:
                self._record.check_label(self._names["board"], self._names["label"])
            outcome = self._carry_out(found, plan, wanted)
        except ToolError as error:
            self._result(FAILED, error=str(error))
            raise
        except KeyboardInterrupt:
            self._result(FAILED, error="interrupted")
            raise
        finally:
            self._on_step("give back")
            fault = board_steps.give_back(self._board)
        if fault:
            outcome.note = f"{outcome.note} It was not started again: {fault}".strip()
        return outcome

    def _carry_out(self, found: Survey, plan: Plan, wanted: Wanted) -> Outcome:
        self._copy(found, plan)
        is_new_token = self._order.is_new_token
        while True:
            did = self._make_live(found, plan, wanted, is_new_token)
            try:
                return self._prove(did, settings_in_force(wanted, found))
            except TokenRefused:
                if self._order.mint is None or did != minting.KEPT:
                    raise
                is_new_token = True  # the one it kept is dead
            plan = dataclasses.replace(plan, waiting={}, remove=[])

    def _make_live(self, found: Survey, plan: Plan, wanted: Wanted, is_new_token: bool) -> str:
        """Token, stage, commit, compare; returns how the token came about."""
        secrets, did = self._secrets(found, wanted, plan.target, is_new_token)
        has_secrets = bool(secrets["values"])
        if has_secrets:
            keys = sorted(set(map(board_steps.public, secrets["values"])))
            with self._step("stage", keys=keys):
                board_steps.stage(self._board, plan.target, secrets)
        if has_secrets or not plan.is_live:
            with self._step("commit", release=plan.target):
                board_steps.commit(self._board, plan, has_secrets)
        with self._step("compare"):
            facts = board_steps.check_live(self._board, plan, wanted.root, secrets)
        self._live = {
            "arch": wanted.arch,
            "firmware": wanted.fingerprint,
            "version": wanted.version,
            "release": plan.target,
            "trial": plan.boot[1] != "-",
            "config": _hash_of_config(wanted, found),
            "token": facts["fingerprint"],
            "bound_to": facts["bound_to"],
        }
        return did

    def _copy(self, found: Survey, plan: Plan) -> None:
        if plan.ends_trial:
            with self._step("boot record", release=plan.boot[0]):
                board_steps.end_trial(self._board, found, plan.boot[0])
        total = plan.send_bytes

        def progressed(sent: int) -> None:
            self._on_step("copy", min(100, 100 * sent // total) if total else None)

        if plan.is_live:
            return
        with self._step("copy", release=plan.target, files=len(plan.send) + len(plan.waiting)):
            board_steps.copy(self._board, plan, found, progressed)

    def _settings(self, on_board: bytes | None) -> dict[str, bytes]:
        """Files of settings that shall lie on the board: only those that were given."""
        order = self._order
        names = None if order.networks is None else [ssid for ssid, _ in order.networks]
        made = {}
        config = inputs.make_config(order.config_file, names, order.apn, on_board)
        if config is not None:
            made["config.json"] = config
        if order.hardware is not None:
            made["board.json"] = json.dumps({"board": order.hardware}).encode()
        return made

    def _secrets(
        self, found: Survey, wanted: Wanted, release: str, is_new_token: bool
    ) -> tuple[dict, str]:
        """What the secrets store lacks, and how the token came about."""
        values: dict[str, Secret | str] = {}
        if self._order.networks is not None:
            values = {"wifi:" + name: "" for name in inputs.networks_of(found.config)}
            values |= {"wifi:" + name: password for name, password in self._order.networks}
        if self._order.pin is not None:
            values["cellular:pin"] = self._order.pin
        facts = board_steps.compare_secrets(self._board, release, {"values": values})
        values = {key: values[key] for key in facts["differ"]}
        counters: dict[str, int] = {}
        settings = settings_in_force(wanted, found)
        token, bound_to, did = self._token(facts, settings, is_new_token)
        if token is not None and token.fingerprint() != facts["fingerprint"]:
            values |= {"token": token, "bound_to": bound_to}
            # Clips made until now may be another user's (docs/architecture.md): they wait for a
            # word (`requeue --other-epoch`), unless the binding is known to be the same.
            if not bound_to or bound_to != facts["bound_to"]:
                counters["epoch"] = facts["epoch"] + 1
        return {"values": values, "counters": counters}, did

    def _token(
        self, facts: dict, settings: dict, is_new_token: bool
    ) -> tuple[Secret | None, str, str]:
        """(token or None for the one that is there, bound_to, what was done)."""
        order = self._order
        if order.token is not None:
            return order.token, "", "given"
        if order.mint is None:
            return None, "", minting.KEPT
        with (
            self._step("token", user=order.mint.user) as learnt,
            minting.open_client(settings["cloud.api_url"], order.mint.key) as client,
        ):
            minted = minting.mint(
                client,
                self._names["board"],
                order.mint.user,
                facts["token"] and not is_new_token,
                facts["bound_to"],
                order.mint.rebind,
            )
            learnt["did"] = minted.did
            learnt["bound_to"] = minted.bound_to
            if minted.token is not None:
                learnt["token"] = minted.token.fingerprint()
        return minted.token, minted.bound_to, minted.did

    def _prove(self, token_did: str, settings: dict) -> Outcome:
        """The first heartbeat, then the result's line."""
        if not self._live["token"]:
            note = "There is no token on it: it records, and delivers nothing yet (--token-from)."
            return self._result(UNPROVED, note=note)
        if not settings["wifi.networks"]:
            note = "All is written and compared; no Wi-Fi network is in its settings (--wifi)."
            return self._result(UNPROVED, note=note)
        with self._step("heartbeat") as learnt:
            try:
                accepted, code = board_steps.heartbeat(self._board)
            except BoardFault as error:
                raise ToolError(
                    f"{self._names['board']}: all is written, but its program does not start: "
                    f"{error} `recorder check` says more."
                ) from None
            learnt |= {"accepted": accepted, "code": code}
            if accepted is False:
                raise TokenRefused(
                    f"{self._names['board']}: all is written, but the cloud refuses its token "
                    f"({code}). Was it revoked, or is it of another project? Give it another "
                    "with --token-from, or mint one with --new-token."
                )
        if accepted:
            return self._result(DONE, note=f"Token {token_did}.")
        why = _NO_CLOUD.get(code, code)
        note = f"All is written and compared; the cloud was not reached from here: {why}."
        return self._result(UNPROVED, note=note)

    # Record ----------------------------------------------------------------------------------

    def _name(self, found: Survey) -> None:
        serial = found.serial_number
        label = self._order.label or serial
        self._names = {"board": serial, "label": label, "port": self._board.device}

    @contextlib.contextmanager
    def _step(self, step: str, **facts):
        self._on_step(step)
        self.at_step = step
        with self._record.step(step, **self._names, **facts) as learnt:
            yield learnt

    def _result(self, state: str, note: str = "", error: str = "") -> Outcome:
        values = {"live": self._live or {}, "proved": state == DONE}
        values |= {"note": note} if note else {}
        values |= {"at_step": self.at_step, "error": error} if error else {}
        self._record.write(step=RESULT, state=state, **self._names, **values)
        return Outcome(self._names["board"], self._names["label"], state, self._live or {}, note)


def settings_in_force(wanted: Wanted, found: Survey) -> dict:
    """Every setting as the board will have it."""
    return config.load(wanted.root.get("config.json", found.config or b"{}"))[0]


def _hash_of_config(wanted: Wanted, found: Survey) -> str:
    data = wanted.root.get("config.json", found.config)
    return "" if data is None else hashlib.sha256(data).hexdigest()
