"""Modem port: a UART for AT commands, `network.PPP` over the same UART for data.

Nothing here may wait for the modem. PPP sends from lwIP's own thread by uart_write_bytes, which
waits for room for ever while CTS is held (ports/esp32/machine_uart.c, mp_machine_uart_write), and
whoever then calls into lwIP waits with it, interpreter and all (ports/esp32/network_ppp.c,
network_ppp_disconnect: pppapi_close). So CTS counts during data only, and its end begins with
letting go of it.

PPP makes itself the default route and sets the name servers (network_ppp_connect: set_default,
usepeerdns); Wi-Fi does the same when it gets its address. So only one of them is ever up, and
whoever comes up last has both (link/link.py: one way at a time).
"""

import network
from machine import UART, Pin

from device.compat import const
from device.errors import Transient

# What arrives while the interpreter is busy (0.4 s of a TLS step) at 46 KB/s would be 18 KB; but
# we send, and what comes back are acknowledgements. C heap, not Python's.
_RX_BYTES = const(8192)
_TX_BYTES = const(2048)
_CONNECTING, _CONNECTED = const(3), const(4)  # network_ppp.c, network_ppp_state_t; errors < 0


class Modem:
    """table: modem_* of hal/esp32/boards.py."""

    signal_dbm = None
    is_roaming = False

    def __init__(self, table):
        self.baud = table["modem_baud"]
        self.key_on_ms = table["modem_key_on_ms"]
        self.key_off_ms = table["modem_key_off_ms"]
        self._table = table
        self._key = self._output("key")
        self._supply = self._output("supply", True)
        self._uart = None
        self._ppp = None
        self._is_ending = False

    def _output(self, name, on=False):
        pin, level = self._table["modem_%s_pin" % name], self._table["modem_%s_level" % name]
        return None if pin is None else Pin(pin, Pin.OUT, value=level if on else 1 - level)

    def open(self, baud):
        """See the modem port. Settings that change also drop what had arrived (machine_uart.c,
        mp_machine_uart_init_helper: uart_flush_input).
        """
        if self._uart is None:
            number, tx, rx = self._table["modem_uart"], self._pin("tx"), self._pin("rx")
            sizes = {"rxbuf": _RX_BYTES, "txbuf": _TX_BYTES}
            if self._has_flow_control():
                rts, cts = self._pin("rts"), self._pin("cts")
                self._uart = UART(number, baud, tx=tx, rx=rx, rts=rts, cts=cts, **sizes)
            else:
                self._uart = UART(number, baud, tx=tx, rx=rx, **sizes)
        self._uart.init(baudrate=baud, flow=0)

    def _pin(self, name):
        return Pin(self._table["modem_%s_pin" % name])

    def _has_flow_control(self):
        """Both lines or none."""
        return None not in (self._table["modem_rts_pin"], self._table["modem_cts_pin"])

    def close(self):
        """The buffers stay: they are wanted again, and a heap that is whole is made once."""

    def write(self, data):
        self._uart.write(data)

    def readinto(self, buf):
        return self._uart.readinto(buf) or 0  # None: nothing there

    def key(self, is_down):
        if self._key:
            level = self._table["modem_key_level"]
            self._key.value(level if is_down else 1 - level)

    def supply(self, on):
        if not self._supply:
            return False
        level = self._table["modem_supply_level"]
        self._supply.value(level if on else 1 - level)
        return True

    def start_data(self, auth, user, password):
        flow = UART.RTS | UART.CTS if self._has_flow_control() else 0
        try:
            self._uart.init(flow=flow, baudrate=self.baud)
            if self._ppp is None:
                self._ppp = network.PPP(self._uart)
            else:
                # One object for life: an errored one keeps its control block, and connects again.
                # The stream anew, because only a first connect() asks it for its interrupts.
                self._ppp.config(stream=self._uart)
            self._is_ending = False
            if auth == "none":
                self._ppp.connect()
            else:
                security = network.PPP.SEC_PAP if auth == "pap" else network.PPP.SEC_CHAP
                self._ppp.connect(security=security, user=user, key=password)
        except (OSError, RuntimeError) as e:
            raise Transient("ppp_failed", "PPP: %s" % e)

    def data_status(self):
        if self._ppp is None:
            return "idle"
        self._ppp.poll()  # an interrupt for which the scheduler had no place leaves bytes lying
        status = self._ppp.status()
        if status == _CONNECTED:
            return "up"
        if status == _CONNECTING:
            return "joining"
        if status < 0 and not self._is_ending:
            return "failed"
        return "idle"

    def stop_data(self):
        if self._ppp is None:
            return
        self._is_ending = True
        try:
            self._uart.init(flow=0, baudrate=self.baud)  # see above
            self._ppp.disconnect()
        except (OSError, RuntimeError) as e:
            raise Transient("ppp_failed", "PPP: %s" % e)

    def is_up(self):
        return self.data_status() == "up"

    def rssi_dbm(self):
        return self.signal_dbm

    def address(self):
        return self._ppp.ifconfig()[0] if self.is_up() else None
