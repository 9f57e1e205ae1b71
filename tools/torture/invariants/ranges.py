"""Ranges of samples as (first, end), sorted."""


def minus(ranges, others):
    """The parts of ranges that none of others covers; both sorted."""
    left = []
    for low, high in ranges:
        for first, last in others:
            if last <= low:
                continue
            if first >= high:
                break
            if first > low:
                left.append((low, first))
            low = max(low, last)
            if low >= high:
                break
        if low < high:
            left.append((low, high))
    return left
