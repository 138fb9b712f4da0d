"""What the hub refuses while it runs, as an answer with words.

    Exception
    └── Refused            an HTTP answer {"detail": text}
        ├── NotFound   404
        ├── Conflict   409
        ├── TooLarge   413
        ├── WrongType  415
        ├── Invalid    422
        └── Unavailable 503

What stops the hub from starting is `contracts.hub_client.HubError`.
"""

from __future__ import annotations


class Refused(Exception):
    """The request cannot be served; the text names the value and the fix."""

    status = 400

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class NotFound(Refused):
    """What was asked for does not exist."""

    status = 404


class Conflict(Refused):
    """What was sent contradicts what is stored."""

    status = 409


class TooLarge(Refused):
    """The body has too many bytes."""

    status = 413


class WrongType(Refused):
    """The body is not declared as JSON."""

    status = 415


class Invalid(Refused):
    """What was sent is malformed or against a rule."""

    status = 422


class Unavailable(Refused):
    """Another part that is needed does not answer; the sender tries again."""

    status = 503
