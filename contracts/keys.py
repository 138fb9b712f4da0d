"""Private keys: made on first start, readable by their owner only, never logged."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from eth_account import Account
from eth_account.signers.local import LocalAccount

from simulation.errors import MicrogridError


class KeyFileError(MicrogridError):
    """A key file that must not be used; the text names it and the fix, never its content."""


def load_or_create_key(path: Path) -> LocalAccount:
    """The account of a key file; a new random key is written when there is none yet."""
    if not path.exists():
        _create(path)
    _refuse_if_readable_by_others(path)
    try:
        account: LocalAccount = Account.from_key(path.read_text(encoding="ascii").strip())
        return account
    except ValueError:
        raise KeyFileError(
            f"{path}: not a private key; restore your backup of it (a new key is a new wallet)"
        ) from None


def _create(path: Path) -> None:
    """Write to a private neighbour first and link it, so that no half key and no second key can appear."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write("0x" + bytes(Account.create().key).hex() + "\n")
        file.flush()
        os.fsync(file.fileno())
    with contextlib.suppress(FileExistsError):
        os.link(temporary, path)
    temporary.unlink()


def _refuse_if_readable_by_others(path: Path) -> None:
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        raise KeyFileError(f"{path}: others can read this key (mode {mode:o}); run: chmod 600 {path}")
