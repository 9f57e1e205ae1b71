"""Signed bundles: made here, checked and installed by device/update/, which has the format."""
