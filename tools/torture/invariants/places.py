"""A record says where its samples belong: what was left out, and where in its take it begins."""


def s17_places(history):
    """What the file of a closed clip lacks is what its record says, to the sample; and the clips
    of a take count on one axis.
    """
    begins = {}  # of takes: which sample of the microphone their axis begins with
    for event in history.of("closed"):
        clip, runs = event.detail["clip"], event.detail["runs"]
        begin = _first_sample(runs)
        if begin is None:
            continue  # nothing in it names a sample
        samples = sum(count for _, count in runs)
        # After a pause that a cut followed nothing may be left: then it stands at the end.
        told = [skip for skip in event.detail.get("skips", ()) if skip[0] < samples]
        seen = _left_out(runs)
        if told != seen:
            yield f"clip {clip} says that {told} is left out of it, and {seen} is"
        take, first = event.detail.get("place", (None, None))
        if take is None or first is None:
            continue
        begin -= first
        if begins.setdefault(take, begin) != begin:
            yield f"clip {clip} begins {begin - begins[take]} samples beside its place in the take"


def _left_out(runs):
    """[[sample of the file, count]] of what is missing before it; what is filled is not."""
    found, held, next_ = [], 0, None
    for first, count in runs:
        if first is None:
            first = next_
        elif next_ is not None and first > next_:
            found.append([held, first - next_])
        next_ = None if first is None else first + count
        held += count
    return found


def _first_sample(runs):
    """Which one the file begins with, as its first named one says; None if none is named."""
    held = 0
    for first, count in runs:
        if first is not None:
            return first - held
        held += count
