"""Keys: made once, private, and never shown."""

from pathlib import Path

import pytest

from contracts.keys import KeyFileError, load_or_create_key


def test_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "owner.key"
    account = load_or_create_key(path)
    assert load_or_create_key(path).address == account.address
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [file.name for file in path.parent.iterdir()] == ["owner.key"]


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "owner.key"
    load_or_create_key(path)
    path.chmod(0o644)
    with pytest.raises(KeyFileError, match=r"others can read this key \(mode 644\); run: chmod 600"):
        load_or_create_key(path)


@pytest.mark.parametrize("content", ["", "0x1234", "zz" * 32])
def test_a_damaged_key_is_named_but_not_shown(tmp_path: Path, content: str) -> None:
    path = tmp_path / "owner.key"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(KeyFileError, match=r"owner\.key: not a private key") as caught:
        load_or_create_key(path)
    assert not content or content not in str(caught.value)
    assert path.read_text() == content
