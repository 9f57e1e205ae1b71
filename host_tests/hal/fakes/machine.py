"""Fake of `machine`: each function says what it is like (see chip.py)."""

import errno

from host_tests.hal.fakes import chip as _chip
from host_tests.hal.fakes import clock
from host_tests.hal.fakes.i2s import I2S  # noqa: F401  one of its classes

PWRON_RESET, HARD_RESET, WDT_RESET, DEEPSLEEP_RESET, SOFT_RESET = 1, 2, 3, 4, 5
EXT0_WAKE, EXT1_WAKE, TIMER_WAKE = 2, 3, 4
_INPUT_ONLY = range(34, 40)


class Pin:
    IN, OUT = 1, 3
    PULL_DOWN, PULL_UP = 1, 2
    IRQ_RISING, IRQ_FALLING = 1, 2
    input_only = _INPUT_ONLY

    def __init__(self, id, mode=-1, pull=-1, *, value=None):
        """like ports/esp32/machine_pin.c (mp_pin_make_new, machine_pin_obj_init_helper): a pull
        on a pin that has none is taken without a word.
        """
        if not isinstance(id, int) or not 0 <= id < 49:
            raise ValueError("invalid pin")
        self._id = id
        if mode != -1 or value is not None:
            self.init(mode, pull, value=value)

    def init(self, mode=-1, pull=-1, *, value=None):
        """like ports/esp32/machine_pin.c (machine_pin_obj_init_helper): with a mode it takes the
        pin back from the RTC.
        """
        id = self._id
        if id in self.input_only and mode == self.OUT:
            raise ValueError("pin can only be input")
        _chip.chip.rtc_pins.discard(id)
        if value is not None:
            _chip.chip.outputs[id] = value
        if pull == self.PULL_UP and id not in self.input_only:
            _chip.chip.levels.setdefault(id, 1)

    def value(self, x=None):
        """like ports/esp32/machine_pin.c (machine_pin_call)."""
        if x is None:
            return _chip.chip.levels.get(self._id, 0)
        _chip.chip.outputs[self._id] = int(bool(x))

    def irq(self, handler=None, trigger=IRQ_FALLING | IRQ_RISING):
        """like ports/esp32/machine_pin.c (machine_pin_irq): it disarms EXT0 of this pin."""
        if _chip.chip.ext0 and _chip.chip.ext0[0] == self._id:
            _chip.chip.ext0 = None
        _chip.chip.interrupts[self._id] = (handler, trigger, self)


class ADC:
    ATTN_11DB = 3

    def __init__(self, pin, *, atten=3):
        """like ports/esp32/machine_adc.c (mp_machine_adc_make_new, madc_init_helper)."""
        if not 0 <= atten <= 3:
            raise ValueError("invalid attenuation")
        self._id = pin._id

    def read_uv(self):
        """like ports/esp32/adc.c (madcblock_read_uv_helper): without calibration it raises."""
        found = _chip.chip.microvolts[self._id]
        if found is None:
            raise OSError(errno.EOPNOTSUPP, "ESP_ERR_NOT_SUPPORTED")
        return found


class WDT:
    def __init__(self, id=0, timeout=5000):
        """like ports/esp32/machine_wdt.c (mp_machine_wdt_make_new_instance)."""
        if timeout <= 0:
            raise ValueError("WDT timeout too short")
        _chip.chip.watchdog.append(timeout)

    def feed(self):
        """like ports/esp32/machine_wdt.c (mp_machine_wdt_feed)."""
        _chip.chip.watchdog.append("fed")


class RTC:
    def datetime(self, datetimetuple=None):
        """like ports/esp32/machine_rtc.c (machine_rtc_datetime_helper): weekday unused."""
        if len(datetimetuple) != 8:
            raise ValueError("requested length 8")
        clock.set_from(datetimetuple)

    def memory(self, data=None):
        """like ports/esp32/machine_rtc.c (machine_rtc_memory)."""
        if data is None:
            return _chip.chip.rtc_memory
        if len(data) > 2048:
            raise ValueError("buffer too long")
        _chip.chip.rtc_memory = bytes(data)


def lightsleep(time_ms=None):
    """like ports/esp32/modmachine.c (mp_machine_lightsleep)."""
    _chip.chip.sleep(time_ms)


def deepsleep(time_ms=None):
    """like ports/esp32/modmachine.c (mp_machine_deepsleep): the program does not go on."""
    _chip.chip.sleep(time_ms)
    raise SystemExit("esp_deep_sleep_start")


def wake_reason():
    """like ports/esp32/modmachine.c (machine_wake_reason)."""
    return _chip.chip.wake_reason


def reset_cause():
    """like ports/esp32/modmachine.c (mp_machine_reset_cause): a brown-out is a power-on."""
    return _chip.chip.reset_cause


def reset():
    """like ports/esp32/modmachine.c (mp_machine_reset): does not return."""
    raise SystemExit("esp_restart")


def unique_id():
    """like ports/esp32/modmachine.c (mp_machine_unique_id): the six bytes of the MAC."""
    return b"\x7c\xdf\xa1\x01\x02\x03"


def bitstream(pin, encoding, timing, data):
    """like extmod/machine_bitstream.c (machine_bitstream_): encoding 0, four times."""
    if encoding != 0 or len(timing) != 4:
        raise ValueError("encoding")
    _chip.chip.bits_sent.append((pin._id, bytes(data)))


class UART:
    RTS, CTS = 1, 2
    IRQ_RXIDLE = 0x1000

    def __init__(
        self,
        id,
        baudrate=9600,
        *,
        tx=None,
        rx=None,
        rts=None,
        cts=None,
        txbuf=256,
        rxbuf=256,
        flow=0,
    ):
        """like ports/esp32/machine_uart.c (mp_machine_uart_make_new): one object a number."""
        if id not in (0, 1, 2):
            raise ValueError("UART(%d) does not exist" % id)
        self.pins = [pin and pin._id for pin in (tx, rx, rts, cts)]
        self.sizes = (txbuf, rxbuf)
        self.handler = None
        self.unsent = 0
        self.init(baudrate, flow=flow)

    def init(self, baudrate=9600, *, flow=0):
        """like ports/esp32/machine_uart.c (mp_machine_uart_init_helper): waits at most a second
        for what is on its way out, and drops what came in.
        """
        self.flow, self.baudrate = flow, baudrate
        if not flow & self.CTS:
            self.unsent = 0
        modem = _chip.chip.modem
        if modem:
            modem.line_baud = baudrate
            modem.give(bytearray(4096))

    def write(self, buf):
        """like ports/esp32/machine_uart.c (mp_machine_uart_write): uart_write_bytes waits for
        room for ever.
        """
        if self.flow & self.CTS and _chip.chip.cts_is_held:
            self.unsent += len(buf)
            if self.unsent > self.sizes[0]:
                raise AssertionError("the interpreter would hang here")
        elif _chip.chip.modem:
            _chip.chip.modem.take(bytes(buf))
        return len(buf)

    def readinto(self, buf):
        """like ports/esp32/machine_uart.c (mp_machine_uart_read): EAGAIN is None."""
        modem = _chip.chip.modem
        return (modem.give(buf) if modem else 0) or None

    def irq(self, handler=None, trigger=0):
        """like ports/esp32/machine_uart.c (mp_machine_uart_irq): None switches it off."""
        self.handler = handler if trigger & self.IRQ_RXIDLE else None


class SDCard:
    def __init__(
        self,
        *,
        slot=1,
        width=1,
        cd=None,
        wp=None,
        sck=None,
        miso=None,
        mosi=None,
        cs=None,
        cmd=None,
        data=None,
        freq=20000000,
    ):
        """like ports/esp32/machine_sdcard.c (machine_sdcard_make_new): keywords only; slots from
        2 on are SPI and take no SDMMC pins, the others no SPI pins.
        """
        if not 0 <= slot <= 3:
            raise ValueError("invalid slot number")
        if slot >= 2 and (cmd or data):
            raise ValueError("invalid config: SPI slot with SDMMC pin arguments")
        if slot < 2 and (miso or mosi or cs):
            raise ValueError("invalid config: SDMMC slot with SPI pin arguments")
        if width not in (1, 4):
            raise ValueError("width must be 1 or 4 (or 8 on slot 0)")
        if data is not None and len(data) != width:
            raise ValueError("data argument length must match width %d" % width)
        self.wiring = {"slot": slot, "width": width, "freq": freq}
        self.wiring["pins"] = {
            name: pin._id
            for name, pin in (
                ("sck", sck),
                ("miso", miso),
                ("mosi", mosi),
                ("cs", cs),
                ("cmd", cmd),
            )
            if pin is not None
        }
        _chip.chip.wired_card = self.wiring
        if _chip.chip.hosts:
            raise OSError(errno.EIO, "the host was begun already")
        _chip.chip.hosts += 1

    def deinit(self):
        """like ports/esp32/machine_sdcard.c (sd_deinit): ends what make_new has begun."""
        _chip.chip.hosts = 0

    def info(self):
        """like ports/esp32/machine_sdcard.c (sd_info): raises where no card answers."""
        if _chip.chip.card is None:
            raise OSError(errno.ETIMEDOUT, "ESP_ERR_TIMEOUT")
        return _chip.chip.card.get("size", 1 << 30), 512

    def readblocks(self, block_num, buf):
        """like ports/esp32/machine_sdcard.c (machine_sdcard_readblocks): False, which counts as
        0 and success, where the card cannot be started.
        """
        return False if _chip.chip.card is None else 0
