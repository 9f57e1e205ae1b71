"""The store for what a board has: one medium, or two. Let go of once it is made."""


def store_of(board, uptime_ms, log):
    """ClipStore or TwoMedia over the board's ports, not prepared yet."""
    media = getattr(board, "media", None)
    if not media:
        from device.store.store import ClipStore

        return ClipStore(board.storage, board.secrets)
    from device.store.two_media import TwoMedia

    first, spare = media
    return TwoMedia(first, spare, board.secrets, uptime_ms, log)
