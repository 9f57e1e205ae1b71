"""Ranges as (first, end): of samples, or of milliseconds."""


def minus(ranges, others):
    """The parts of ranges that none of others covers; both sorted."""
    left = []
    others = list(others)
    begin = 0
    for low, high in ranges:
        while begin < len(others) and others[begin][1] <= low:
            begin += 1
        at = begin
        while low < high and at < len(others) and others[at][0] < high:
            first, last = others[at]
            if first > low:
                left.append((low, first))
            low = max(low, last)
            at += 1
        if low < high:
            left.append((low, high))
    return left


def joined(ranges, apart=0):
    """Sorted, and those as one that overlap or are no more than so much apart."""
    found = []
    for low, high in sorted(ranges):
        if found and low <= found[-1][1] + apart:
            found[-1] = (found[-1][0], max(high, found[-1][1]))
        else:
            found.append((low, high))
    return found


def shrunk(ranges, by):
    """Each without its edges; what is too short is gone."""
    return [(low + by, high - by) for low, high in ranges if high - low > 2 * by]


def cut_to(ranges, low, high):
    """What of ranges lies between low and high."""
    return [(max(a, low), min(b, high)) for a, b in ranges if a < high and b > low]
