"""The state of one faked chip: time, pins, what the interpreter is busy with, and what was asked.

The modules beside this file (machine with i2s, network, esp32, vfs) are views of it. Every
function of theirs names, after "like", the file and function of MicroPython that it imitates
(commit 1c3c2011 of micropython/micropython).
"""

import collections
import sys

SCHEDULER_DEPTH = 8  # ports/esp32/mpconfigport.h, MICROPY_SCHEDULER_DEPTH


class Chip:
    """A fresh chip. now_ms: its clock; is_vm_busy: C code runs, so no callback can."""

    def __init__(self):
        self.now_ms = 1000
        self.is_vm_busy = False
        self.is_flash_busy = False
        self.scheduled = collections.deque()
        self.calls_lost = 0
        self.levels = {}  # GPIO -> level that the outside drives
        self.outputs = {}  # GPIO -> level that we drive
        self.interrupts = {}
        self.microvolts = {}  # GPIO -> at the converter
        self.bits_sent = []
        self.i2s = {}
        self.sound = lambda frame: (0, 0)  # frame -> left and right, 32 bits
        self.card = None
        self.hosts = 0  # of cards, that were begun and not ended
        self.nvs = {}  # namespace -> key -> value
        self.rtc_memory = b""
        self.rtc_s = 0
        self.reset_cause = 1
        self.watchdog = []
        self.networks = {}  # ssid -> password; what is in reach
        self.address = "192.0.2.7"  # what DHCP gives
        self.default_route = None
        self.modem = None  # at the end of UART 1: take(bytes), give(buf), data_mode, end_data()
        self.cts_is_held = False
        self.ppp_trouble = None  # "silent", "stuck", "lost", or what pppos_create answers: "full"
        self.mounts = {}
        self.partitions = ["vfs"]
        self.stations = []
        self.has_ext0 = True  # ESP32 and ESP32-S3 have it, ESP32-C3 not
        self.ext0 = None  # (GPIO, level) that ends a sleep
        self.ext1 = None  # (GPIOs, any high)
        self.rtc_pins = set()  # GPIOs that the RTC holds: no interrupt comes of them
        self.wake_reason = 0
        self.is_asleep = False
        self.slept_ms = 0
        self.plan = []  # [ms, GPIO, level]: what the outside will do to a pin

    def schedule(self, function, argument):
        """like py/scheduler.c (mp_sched_schedule): a full queue drops the call."""
        if len(self.scheduled) >= SCHEDULER_DEPTH:
            self.calls_lost += 1
            return
        self.scheduled.append((function, argument))

    def run_scheduled(self):
        """like py/scheduler.c (mp_sched_run_pending): between two bytecodes, in order."""
        while self.scheduled and not self.is_vm_busy:
            function, argument = self.scheduled.popleft()
            function(argument)

    def run(self, duration_ms, vm_busy=False, flash_busy=False):
        """Let time pass. vm_busy: in C code; flash_busy: an erase, which stops every task too."""
        self.is_flash_busy = flash_busy
        self.is_vm_busy = vm_busy or flash_busy
        for _ in range(duration_ms):
            self._pass_ms()
            for i2s in self.i2s.values():
                i2s._pass_ms()
            self.run_scheduled()
        self.is_vm_busy = self.is_flash_busy = False
        for i2s in self.i2s.values():
            i2s._work()
        self.run_scheduled()

    def _pass_ms(self):
        """like components/esp_hw_support/sleep_modes.c (esp_light_sleep_start) of ESP-IDF: the
        clock that our ticks are goes on through a sleep.
        """
        self.now_ms += 1
        while self.plan and self.plan[0][0] <= self.now_ms:
            self.drive(*self.plan.pop(0)[1:])

    def sleep(self, limit_ms):
        """like ports/esp32/modmachine.c (machine_sleep_helper): until the time is over or an
        armed pin has its level; which it was stays readable. Edges meanwhile call nobody.
        """
        if self.i2s or any(station._active for station in self.stations):
            raise AssertionError("asleep with I2S or Wi-Fi running, which does not survive it")
        self.is_asleep = True
        ends_ms = None if limit_ms is None else self.now_ms + limit_ms
        self.wake_reason = 0
        while not self.wake_reason:
            if self.ext0 and self.levels.get(self.ext0[0], 0) == self.ext0[1]:
                self.wake_reason = 2
                # IDF, Sleep Modes: after EXT0 the pad belongs to the RTC until it is given back.
                self.rtc_pins.add(self.ext0[0])
            elif self.ext1 and any(self.levels.get(pin, 0) for pin in self.ext1):
                self.wake_reason = 3
            elif ends_ms is not None and self.now_ms >= ends_ms:
                self.wake_reason = 4
            else:
                self._pass_ms()
                self.slept_ms += 1
        self.is_asleep = False

    def drive(self, pin, level):
        """The outside puts a pin to a level. like ports/esp32/machine_pin.c
        (machine_pin_isr_handler): an edge schedules the handler, which looks later.
        """
        before, self.levels[pin] = self.levels.get(pin), level
        handler = self.interrupts.get(pin)
        if self.is_asleep or pin in self.rtc_pins:
            return
        if handler and before != level:
            wanted = 1 if level else 2  # rising, falling
            if handler[1] & wanted:
                self.schedule(handler[0], handler[2])


chip = Chip()


def power_up():
    """A new chip, and the modules of firmware that are views of it in sys.modules."""
    global chip
    chip = Chip()
    from host_tests.hal.fakes import esp32, machine, network, vfs

    for module in (esp32, machine, network, vfs):
        sys.modules[module.__name__.rsplit(".", 1)[-1]] = module
    return chip
