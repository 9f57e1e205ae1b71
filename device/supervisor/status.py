"""The status document: the one place where the device's state is put into words. Invents nothing.

It is the answer of the `status` command, and what heartbeat, indicator and tools show. Each part
comes from the owner of that state; plain values only, never a secret or a URL.
"""

from device.compat import forget_module, mem_free_bytes

VERSION = 1


class Status:
    """parts: dict of name -> function that gives the part, or what never changes. system, secrets,
    battery: ports.
    """

    def __init__(self, system, secrets, battery, parts):
        self._system = system
        self._secrets = secrets
        self._battery = battery
        self._parts = parts

    def document(self):
        document = {
            "status": VERSION,
            "device": self._system.device_id,
            "firmware": self._system.firmware_version,
            "reset_cause": self._system.reset_cause(),
            "heap_free_bytes": mem_free_bytes(),
            "token": bool(self._secrets.get("token")),
            "battery_pct": self._battery.percent(),
            "charging": bool(self._battery.is_charging()),
        }
        for name in self._parts:
            part = self._parts[name]
            document[name] = part() if callable(part) else part
        return document


def update_part(running_version):
    """What became of the last update, as a function; read anew and let go of each time."""

    def as_dict():
        try:
            from device.update import note
        except (ImportError, SyntaxError, ValueError):
            return {"error": "rescue/ is broken"}  # it reads the boot record
        except MemoryError:
            return {"error": "low_memory"}  # the rest of the document is worth more
        part = note.as_dict(running_version)
        forget_module("device.update.note")
        forget_module("rescue.boot_record")
        return part

    return as_dict


def queue_part(lane, backlog, recovery, http):
    """The queue's part of the document, as a function."""

    def as_dict():
        part = lane.reason.as_dict()
        part["waiting"] = backlog.waiting()
        part["in_hand"] = lane.in_hand
        part["chosen_by"] = backlog.rule
        part["requested"] = backlog.first.numbers if backlog.first else []
        part["delivered"] = lane.delivered
        part["set_aside"] = lane.set_aside
        part["aside"] = backlog.aside
        part["other_epoch"] = backlog.other_epoch
        part["unreadable"] = backlog.unreadable + recovery.unreadable
        part["repaired"] = recovery.repaired
        part["connections_opened"] = http.connections_opened
        part["bytes_sent"] = http.bytes_sent
        return part

    return as_dict
