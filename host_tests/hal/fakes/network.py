"""Fake of `network`: each function says what it is like (see chip.py)."""

import errno

from host_tests.hal.fakes import chip as _chip

STA_IF = 0
STAT_IDLE, STAT_CONNECTING, STAT_GOT_IP = 1000, 1001, 1010
_ASSOC_LEAVE, _NO_AP_FOUND, _AUTH_FAIL = 8, 201, 202


class WLAN:
    """One station, as the port has one. Events come when pump() is called; by itself at once."""

    _station = None

    def __new__(cls, interface_id=STA_IF):
        """like ports/esp32/network_wlan.c (network_wlan_make_new): always the same object."""
        if cls._station is None or cls._station._chip is not _chip.chip:
            cls._station = super().__new__(cls)
            cls._station._power_up()
        return cls._station

    def _power_up(self):
        """like ports/esp32/network_wlan.c (esp_initialise_wifi)."""
        self._chip = _chip.chip
        self._chip.stations.append(self)
        self._active = self._connected = self._requested = False
        self._reason = 0
        self._limit = self._tries = 0  # conf_wifi_sta_reconnects, wifi_sta_reconnects
        self._asked = None
        self.is_slow = False  # events only when pump() is called
        self.attempts = 0
        self.refuses_with = _AUTH_FAIL

    def active(self, is_active=None):
        """like ports/esp32/network_wlan.c (network_wlan_active): stopping drops the link."""
        if is_active is None:
            return self._active
        if self._active and not is_active and self._connected:
            self._disconnected(_ASSOC_LEAVE)
        self._active = bool(is_active)

    def config(self, *, reconnects=None):
        """like ports/esp32/network_wlan.c (network_wlan_config): stored as one more."""
        if reconnects is not None:
            self._limit = 0 if reconnects == -1 else reconnects + 1

    def connect(self, ssid=None, key=None, *, bssid=None):
        """like ports/esp32/network_wlan.c (network_wlan_connect): the reason of the last
        disconnection stays.
        """
        if not self._active:
            raise OSError("Wifi Not Started")
        if self._asked is not None:
            raise OSError("Wifi Internal State Error")
        self._tries = 0
        self._asked = (ssid, key)
        self._requested = True
        if not self.is_slow:
            self.pump()

    def disconnect(self):
        """like ports/esp32/network_wlan.c (network_wlan_disconnect): an event follows only where
        there was something to leave.
        """
        if not self._active:
            raise OSError("Wifi Not Started")
        self._requested = False
        if self._connected or self._asked:
            self._asked = None
            if self.is_slow:
                self._leaving = True
            else:
                self._disconnected(_ASSOC_LEAVE)

    _leaving = False

    def pump(self):
        """like ports/esp32/network_wlan.c (network_wlan_wifi_event_handler,
        network_wlan_ip_event_handler): runs in a task of its own, some time later.
        """
        if self._leaving:
            self._leaving = False
            self._disconnected(_ASSOC_LEAVE)
        if self._asked is None:
            return
        (ssid, key), self._asked = self._asked, None
        self._last = (ssid, key)
        self.attempts += 1
        if ssid not in self._chip.networks:
            self._disconnected(_NO_AP_FOUND)
        elif (key or "") != self._chip.networks[ssid]:
            self._disconnected(self.refuses_with)
        else:
            self._connected, self._reason = True, 0

    def _disconnected(self, reason):
        """like ports/esp32/network_wlan.c (network_wlan_wifi_event_handler): tries again by
        itself while connect() stands, for ever or as often as config(reconnects) says.
        """
        self._connected = False
        self._reason = reason
        if self._requested:
            if self._limit:
                self._tries += 1
                if self._tries >= self._limit:
                    return
            self._asked = self._last

    def ifconfig(self, configtuple=None):
        """like ports/esp32/network_common.c (esp_ifconfig): zeros without an address."""
        address = self._chip.address if self._connected else "0.0.0.0"
        return (address, "255.255.255.0", "192.0.2.1", "192.0.2.1")

    def drop(self, reason=200):
        """The access point goes. like ports/esp32/network_wlan.c
        (network_wlan_wifi_event_handler): beacon timeout.
        """
        self._disconnected(reason)

    def status(self, param=None):
        """like ports/esp32/network_wlan.c (network_wlan_status): the order of its tests."""
        if param == "rssi":
            if not self._connected:
                raise OSError("Wifi Not Connected")
            return -55
        if self._connected:
            return STAT_GOT_IP
        if self._reason in (201, 210, 211, 212, 202):
            return self._reason
        if self._reason == _ASSOC_LEAVE:
            return STAT_IDLE
        if self._requested and (self._limit == 0 or self._tries < self._limit):
            return STAT_CONNECTING
        return self._reason or STAT_IDLE


_INACTIVE, _ACTIVE, _ERROR, _CONNECTING, _CONNECTED = range(5)
_PPPERR_CONNECT = 5


class PPP:
    """Bytes are not looked at: what the peer does stands in chip.modem and chip.ppp_trouble."""

    SEC_NONE, SEC_PAP, SEC_CHAP = 0, 1, 2

    def __init__(self, stream):
        """like ports/esp32/network_ppp.c (network_ppp_make_new): nothing begins yet."""
        self._stream = stream
        self._state = _INACTIVE
        self._error_code = 0
        self.security = None

    def config(self, *, stream):
        """like ports/esp32/network_ppp.c (network_ppp_config): interrupts only where there is a
        control block.
        """
        if self._state >= _ACTIVE:
            self._stream.irq(None)
        self._stream = stream
        if self._state >= _ACTIVE:
            stream.irq(self.poll, stream.IRQ_RXIDLE)

    def connect(self, security=SEC_NONE, user=None, key=None):
        """like ports/esp32/network_ppp.c (network_ppp_connect): only a first connect() asks the
        stream for its interrupts; it becomes the default route.
        """
        if self._state == _INACTIVE:
            if _chip.chip.ppp_trouble == "full":
                raise OSError("pppos_create failed")
            self._state = _ACTIVE
            self._stream.irq(self.poll, self._stream.IRQ_RXIDLE)
        if self._state in (_CONNECTING, _CONNECTED):
            raise OSError(errno.EALREADY)
        self.security = (security, user, key)
        _chip.chip.default_route = "ppp"
        self._state = _CONNECTING
        self.poll()

    def poll(self):
        """like ports/esp32/network_ppp.c (network_ppp_poll, network_ppp_status_cb): what came is
        given to lwIP, which calls back; nothing is read outside a connection.
        """
        chip = _chip.chip
        if self._state <= _ERROR:
            return -errno.EPERM
        if chip.ppp_trouble == "lost":
            self._state, self._error_code = _ERROR, _PPPERR_CONNECT
        elif self._state == _CONNECTING and chip.ppp_trouble != "silent":
            if chip.modem is None or chip.modem.data_mode:
                self._state = _CONNECTED
        return 0

    def status(self):
        """like ports/esp32/network_ppp.c (network_ppp_status): an error is its negative code."""
        return -self._error_code if self._state == _ERROR else self._state

    def disconnect(self):
        """like ports/esp32/network_ppp.c (network_ppp_disconnect, network_ppp_status_cb): an
        errored one is left as it is; the end comes later, by a callback that frees it.
        pppapi_close waits for lwIP's thread, which may wait for the line.
        """
        if self._stream.flow & self._stream.CTS and _chip.chip.cts_is_held:
            raise AssertionError("the interpreter would hang here")
        if self._state in (_CONNECTING, _CONNECTED) and _chip.chip.ppp_trouble != "stuck":
            self._stream.irq(None)
            self._state = _INACTIVE
            if _chip.chip.modem:
                _chip.chip.modem.end_data()

    def isconnected(self):
        """like ports/esp32/network_ppp.c (network_ppp_isconnected): what IPCP said once."""
        return self._state == _CONNECTED

    def ifconfig(self, configtuple=None):
        """like ports/esp32/network_ppp.c (network_ppp_ifconfig): None without control block."""
        if self._state == _INACTIVE:
            return (None, None, None, None)
        return ("10.64.64.64", "10.64.64.65", "255.255.255.255", "10.64.0.1")
