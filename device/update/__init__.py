"""Signed updates: verified, installed beside what runs, tried, and proved or taken back.

Imported only while a bundle is looked at: the running recorder keeps nothing of it in memory.
docs/updates.md has the format and the way; docs/security.md says what a signature is worth.
"""
