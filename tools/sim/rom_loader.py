"""A stand-in for the loader in the ROM of an ESP32-S3, on a PTY: what esptool talks to.

    with RomLoader(folder) as loader:      # loader.device: the port; loader.flash: what it holds
        esptool --port loader.device write-flash 0 firmware.bin

Speaks esptool's serial protocol (SLIP frames; request: 0, command, 16-bit length, 32-bit checksum,
data; answer: 1, command, 16-bit length, 32-bit value, data, status): the ROM's part of it, and the
flasher's after esptool has uploaded one. Sources: esptool 5.6.0, loader.py (ESP_CMDS, command,
check_command, flash_begin, flash_md5sum, run_spiflash_command), targets/esp32s3.py.

What it is not: no reset lines (a PTY has none), no timing, no flash that wears.
"""

import hashlib
import os
import pathlib
import pty
import select
import struct
import threading
import tty
import zlib

CHIP_ID = 9
MAC = bytes.fromhex("0c8b951d2e3f")
FLASH_BYTES = 8 << 20
_FLASH_ID = 0x1740EF  # 8 MiB: manufacturer 0xEF, type 0x40, 2**0x17 bytes
_SECTOR_BYTES = 4096
_LOOK_S = 0.05

_SPI = 0x60002000
_SPI_CMD, _SPI_USR2, _SPI_W0 = _SPI, _SPI + 0x20, _SPI + 0x58
_MAC_EFUSE = 0x60007044
_READ_ID = 0x9F

_END, _ESCAPE = 0xC0, 0xDB


def frame(data: bytes) -> bytes:
    return b"\xc0" + data.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc") + b"\xc0"


def unframe(data: bytes) -> bytes:
    return data.replace(b"\xdb\xdc", b"\xc0").replace(b"\xdb\xdd", b"\xdb")


class RomLoader:
    """damages: a bit of each write flips, as bad flash does. is_deaf: nothing is answered."""

    def __init__(self, folder: pathlib.Path, damages: bool = False, is_deaf: bool = False):
        self.device = str(folder / "tty-loader")
        self.flash = bytearray(b"\xa5" * FLASH_BYTES)  # what somebody left there
        self.commands: list[int] = []
        self.damages, self.is_deaf = damages, is_deaf
        self._has_stub = False
        self._registers: dict[int, int] = {
            _MAC_EFUSE: int.from_bytes(MAC[2:], "big"),
            _MAC_EFUSE + 4: int.from_bytes(MAC[:2], "big"),
        }
        self._at = 0
        self._unpacker = None
        self._buffer = b""
        self._stop = threading.Event()

    def __enter__(self) -> "RomLoader":
        self._port, self._slave = pty.openpty()
        tty.setraw(self._slave)
        link = pathlib.Path(self.device)
        link.unlink(missing_ok=True)
        link.symlink_to(os.ttyname(self._slave))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_details) -> None:
        self._stop.set()
        self._thread.join()
        os.close(self._port)
        os.close(self._slave)
        pathlib.Path(self.device).unlink(missing_ok=True)

    def _serve(self) -> None:
        while not self._stop.is_set():
            if not select.select([self._port], [], [], _LOOK_S)[0]:
                continue
            self._buffer += os.read(self._port, 65536)
            *frames, self._buffer = self._buffer.split(bytes([_END]))
            for raw in frames:
                request = unframe(raw)
                if len(request) >= 8 and request[0] == 0 and not self.is_deaf:
                    self._answer(request[1], request[8:])

    def _answer(self, command: int, data: bytes) -> None:
        self.commands.append(command)
        handler = _HANDLERS.get(command)
        if handler is None:
            return self._reply(command, status=b"\x01\x05")  # "received message is invalid"
        value, extra = handler(self, data) or (0, b"")
        for _ in range(8 if command == 0x08 else 1):  # a sync is answered eight times
            self._reply(command, value, extra)
        if command == 0x06 and self._has_stub:
            self._send(frame(b"OHAI"))

    def _reply(self, command: int, value: int = 0, extra: bytes = b"", status=b"\0\0") -> None:
        body = extra + status + (b"" if self._has_stub else b"\0\0")
        if command == 0x06:  # still the ROM's own answer
            body = extra + status + b"\0\0"
        self._send(frame(struct.pack("<BBHI", 1, command, len(body), value) + body))

    def _send(self, data: bytes) -> None:
        while data and not self._stop.is_set():
            if select.select([], [self._port], [], _LOOK_S)[1]:
                data = data[os.write(self._port, data) :]

    # Commands ------------------------------------------------------------------------------

    def _sync(self, data):
        return (0 if self._has_stub else 0x20120707), b""

    def _security_info(self, data):
        return 0, struct.pack("<I8BII", 0, 0, *([0] * 7), CHIP_ID, 0)

    def _read_register(self, data):
        return self._registers.get(struct.unpack("<I", data[:4])[0], 0), b""

    def _write_register(self, data):
        address, value = struct.unpack("<II", data[:8])
        self._registers[address] = value
        if address == _SPI_CMD:
            self._registers[_SPI_CMD] = 0  # done at once
            is_id = self._registers.get(_SPI_USR2, 0) & 0xFF == _READ_ID
            self._registers[_SPI_W0] = _FLASH_ID if is_id else 0

    def _memory_end(self, data):
        self._has_stub = True

    def _nothing(self, data):
        return None

    def _erase_all(self, data):
        self.flash[:] = b"\xff" * FLASH_BYTES

    def _erase(self, start: int, size: int) -> None:
        end = -(-(start + size) // _SECTOR_BYTES) * _SECTOR_BYTES
        self.flash[start:end] = b"\xff" * (end - start)

    def _flash_begin(self, data):
        size, _, _, self._at = struct.unpack("<IIII", data[:16])
        self._unpacker = None
        self._erase(self._at, size)

    def _packed_begin(self, data):
        size, _, _, self._at = struct.unpack("<IIII", data[:16])
        self._unpacker = zlib.decompressobj()
        self._erase(self._at, size)

    def _flash_data(self, data):
        size = struct.unpack("<I", data[:4])[0]
        block = data[16 : 16 + size]
        if self._unpacker is not None:
            block = self._unpacker.decompress(block)
        if self.damages and block:
            block = bytes([block[0] ^ 1]) + block[1:]
        self.flash[self._at : self._at + len(block)] = block
        self._at += len(block)

    def _md5(self, data):
        start, size = struct.unpack("<II", data[:8])
        digest = hashlib.md5(self.flash[start : start + size], usedforsecurity=False)
        return 0, digest.digest() if self._has_stub else digest.hexdigest().encode()


_HANDLERS = {
    0x02: RomLoader._flash_begin,
    0x03: RomLoader._flash_data,
    0x04: RomLoader._nothing,
    0x05: RomLoader._nothing,
    0x06: RomLoader._memory_end,
    0x07: RomLoader._nothing,
    0x08: RomLoader._sync,
    0x09: RomLoader._write_register,
    0x0A: RomLoader._read_register,
    0x0B: RomLoader._nothing,
    0x0D: RomLoader._nothing,
    0x0F: RomLoader._nothing,
    0x10: RomLoader._packed_begin,
    0x11: RomLoader._flash_data,
    0x12: RomLoader._nothing,
    0x13: RomLoader._md5,
    0x14: RomLoader._security_info,
    0xD0: RomLoader._erase_all,
}
