"""The page of the simulator: what a recorder looks like from outside, live, and the knobs that
trouble it. docs/simulator.md shows it.
"""
