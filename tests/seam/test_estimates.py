import base64
import os
import time

import pytest

from gateway.seam import Estimates, Usage
from gateway.seam.estimates import BLOB_TOKENS

TEXT = b"word " * 200


def test_a_model_that_nothing_is_known_of() -> None:
    assert Estimates().tokens("m", TEXT) == 250
    assert Estimates().tokens("m", b"") == 1


def test_a_ratio_is_learned_and_follows() -> None:
    estimates = Estimates()
    estimates.learn("m", 1000, Usage(500))
    assert estimates.tokens("m", TEXT) == 500
    estimates.learn("m", 1000, Usage(250))
    assert 250 < estimates.tokens("m", TEXT) < 500
    for _ in range(60):
        estimates.learn("m", 1000, Usage(250))
    assert estimates.tokens("m", TEXT) == 250
    assert estimates.tokens("other", TEXT) == 250


@pytest.mark.parametrize(("sent", "tokens"), [(100, 50), (1000, 0), (1_000_000, 1500), (300, 3000)])
def test_what_measures_something_else_teaches_nothing(sent: int, tokens: int) -> None:
    estimates = Estimates()
    estimates.learn("m", sent, Usage(tokens))
    assert estimates.tokens("m", TEXT) == 250


def test_the_memory_is_bounded_and_forgets_what_learned_longest_ago() -> None:
    estimates = Estimates()
    for number in range(1024):
        estimates.learn(f"m{number}", 1000, Usage(500))
    estimates.learn("m0", 1000, Usage(500))
    estimates.learn("new", 1000, Usage(500))
    known = [estimates.tokens(name, TEXT) for name in ("m0", "m1", "m2", "new")]
    assert known == [500, 250, 500, 500]


def test_an_image_counts_as_an_image() -> None:
    image = base64.b64encode(os.urandom(300_000))
    body = b'{"messages":[{"data":"%s"},{"url":"data:image/png;base64,%s"}],"text":"%s"}' % (image, image, TEXT)
    tokens = Estimates().tokens("m", body)
    assert 2 * BLOB_TOKENS + 250 <= tokens <= 2 * BLOB_TOKENS + 300


def test_no_body_takes_long() -> None:
    body = (b"x" * 1023 + b" ") * 2000
    began = time.perf_counter()
    Estimates().tokens("m", body)
    assert time.perf_counter() - began < 1
