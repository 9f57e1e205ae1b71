"""The service behind a front, as an exchange writes to it and reads from it."""

import h11

from tools.cloud.wire import Wire


class ServiceGone(Exception):
    """The service behind the front closed the connection without a whole answer."""


class Sink:
    """Hands a body on to the service; when that stops listening, the rest is only read."""

    def __init__(self, service: Wire):
        self._service = service
        self._listens = True

    async def __call__(self, event: h11.Event) -> None:
        if not self._listens:
            return
        try:
            await self._service.send(event)
        except (OSError, h11.LocalProtocolError):
            self._listens = False


async def discard(_event: h11.Event) -> None:
    """A sink for a body that no service shall see."""


async def receive_from(service: Wire) -> h11.Event:
    """Its next event. Raises ServiceGone."""
    try:
        return await service.receive()
    except (h11.RemoteProtocolError, OSError):
        raise ServiceGone from None


async def answer_body(service: Wire):
    """Yield the pieces of its answer, to the end. Raises ServiceGone."""
    while True:
        event = await receive_from(service)
        if isinstance(event, h11.Data):
            yield event.data
        elif isinstance(event, h11.EndOfMessage):
            return
        else:
            raise ServiceGone
