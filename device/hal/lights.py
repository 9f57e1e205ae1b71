"""The light's language, the same on every board; docs/indicator.md explains it to people.

code: (colour 0xRRGGBB, flashes, length of a flash in ms, pause after them in ms). Between flashes
it is dark for 200 ms; a pause of 0: it stays on. A lamp of one colour shows the same flashes.
"""

CODES = {
    "idle": (0x00FF00, 1, 40, 5000),
    "armed": (0x00FFFF, 1, 40, 2000),
    "recording": (0xFF0000, 1, 1000, 0),
    "uploading": (0x0000FF, 1, 400, 400),
    "waiting": (0xFFFF00, 1, 200, 2000),
    "waiting_link": (0xFFFF00, 2, 200, 2000),
    "waiting_cloud": (0xFFFF00, 3, 200, 2000),
    "battery_low": (0xFF8000, 6, 60, 4000),
    "asleep": (0x00FF00, 1, 20, 20000),
    "error": (0xFF0000, 4, 100, 1500),
    "rescue": (0xFF00FF, 5, 100, 1500),
    "held": (0xFFFFFF, 1, 1000, 0),
}
