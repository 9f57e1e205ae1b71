"""What the rescue program does once: mount, blame, read the settings, join the parts."""

from rescue import aside, settings
from rescue.api import Api
from rescue.clips import Clip
from rescue.wire import Wire


def prepare(program, piece):
    """The Api for program, which gets root, ids and networks. piece: a buffer for the wire.

    May be called again after it raised OSError.
    """
    board, chip = program.board, program.chip
    if not program.root:
        root = board.mount()
        blame(program, root)
        program.root = root
    program.networks, api_url, program.time_server = settings.read(program.root)
    program.ids = (chip.device_id, settings.store_id(program.secrets))
    wire = Wire(board.roots(), board.resolve, program.breathe, piece)
    return Api(wire, api_url, program.secrets)


def blame(program, root):
    """The clip that was in hand when this program, or the full one, died."""
    for number in program.chip.in_hand():
        clip = Clip(root, number)
        if clip.record is not None and clip.state != "done":
            deaths = aside.count_death(clip)
            program.chip.say("W a program died with clip=%d in hand, times=%d" % (number, deaths))
    program.chip.mark("")
