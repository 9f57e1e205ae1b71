"""Every target, in one list."""

from host_tests.fuzz import cable, clips, flash, network

TARGETS = network.TARGETS + clips.TARGETS + flash.TARGETS + cable.TARGETS
