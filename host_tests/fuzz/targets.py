"""Every target, in one list."""

from host_tests.fuzz import cable, flash, network

TARGETS = network.TARGETS + flash.TARGETS + cable.TARGETS
