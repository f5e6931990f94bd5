"""Pull-wake subscriptions: which streams wake whom, and who holds the claim.

The rules are those of the durable-streams server that agents-server embeds
(`subscription-manager.ts`): a subscription wakes once, until its wake is claimed and done; a
claim is a lease that every accepted acknowledgement renews; an expired lease frees the work,
and its former holder is refused from then on. Nothing here outlives the process.
"""

import secrets
from dataclasses import dataclass, field
from typing import Final

import msgspec

from electric_agents_simulator.clock import Clock, Timer
from electric_agents_simulator.wakes.streams import BEFORE_FIRST, Streams
from electric_agents_simulator.wakes.tokens import TokenError, Tokens

LEASE_SECONDS: Final = 30.0
"""How long a claim is held without an acknowledgement."""


class Refusal(Exception):  # noqa: N818  (an answer of the protocol, not a fault of ours)
    """A request that the streams server turns down."""

    def __init__(self, status: int, code: str, **details: object) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.body = msgspec.json.encode({"error": {"code": code, **details}}).decode()
        message = details.get("message")
        self.message = message if isinstance(message, str) else self.body


class PendingStream(msgspec.Struct, frozen=True):
    """A stream of a claim: where it ends, and whether there is something new in it."""

    path: str
    tail: str
    has_pending: bool


class Grant(msgspec.Struct, frozen=True):
    """A successful claim."""

    wake_id: str
    generation: int
    token: str
    streams: list[PendingStream]


class Ack(msgspec.Struct, frozen=True):
    """Up to where a stream has been worked off."""

    path: str
    offset: str


@dataclass
class _Subscription:
    id: str
    wake_stream: str
    acked: dict[str, str] = field(default_factory=dict)
    generation: int = 0
    wake_id: str | None = None
    holder: str | None = None
    lease: Timer | None = None

    @property
    def subject(self) -> str:
        return f"subscription:{self.id}"


class Subscriptions:
    """All subscriptions of one server."""

    def __init__(self, streams: Streams, clock: Clock) -> None:
        self._streams = streams
        self._clock = clock
        self._tokens = Tokens()
        self._subscriptions: dict[str, _Subscription] = {}
        self._by_stream: dict[str, set[str]] = {}

    def link(self, subscription_id: str, stream: str, wake_stream: str) -> None:
        """Let what is appended to a stream from now on wake the readers of a wake stream."""
        subscription = self._subscriptions.setdefault(
            subscription_id, _Subscription(subscription_id, wake_stream)
        )
        path = stream.strip("/")
        subscription.acked.setdefault(path, self._streams.tail(path))
        self._by_stream.setdefault(path, set()).add(subscription_id)

    def unlink(self, subscription_id: str, stream: str) -> None:
        """Let a stream wake nobody by this subscription any more."""
        path = stream.strip("/")
        subscription = self._subscriptions.get(subscription_id)
        if subscription is not None:
            subscription.acked.pop(path, None)
            self._by_stream.get(path, set()).discard(subscription_id)

    def append(self, stream: str, *values: object) -> str:
        """Append to a stream, which must exist, and wake its subscribers; give the offset behind.

        Raises:
            ClosedStreamError: the stream is closed.
        """
        offset = self._streams.append(stream, *values)
        self.on_append(stream)
        return offset

    def on_append(self, stream: str) -> None:
        """Wake the subscribers of a stream that has grown, unless they have been woken already."""
        for subscription_id in self._by_stream.get(stream.strip("/"), ()):
            subscription = self._subscriptions[subscription_id]
            if not (subscription.wake_id or subscription.holder):
                self._wake_if_pending(subscription)

    def on_delete(self, stream: str) -> None:
        """Let a stream that was deleted wake nobody any more."""
        path = stream.strip("/")
        for subscription_id in self._by_stream.pop(path, ()):
            self._subscriptions[subscription_id].acked.pop(path, None)

    def claim(self, subscription_id: str, worker: str) -> Grant | None:
        """Take the wake of a subscription; None when there is no such subscription.

        Raises:
            Refusal: somebody holds it, or there is nothing to do.
        """
        subscription = self._subscriptions.get(subscription_id)
        if subscription is None:
            return None
        if subscription.holder:
            raise Refusal(
                409,
                "ALREADY_CLAIMED",
                current_holder=subscription.holder,
                generation=subscription.generation,
            )
        if not subscription.wake_id and not self._wake_if_pending(subscription):
            raise _no_pending_work()
        if not self._pending(subscription):
            raise _no_pending_work()
        subscription.holder = worker
        self._extend_lease(subscription)
        return Grant(
            wake_id=subscription.wake_id or "",
            generation=subscription.generation,
            token=self._tokens.issue(
                subscription.subject, subscription.generation, self._clock.now()
            ),
            streams=[self._pending_stream(subscription, path) for path in subscription.acked],
        )

    def acknowledge(  # noqa: PLR0913  (the protocol's own request has these parts)
        self,
        subscription_id: str,
        token: str,
        *,
        wake_id: str,
        generation: float | None,
        acks: list[Ack],
        done: bool,
    ) -> bool:
        """Renew a claim, move its cursors, and end it when done; tell whether a next wake follows.

        Raises:
            Refusal: the token, the wake or an offset is not (or no longer) right.
        """
        subscription = self._subscriptions.get(subscription_id)
        if subscription is None:
            raise Refusal(404, "SUBSCRIPTION_NOT_FOUND", message="Subscription not found")
        self._check_wake(subscription, token, wake_id, generation)
        for ack in acks:
            self._check_ack(subscription, ack)
        subscription.acked.update({ack.path: ack.offset for ack in acks})
        self._extend_lease(subscription)
        return self._end_wake(subscription) if done else False

    def release(self, subscription_id: str) -> None:
        """Give a claim back undone: the server does so for a stopped or paused entity."""
        subscription = self._subscriptions.get(subscription_id)
        if subscription is not None:
            self._end_wake(subscription)

    def forget(self) -> None:
        """Lose everything, tokens too, as a restart of the streams server does."""
        for subscription in self._subscriptions.values():
            _cancel_lease(subscription)
        self._subscriptions.clear()
        self._by_stream.clear()
        self._tokens = Tokens()

    def _wake_if_pending(self, subscription: _Subscription) -> bool:
        pending = self._pending(subscription)
        if not pending:
            return False
        subscription.generation += 1
        subscription.wake_id = f"w_{secrets.token_hex(12)}"
        wake_stream = self._streams.get(subscription.wake_stream)
        if wake_stream is not None and not wake_stream.closed:
            event = {
                "type": "wake",
                "subscription_id": subscription.id,
                "stream": pending[0].path,
                "generation": subscription.generation,
                "ts": int(self._clock.now() * 1000),
            }
            self._streams.append(subscription.wake_stream, event)
        return True

    def _pending_stream(self, subscription: _Subscription, path: str) -> PendingStream:
        tail = self._streams.tail(path)
        return PendingStream(path, tail, has_pending=tail > subscription.acked[path])

    def _pending(self, subscription: _Subscription) -> list[PendingStream]:
        streams = (self._pending_stream(subscription, path) for path in subscription.acked)
        return [stream for stream in streams if stream.has_pending]

    def _check_wake(
        self, subscription: _Subscription, token: str, wake_id: str, generation: float | None
    ) -> None:
        try:
            epoch = self._tokens.epoch_of(token, subscription.subject, self._clock.now())
        except TokenError as error:
            code = str(error)
            text = "Token expired" if code == "TOKEN_EXPIRED" else "Token invalid"
            raise Refusal(401, code, message=text) from error
        if not (epoch == generation == subscription.generation and wake_id == subscription.wake_id):
            raise Refusal(409, "FENCED", message="Wake generation is stale")

    def _check_ack(self, subscription: _Subscription, ack: Ack) -> None:
        text = None
        if ack.path not in subscription.acked:
            text = "Ack references an unknown subscription stream"
        elif ack.offset == BEFORE_FIRST:
            text = "Ack offset must not be -1"
        elif ack.offset < subscription.acked[ack.path]:
            text = "Ack offset regresses the committed cursor"
        elif ack.offset > self._streams.tail(ack.path):
            text = "Ack offset is beyond stream tail"
        if text:
            raise Refusal(409, "INVALID_OFFSET", message=text)

    def _extend_lease(self, subscription: _Subscription) -> None:
        _cancel_lease(subscription)

        def expire() -> None:
            self._end_wake(subscription)

        subscription.lease = self._clock.call_later(LEASE_SECONDS, expire)

    def _end_wake(self, subscription: _Subscription) -> bool:
        """Free a subscription, by its holder or because the lease ran out, and wake again."""
        _cancel_lease(subscription)
        subscription.holder = None
        subscription.wake_id = None
        return self._wake_if_pending(subscription)


def _no_pending_work() -> Refusal:
    return Refusal(409, "NO_PENDING_WORK", message="Subscription has no pending work")


def _cancel_lease(subscription: _Subscription) -> None:
    if subscription.lease:
        subscription.lease.cancel()
        subscription.lease = None
