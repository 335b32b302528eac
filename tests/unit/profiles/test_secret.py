"""The key does not print, and is found in any text that might show it."""

from __future__ import annotations

import copy
import json
import pickle
import string
import traceback
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from support.leaks import leaks, spellings
from visioncraft.visioncraft_core.errors import ConfigError
from visioncraft.visioncraft_core.profiles.profiles import Profiles
from visioncraft.visioncraft_core.profiles.secret import MASK, SMALL, Secret, redact

SIGNS = string.ascii_letters + string.digits + string.punctuation.replace("*", "")
# Twelve letters at least: shorter keys stand in other texts by chance.
KEYS = st.text(SIGNS, min_size=12, max_size=20).filter(lambda key: len(set(key)) > 6)
HARMLESS = st.text(st.characters(codec="utf-8"), max_size=60)
NEWLINES = st.sampled_from(["\n", "\r\n", "\\n", " ", "\t", "\n    "])
AWKWARD = 'vc-CANARY-/+"\\&%=?#<'

few = settings(max_examples=20)  # each makes a long pattern


def broken(text: str, places: list[int], by: str) -> str:
    """`text` with `by` at some places."""
    for place in sorted({p % (len(text) + 1) for p in places}, reverse=True):
        text = text[:place] + by + text[place:]
    return text


@few
@given(KEYS, HARMLESS, HARMLESS, st.data())
def test_no_spelling_of_the_key_is_left_wherever_it_stands(
    key: str, before: str, after: str, data: st.DataObject
):
    assume(not leaks((before + " " + after).encode(), key))
    spelled = data.draw(st.sampled_from(sorted(spellings(key).values())))
    text = before + spelled + after
    hidden = Secret(key).mask(text)
    assert not leaks(hidden.encode(), key)
    assert MASK in hidden
    assert hidden.startswith(before)
    assert hidden.endswith(after)


@few
@given(KEYS, st.lists(st.integers(0, 300), max_size=5), NEWLINES, st.data())
def test_a_key_that_is_broken_into_lines_is_found(
    key: str, places: list[int], by: str, data: st.DataObject
):
    spelled = data.draw(st.sampled_from(sorted(spellings(key).values())))
    assume("\\" not in spelled or by != "\\n")  # a break inside of an escape is another escape
    assert not leaks(Secret(key).mask(broken(spelled, places, by)).encode(), key)


@few
@given(KEYS, HARMLESS)
def test_other_text_is_left_alone_and_hiding_twice_changes_nothing(key: str, text: str):
    assume(not leaks(text.encode(), key))
    secret = Secret(key)
    assert secret.mask(text) == text
    assert secret.mask_bytes(text.encode()) == text.encode()
    once = secret.mask(text + key + text)
    assert secret.mask(once) == once


@few
@given(KEYS, st.binary(max_size=60), st.binary(max_size=60), st.data())
def test_the_key_is_scrubbed_out_of_any_bytes(
    key: str, before: bytes, after: bytes, data: st.DataObject
):
    assume(not leaks(before + b"-" + after, key))
    assume(not before.endswith(b"\\"))  # which would belong to the spelling of the first letter
    spelled = data.draw(st.sampled_from(sorted(spellings(key).values())))
    scrubbed = Secret(key).mask_bytes(before + spelled.encode() + after)
    assert not leaks(scrubbed, key)
    assert Secret(key).mask_bytes(scrubbed) == scrubbed
    assert scrubbed.startswith(before)
    assert scrubbed.endswith(after)


@pytest.mark.parametrize("name", spellings("vc-CANARY-5f3a9"))
def test_the_key_is_scrubbed_out_of_a_large_answer_too(name: str):
    spelled = spellings("vc-CANARY-5f3a9")[name].encode()
    large = b"-" * SMALL + spelled
    assert leaks(large, "vc-CANARY-5f3a9")
    assert Secret("vc-CANARY-5f3a9").mask_bytes(large) == large.replace(spelled, MASK.encode())


@given(st.text(), st.sampled_from([AWKWARD, "vc-CANARY-5f3a9", "()[]{}.*+?"]))
def test_nothing_in_a_text_makes_it_fail(text: str, key: str):
    Secret(key).mask(text)
    Secret(key).mask_bytes(text.encode("utf-8", "surrogatepass"))
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize("key", [AWKWARD, "vc-CANARY-5f3a9", "x" * 8, "()[]{}.*+?"])
def test_keys_with_signs_are_hidden_too(key: str):
    for spelled in spellings(key).values():
        assert "CANARY" not in Secret(key).mask(f'{{"token": "{spelled}"}}')
        assert MASK in Secret(key).mask(spelled)


@given(
    st.sampled_from(["token", "api_key", "API-KEY", "apikey", "password", "Authorization"]),
    st.sampled_from(["=", ": ", '": "', " = "]),
    st.text(string.ascii_letters + string.digits + "-._~+/", min_size=6).filter(
        lambda text: text.lower() not in ("bearer", "basic")
    ),
    HARMLESS,
)
@example("token", "=", "Bearer", "")
def test_what_looks_like_a_login_is_taken_out_of_a_strangers_words(
    name: str, sign: str, value: str, before: str
):
    assume(value not in before)
    assert value not in redact(f"{before} {name}{sign}{value}")


@pytest.mark.parametrize(
    "url",
    [
        "https://user:SECRET@host.test/a",
        "https://host.test/a/b?signature=SECRET",
        "HTTP://user@host.test:81/#SECRET",
        "https://host.test/SECRET",
    ],
)
def test_of_an_address_only_the_host_stays(url: str):
    told = redact(f"see {url} for more")
    assert "SECRET" not in told
    assert "host.test" in told
    assert told.endswith(" for more")


def test_words_without_logins_and_addresses_stay_as_they_are():
    said = "Free users can send 1 request per 30 seconds; the secret of a token is its length."
    assert redact(said) == said


SHOWN = [repr, str, format, ascii, lambda s: f"{s!r:>40}", "{:>9}".format, lambda s: f"{[s]}"]


@pytest.mark.parametrize("show", SHOWN)
def test_a_secret_does_not_print(show: Any):
    assert "CANARY" not in show(Secret(AWKWARD))
    assert MASK in show(Secret(AWKWARD))


@pytest.mark.parametrize("copier", [pickle.dumps, copy.copy, copy.deepcopy, json.dumps])
def test_a_secret_is_not_copied_anywhere(copier: Any):
    with pytest.raises(TypeError) as caught:
        copier(Secret(AWKWARD))
    assert "CANARY" not in str(caught.value)


def test_a_traceback_that_shows_variables_does_not_show_the_key():
    secret = Secret(AWKWARD)
    with pytest.raises(TypeError) as caught:
        secret.mask(None)  # type: ignore[arg-type]
    told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    text = "".join(told.format())
    assert "secret = Secret(***)" in text
    assert "CANARY" not in text


@pytest.mark.parametrize("typed", ["CANARY", "CANARY 1234", "CANARY-\n1234", "CANARY" * 100])
def test_a_key_that_cannot_be_one_is_refused_without_showing_it(typed: str):
    with pytest.raises(ConfigError) as caught:
        Secret(typed)
    assert "CANARY" not in "".join(traceback.format_exception(caught.value))


COPIED = "vc-0123456789abcdef"


@pytest.mark.parametrize("around", ['"{}"', "'{}'", "`{}`", "\ufeff{}", " {}\r\n", '\ufeff"{}"\n'])
def test_what_editors_and_shells_put_around_a_key_is_no_part_of_it(around: str):
    assert Secret(around.format(COPIED)).reveal() == COPIED


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le-bom"])
def test_a_key_file_may_come_from_any_system(encoding: str, home: Path, tmp_path: Path):
    path = tmp_path / "key"
    little = encoding == "utf-16-le-bom"
    path.write_bytes(f"\ufeff{COPIED}".encode("utf-16-le") if little else COPIED.encode(encoding))
    environ = {"VISIONCRAFT_API_KEY_FILE": str(path), "VISIONCRAFT_BASE_URL": "https://a.test"}
    key = Profiles(home, environ).find("environment").key
    assert key
    assert key.reveal() == COPIED
