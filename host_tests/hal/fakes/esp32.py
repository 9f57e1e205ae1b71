"""Fake of `esp32`: each function says what it is like (see chip.py)."""

from host_tests.hal.fakes import chip as _chip

_NOT_FOUND, _INVALID_LENGTH, _KEY_TOO_LONG, _INVALID_NAME = -0x1102, -0x110C, -0x1109, -0x1106

WAKEUP_ALL_LOW, WAKEUP_ANY_HIGH = False, True
_RTC_PINS = range(22)  # of the ESP32-S3


def wake_on_ext0(pin, level):
    """like ports/esp32/modesp32.c (esp32_wake_on_ext0): only pins that the RTC has; a chip without
    it has no such function.
    """
    if not _chip.chip.has_ext0:
        raise AttributeError("wake_on_ext0")
    if pin is None:
        _chip.chip.ext0 = None
        return
    if pin._id not in _RTC_PINS:
        raise ValueError("invalid pin")
    _chip.chip.ext0 = (pin._id, int(level))


def wake_on_ext1(pins, level):
    """like ports/esp32/modesp32.c (esp32_wake_on_ext1)."""
    if not _chip.chip.has_ext0:
        raise AttributeError("wake_on_ext1")
    if any(pin._id not in _RTC_PINS for pin in pins) or level is not WAKEUP_ANY_HIGH:
        raise ValueError("invalid pin")
    _chip.chip.ext1 = [pin._id for pin in pins]


class NVS:
    def __init__(self, namespace):
        """like ports/esp32/esp32_nvs.c (esp32_nvs_make_new); IDF's nvs_open refuses names of
        more than 15 characters.
        """
        if len(namespace) > 15:
            raise OSError(_KEY_TOO_LONG, "ESP_ERR_NVS_KEY_TOO_LONG")
        self._values = _chip.chip.nvs.setdefault(namespace, {})
        self._new = {}

    def _key(self, key):
        """like components/nvs_flash/src/nvs_storage.cpp (Storage::writeItem) of ESP-IDF."""
        if not key or len(key.encode()) > 15:
            raise OSError(_KEY_TOO_LONG, "ESP_ERR_NVS_KEY_TOO_LONG")
        return key

    def _find(self, key, kind):
        """like ports/esp32/mphalport.c (check_esp_err_): the IDF's number, negative."""
        value = self._new.get(self._key(key), self._values.get(key))
        if type(value) is not kind:
            raise OSError(_NOT_FOUND, "ESP_ERR_NVS_NOT_FOUND")
        return value

    def get_i32(self, key):
        """like ports/esp32/esp32_nvs.c (esp32_nvs_get_i32)."""
        return self._find(key, int)

    def set_i32(self, key, value):
        """like ports/esp32/esp32_nvs.c (esp32_nvs_set_i32)."""
        if not -(1 << 31) <= value < 1 << 31:
            raise OverflowError("overflow converting long int to machine word")
        self._new[self._key(key)] = value

    def get_blob(self, key, buffer):
        """like ports/esp32/esp32_nvs.c (esp32_nvs_get_blob): a buffer that is too short is an
        error that does not say how long.
        """
        value = self._find(key, bytes)
        if len(value) > len(buffer):
            raise OSError(_INVALID_LENGTH, "ESP_ERR_NVS_INVALID_LENGTH")
        buffer[: len(value)] = value
        return len(value)

    def set_blob(self, key, value):
        """like ports/esp32/esp32_nvs.c (esp32_nvs_set_blob)."""
        self._new[self._key(key)] = bytes(value)

    def commit(self):
        """like ports/esp32/esp32_nvs.c (esp32_nvs_commit): before it nothing is promised."""
        self._values.update(self._new)
        self._new = {}


class Partition:
    TYPE_DATA = 1

    def __init__(self, label):
        """like ports/esp32/esp32_partition.c (esp32_partition_make_new)."""
        self.label = label

    @classmethod
    def find(cls, type=0, subtype=255, label=None):
        """like ports/esp32/esp32_partition.c (esp32_partition_find): a list, perhaps empty."""
        return [cls(name) for name in _chip.chip.partitions if label in (None, name)]
