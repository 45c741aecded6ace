import hashlib

import pytest

from gateway.accounts.keys import Key, Keyring, credential, fingerprint
from gateway.seam import Unauthorized


@pytest.mark.parametrize(
    ("models", "name", "allowed"),
    [
        (("*",), "anything/at:all", True),
        ((), "mock/echo", False),
        (("mock/*",), "mock/echo", True),
        (("mock/*",), "mock/a/b", True),
        (("mock/*",), "mocks", False),
        (("mock/*",), "xmock/echo", False),
        (("gpt-4",), "gpt-4o", False),
        (("gpt-4?",), "gpt-4o", True),
        (("gpt-[34]*",), "gpt-5", False),
        (("a", "b"), "b", True),
        (("a", "b"), "ab", False),
        (("a|b",), "a", False),
        (("a.b",), "axb", False),
        (("Mock/*",), "mock/echo", False),
        (("mock/echo",), "mock/echo\n", False),
        (("a", "*"), "z", True),
        (("a*",), "a\nb", True),
    ],
)
def test_models_are_globs_over_whole_names(models: tuple[str, ...], name: str, allowed: bool) -> None:
    assert Key("k", models).may_use(name) is allowed


@pytest.mark.parametrize(
    ("headers", "secret"),
    [
        ([], None),
        ([(b"authorization", b"Bearer k")], b"k"),
        ([(b"authorization", b"BEARER  k ")], b"k"),
        ([(b"authorization", b"Bearer")], None),
        ([(b"authorization", b"Bearer ")], None),
        ([(b"authorization", b"Basic k")], None),
        ([(b"authorization", b"k")], None),
        ([(b"x-api-key", b"k")], b"k"),
        ([(b"api-key", b"k")], b"k"),
        ([(b"x-api-key", b"")], None),
        ([(b"api-key", b"a"), (b"x-api-key", b"x")], b"x"),
        ([(b"x-api-key", b"x"), (b"api-key", b"a")], b"x"),
        ([(b"x-api-key", b"x"), (b"authorization", b"Bearer k")], b"k"),
        ([(b"authorization", b"Basic k"), (b"api-key", b"a")], b"a"),
    ],
)
def test_a_secret_stands_in_one_of_three_headers(headers: list[tuple[bytes, bytes]], secret: bytes | None) -> None:
    assert credential(headers) == secret


def test_a_keyring_keeps_no_secret() -> None:
    ring = Keyring([(fingerprint(b"sk-secret"), Key("k"))])
    assert "sk-secret" not in repr(vars(ring))
    assert list(ring._keys) == [hashlib.sha256(b"sk-secret").digest()]


def test_a_key_is_found_by_one_look_at_a_dictionary() -> None:
    class Counting(dict[bytes, Key]):
        looks = 0

        def get(self, *args: object) -> object:  # type: ignore[override]
            Counting.looks += 1
            return super().get(*args)  # type: ignore[arg-type]

    ring = Keyring((fingerprint(b"%d" % n), Key(str(n))) for n in range(1000))
    ring._keys = Counting(ring._keys)
    assert ring.identify([(b"x-api-key", b"999")]).name == "999"
    assert Counting.looks == 1


@pytest.mark.parametrize("secret", [b"SK-A", b"sk-a ", b"sk", b"sk-ab", b"\xff", b"x" * 10_000])
def test_other_secrets_are_not_found(secret: bytes) -> None:
    with pytest.raises(Unauthorized, match="Incorrect API key") as caught:
        Keyring([(fingerprint(b"sk-a"), Key("a"))]).identify([(b"x-api-key", secret)])
    assert (caught.value.status, caught.value.code) == (401, "invalid_api_key")
