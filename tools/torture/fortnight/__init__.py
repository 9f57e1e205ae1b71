"""A scripted fortnight of one recorder among the links that people have, in virtual time.

script.py says where it is carried and what it hears, ways.py is what it finds there (Wi-Fi, a
modem, bytes on the wire), run.py lets the device's code live through it, judge.py holds every
byte against the rules and every second of waiting against the truth, page.py writes the table.
"""
