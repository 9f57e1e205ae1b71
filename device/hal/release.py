"""What this firmware is: a release sets both."""

FIRMWARE_VERSION = "0.1.0"
# A floor for every believable time: 2026-11-01. A release sets it to its own build time.
BUILD_UNIX_S = 1793491200
