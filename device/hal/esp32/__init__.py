"""The ports of a real board: MicroPython's ESP32 port, 1.27 or newer.

What each line takes for granted about that port, with file and function, stands in
docs/hardware.md.
"""
