from __future__ import annotations

import contextlib
import inspect
import json
import os
import pickle
import pydoc
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import visioncraft
from hypothesis import given
from hypothesis import strategies as st
from visioncraft.nodes.headless.cli import main
from visioncraft.visioncraft_core import Client
from visioncraft.visioncraft_core.api.sandbox_keys import SANDBOX_PREMIUM_KEY
from visioncraft.visioncraft_core.errors import ConfigError, KeyMissing
from visioncraft.visioncraft_core.profiles.paths import default_home
from visioncraft.visioncraft_core.profiles.profile import DEFAULT_BASE_URL, Profile, check_base_url
from visioncraft.visioncraft_core.profiles.profiles import Profiles
from visioncraft.visioncraft_core.profiles.secret import Secret
from visioncraft.visioncraft_core.urls import is_loopback

KEY = "vc-CANARY-5f3a9/+=key"


def profiles(home: Path, stored: Any = None, **environ: str) -> Profiles:
    if stored is not None:
        home.mkdir(parents=True, exist_ok=True)
        text = stored if isinstance(stored, str) else json.dumps(stored)
        (home / "profiles.json").write_text(text, "utf-8")
    return Profiles(home, environ)


def test_without_any_settings_auto_is_the_embedded_sandbox(home: Path):
    assert profiles(home).names() == ["auto", "sandbox"]
    assert profiles(home).find("auto").embedded
    assert profiles(home).find("sandbox").embedded


def test_a_key_in_the_environment_goes_to_the_specified_server(home: Path):
    found = profiles(home, VISIONCRAFT_API_KEY=KEY).find("auto")
    assert (found.base_url, found.require_key().reveal()) == (DEFAULT_BASE_URL, KEY)
    assert DEFAULT_BASE_URL == "https://visioncraft-rs24.koyeb.app"


def test_the_environment_wins_over_the_file(home: Path):
    stored = {"default": "work", "profiles": {"work": {"base_url": "https://a.test", "key": KEY}}}
    assert profiles(home, stored).find("auto").name == "work"
    found = profiles(home, stored, VISIONCRAFT_API_KEY=KEY).find("auto")
    assert found.name == "environment"


def test_the_first_profile_with_a_key_serves_where_no_default_is_named(home: Path):
    stored = {"profiles": {"a": {"base_url": "https://a.test"}, "b": {"key": KEY}}}
    assert profiles(home, stored).find("auto").name == "b"


def test_a_profile_carries_its_own_limits(home: Path):
    stored = {"profiles": {"slow": {"key": KEY, "upload": "webp", "timeouts": {"total": 1200}}}}
    profile = profiles(home, stored).find("slow")
    assert (profile.timeouts.total, profile.timeouts.connect) == (1200, 10.0)
    assert profile.upload == "webp"


def test_a_base_url_without_a_key_says_so_rather_than_using_the_sandbox(home: Path):
    found = profiles(home, VISIONCRAFT_BASE_URL="https://other.test/").find("auto")
    with pytest.raises(KeyMissing, match=r"No key is configured for https://other\.test\."):
        found.require_key()


def test_a_url_gets_only_the_key_that_was_stored_with_it(home: Path):
    stored = {"profiles": {"work": {"base_url": "https://a.test", "key": KEY}}}
    found = profiles(home, stored).find("https://a.test/")
    assert found.require_key().reveal() == KEY
    for other in ("https://b.test", "http://a.test", "https://a.test:8443", "https://a.test.b"):
        with pytest.raises(KeyMissing):
            profiles(home, stored).find(other).require_key()


def test_a_server_on_this_machine_gets_the_public_key_of_the_sandbox(home: Path):
    found = profiles(home, VISIONCRAFT_API_KEY=KEY).find("http://127.0.0.1:8787")
    assert found.require_key().reveal() == SANDBOX_PREMIUM_KEY
    assert is_loopback("http://localhost:1")
    assert is_loopback("http://[::1]:1")
    assert not is_loopback("http://127.0.0.1.nip.test")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (
            '{\n "profiles": {,}}',
            "profiles.json cannot be read: it is no JSON from line 2, column 15",
        ),
        ("\x00", "it is no JSON from line 1, column 1"),
        ("[]", "it is not an object"),
        ('{"profiles": []}', "its profiles are not an object"),
        ('{"profiles": {"a": {"base_url": "x"}}}', "The server profile a: The base URL is not"),
        ('{"profiles": {"a": {"key": "a b"}}}', "The server profile a: The configured key is not"),
        ('{"profiles": {"a": {"timeouts": {"toatl": 5}}}}', "not known: toatl. Did you mean total"),
        ('{"profiles": {"a": {"upload": "x"}}}', "profile a has a setting that is not usable: upl"),
    ],
)
def test_what_is_wrong_in_the_file_is_told_with_its_place(text: str, place: str, home: Path):
    home.mkdir()
    (home / "profiles.json").write_text(text, "utf-8")
    with pytest.raises(ConfigError, match=re.escape(place)):
        Profiles(home).find("a")


@pytest.mark.parametrize(
    "stored",
    [
        "not json",
        "[" * 100_000,
        "[]",
        {"profiles": []},
        {"profiles": {"a": 1}},
        {"profiles": {"a": {"base_url": 5}}},
        {"profiles": {"a": {"base_url": "ftp://a"}}},
        {"profiles": {"a": {"key": "has space inside"}}},
        {"profiles": {"a": {"timeouts": {"total": "long"}}}},
        {"profiles": {"a": {"timeouts": {"total": 0}}}},
        {"profiles": {"a": {"timeouts": {"toatl": 5}}}},
        {"profiles": {"a": {"timeouts": 5}}},
        {"profiles": {"a": {"upload": "bmp"}}},
        {"profiles": {"a": {"max_concurrency": 0}}},
        {"profiles": {"a": {"max_concurrency": True}}},
    ],
)
def test_broken_settings_are_told_in_a_sentence_and_leave_the_menu_alone(home: Path, stored: Any):
    broken = profiles(home, stored)
    with pytest.raises(ConfigError) as caught:
        broken.find("a")
    assert len(str(caught.value)) < 300
    assert broken.names()[:2] == ["auto", "sandbox"]


BAD = [
    1,
    {"base_url": "ftp://a"},
    {"max_concurrency": 0},
    {"key": "x y"},
    {"key_for": "x", "key": KEY},
]
BAD_ENVIRONMENTS = [{"BASE_URL": "ftp://a"}, {"API_KEY": "x y"}, {"API_KEY_FILE": "/none"}]


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("first", ["bad", "good"])
def test_only_the_profile_that_is_asked_for_is_judged(first: str, bad: Any, home: Path):
    good = {"base_url": "https://a.test", "key": KEY}
    entries = {"bad": bad, "good": good}
    stored = {"profiles": {first: entries.pop(first), **entries}}
    for name in ("good", "https://a.test", "https://b.test", "sandbox"):
        assert profiles(home, stored).find(name)
    assert profiles(home, stored).find("https://a.test").key
    assert profiles(home, {**stored, "default": "good"}).find("auto").name == "good"
    for asked, default in (("bad", "good"), ("auto", "bad")):
        with pytest.raises(ConfigError):
            profiles(home, {**stored, "default": default}).find(asked)


@pytest.mark.parametrize("bad", BAD_ENVIRONMENTS)
def test_a_bad_environment_is_told_where_it_is_asked_for(bad: dict[str, str], home: Path):
    stored = {"profiles": {"good": {"base_url": "https://a.test", "key": KEY}}}
    found = profiles(home, stored, **{f"VISIONCRAFT_{name}": v for name, v in bad.items()})
    for name in ("good", "https://a.test", "https://b.test", "sandbox"):
        assert found.find(name)
    for name in ("auto", "environment"):
        with pytest.raises(ConfigError):
            found.find(name)


def test_a_bad_profile_is_told_where_it_is_the_one_for_a_url_or_the_first_with_a_key(home: Path):
    entry = {"base_url": "https://a.test", "key": KEY}
    stored = {
        "profiles": {"bad": {**entry, "max_concurrency": 0}, "good": {**entry, "key": "other-key"}}
    }
    for name in ("https://a.test/", "auto"):
        with pytest.raises(ConfigError, match="profile bad has a setting"):
            profiles(home, stored).find(name)


def test_an_unknown_profile_lists_the_known_ones(home: Path):
    with pytest.raises(ConfigError, match='no server profile called "wrok".*auto, sandbox'):
        profiles(home).find("wrok")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a.test/", "https://a.test"),
        (" https://a.test/api// ", "https://a.test/api"),
        ("http://[::1]:8787", "http://[::1]:8787"),
        ("http://my_pc.local.", "http://my_pc.local."),
        ("https://bücher.test/ü", "https://bücher.test/ü"),
        ("https://हिन्दी.test", "https://हिन्दी.test"),
    ],
)
def test_trailing_slashes_of_a_base_url_are_dropped(url: str, expected: str):
    assert check_base_url(url) == expected


@given(st.text(max_size=60))
def test_any_text_is_a_base_url_or_a_config_error(text: str):
    try:
        url = check_base_url(text)
    except ConfigError as error:
        assert "base URL" in str(error)
    else:
        assert url.startswith(("http://", "https://"))
        assert check_base_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        *("", "a.test", "https://", "https://u:p@a.test", "https://a.test?x", "https://a.test:x"),
        *("https://exa mple.com", "https://.example", "https://a..b", "https://a.test\\@b.test"),
        *("https://ex%41mple.com", "https://host\n.evil", "https://a.test/x y", "https://[bad"),
        *("https://[v1.x]", "https://[::g]", f"https://{'a' * 70}.com", f"https://{'a.' * 200}b"),
    ],
)
def test_what_is_no_base_url_is_refused(url: str):
    with pytest.raises(ConfigError):
        check_base_url(url)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("127.0.0.1:8931", 'The address "127.0.0.1:8931" cannot be a base URL. Write http://127.'),
        ("my.server:80/api", 'The address "my.server:80/api" cannot be a base URL. Write https://'),
        ("ftp://x", 'The address "ftp://x" cannot be a base URL. One looks like https://host or'),
        ("my.server", "The base URL is not usable. Write https:// in front of it."),
        (KEY, "The base URL is not usable. It looks like https://host"),
        ("https://me:CANARY@a.test", "The base URL is not usable. It looks like https://host"),
    ],
)
def test_an_address_is_quoted_and_put_right_and_what_may_be_a_key_is_not(url: str, told: str):
    with pytest.raises(ConfigError, match=re.escape(told)):
        check_base_url(url)


def test_a_secret_shows_in_no_form():
    secret = Secret(KEY)
    assert KEY not in f"{secret} {secret!r} {[secret]} {Profile('a', 'b', secret)!r}"
    with pytest.raises(TypeError):
        pickle.dumps(secret)


@pytest.mark.parametrize(
    "value", ["", "short", "x" * 513, "with space", "with\nline-end", "ключик-ключ"]
)
def test_what_cannot_be_a_key_is_refused_without_repeating_it(value: str):
    with pytest.raises(ConfigError) as caught:
        Secret(value)
    assert not value or value not in str(caught.value)


@given(before=st.text(max_size=20), after=st.text(max_size=20))
def test_every_form_of_the_key_is_hidden(before: str, after: str):
    from base64 import b64encode
    from urllib.parse import quote

    secret = Secret(KEY)
    for form in (KEY, quote(KEY, safe=""), b64encode(KEY.encode()).decode(), json.dumps(KEY)):
        assert secret.mask(before + form + after).count("CANARY") == (before + after).count(
            "CANARY"
        )
        assert form not in secret.mask(before + form + after)


def test_the_home_folder_follows_the_environment(tmp_path: Path):
    assert default_home({"VISIONCRAFT_HOME": str(tmp_path)}) == tmp_path
    assert default_home({"XDG_DATA_HOME": str(tmp_path), "LOCALAPPDATA": str(tmp_path)}).name == (
        "visioncraft"
    )


@pytest.mark.skipif(os.name != "posix", reason="Windows knows each user's folder")
def test_a_user_without_a_home_is_told_how_to_name_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    for name in ("HOME", "XDG_DATA_HOME", "VISIONCRAFT_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 54321)  # as in a container
    with pytest.raises(ConfigError, match="VISIONCRAFT_HOME"):
        default_home()
    for command in (["catalog", "models"], ["doctor"], ["store", "size"]):
        assert main(command) == 2
        assert "VISIONCRAFT_HOME" in capsys.readouterr().err
    assert default_home({"VISIONCRAFT_HOME": str(tmp_path)}) == tmp_path
    if sys.platform == "linux":
        assert default_home({"XDG_DATA_HOME": str(tmp_path)}) == tmp_path / "visioncraft"


def test_a_kept_key_can_be_read_by_its_owner_only_and_is_found_again(home: Path):
    kept = profiles(home).store_key("work", Secret(KEY), "https://a.test/")
    assert (kept.base_url, kept.require_key().reveal()) == ("https://a.test", KEY)
    assert profiles(home).find("work").require_key().reveal() == KEY
    if os.name == "posix":
        assert (home / "profiles.json").stat().st_mode & 0o777 == 0o600
        assert home.stat().st_mode & 0o777 == 0o700


def test_a_new_key_leaves_the_other_settings_alone(home: Path):
    stored = {"default": "a", "profiles": {"a": {"upload": "webp"}, "b": {"key": "other-key-1"}}}
    profiles(home, stored).store_key("a", Secret(KEY))
    assert profiles(home).find("a").upload == "webp"
    assert profiles(home).find("b").require_key().reveal() == "other-key-1"
    assert profiles(home).find("auto").name == "a"


def test_a_new_key_keeps_members_of_the_file_that_are_unknown(home: Path):
    stored = {"note": "mine", "profiles": {"a": {"colour": "blue", "at_once": 2}, "b": ["odd"]}}
    profiles(home, stored).store_key("a", Secret(KEY))
    kept = json.loads((home / "profiles.json").read_text("utf-8"))
    assert (kept["note"], kept["profiles"]["b"]) == ("mine", ["odd"])
    assert (kept["profiles"]["a"]["colour"], kept["profiles"]["a"]["at_once"]) == ("blue", 2)


FORMER = {"at_once": 2, "patience": 5, "resend": "never", "strict": True}
SETTINGS = ("max_concurrency", "max_rate_limit_wait", "retry_policy", "fail_on_partial")


def test_settings_are_read_by_their_former_names(home: Path):
    found = profiles(home, {"profiles": {"a": {"key": KEY, **FORMER}}}).find("a")
    assert [getattr(found, setting) for setting in SETTINGS] == [*FORMER.values()]


@pytest.mark.parametrize("order", [1, -1])
def test_of_a_setting_with_both_names_the_new_one_counts(order: int, home: Path):
    today = dict(zip(SETTINGS, (3, 6, "unknown", False), strict=True))
    both = dict([*FORMER.items(), *today.items()][::order])
    found = profiles(home, {"profiles": {"a": {"key": KEY, **both}}}).find("a")
    assert {setting: getattr(found, setting) for setting in SETTINGS} == today


@pytest.mark.parametrize("old", FORMER)
def test_a_wrong_value_under_a_former_name_is_refused(old: str, home: Path):
    with pytest.raises(ConfigError, match="not usable"):
        profiles(home, {"profiles": {"a": {old: "wrong"}}}).find("a")


def test_the_help_shows_nothing_of_the_environment():
    assert "environ(" not in pydoc.render_doc(Profiles) + pydoc.render_doc(default_home)


@pytest.mark.parametrize("name", ["", "auto", "sandbox", "environment", "a b", "../x", "x" * 99])
def test_a_profile_cannot_be_called_anything(name: str, home: Path):
    with pytest.raises(ConfigError, match="cannot be called"):
        profiles(home).store_key(name, Secret(KEY))
    assert not home.exists()


def test_a_folder_that_refuses_is_told_without_the_key(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="could not be stored") as caught:
        profiles(tmp_path / "file").store_key("work", Secret(KEY))
    assert KEY not in str(caught.value)


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such permissions")
def test_a_file_that_others_can_read_is_taken_from_them(
    home: Path, caplog: pytest.LogCaptureFixture
):
    found = profiles(home, {"profiles": {"a": {"key": KEY}}})
    (home / "profiles.json").chmod(0o644)
    assert found.find("a").key
    assert (home / "profiles.json").stat().st_mode & 0o777 == 0o600
    assert "could be read by other users" in caplog.text
    assert KEY not in caplog.text


def test_the_default_may_be_the_sandbox_and_must_be_known(home: Path):
    stored = {"default": "sandbox", "profiles": {"work": {"key": KEY}}}
    assert profiles(home, stored).find("auto").embedded
    for wrong in ("wrok", ["x"], 5):
        with pytest.raises(ConfigError, match="is not a server profile"):
            profiles(home, {**stored, "default": wrong}).find("auto")


def test_keys_that_are_stored_at_the_same_time_are_all_kept(home: Path):
    def store(number: int) -> None:
        key = Secret(f"vc-key-number-{number}")
        Profiles(home, {}).store_key(f"work{number}", key, f"http://127.0.0.1:{8000 + number}")

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(store, range(10)))
    kept = [Profiles(home, {}).find(f"work{number}").key for number in range(10)]
    assert [key and key.reveal() for key in kept] == [f"vc-key-number-{n}" for n in range(10)]


# --- What is misspelt --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stored", "told"),
    [
        ({"profiles": {"work": {"ky": "vc-CANARY-5f3a9"}}}, "not known: ky. Did you mean key"),
        (
            {"profiles": {"work": {"key": "vc-CANARY-5f3a9", "at_onc": 2}}},
            "Did you mean max_concurrency?",
        ),
        ({"profiles": {"work": {"baseurl": "https://a.test"}}}, "Did you mean base_url?"),
        ({"profiles": {"sandbox": {"stor": False}}}, "The server profile sandbox has a setting"),
        ({"profile": {"work": {}}}, "not known: profile. Did you mean profiles?"),
        ({"defualt": "work", "profiles": {}}, "not known: defualt. Did you mean default?"),
    ],
)
def test_a_misspelt_setting_never_ends_in_the_sandbox(
    stored: dict[str, Any], told: str, home: Path
):
    home.mkdir()
    (home / "profiles.json").write_text(json.dumps(stored))
    with pytest.raises(ConfigError) as caught:
        Profiles(home, {}).find("auto")
    assert told in str(caught.value)
    assert "CANARY" not in str(caught.value)


def test_a_misspelt_variable_never_ends_in_the_sandbox(home: Path):
    with pytest.raises(ConfigError, match="Did you mean VISIONCRAFT_API_KEY[?]"):
        Profiles(home, {"VISIONCRAFT_APIKEY": "vc-CANARY-5f3a9"}).find("auto")
    assert Profiles(home, {"VISIONCRAFT_SCREENSHOTS": "x"}).find("auto").embedded


def test_a_setting_of_another_version_is_warned_of_and_kept(
    home: Path, caplog: pytest.LogCaptureFixture
):
    home.mkdir()
    entry = {"key": "vc-CANARY-5f3a9", "hue": "red"}
    (home / "profiles.json").write_text(json.dumps({"profiles": {"work": entry}}))
    assert Profiles(home, {}).find("auto").name == "work"
    assert "not known: hue. It is ignored." in caplog.text


def test_the_nearest_profile_is_named(home: Path):
    Profiles(home, {}).store_key("workshop", Secret("vc-CANARY-5f3a9"), "https://a.test")
    with pytest.raises(ConfigError, match="Did you mean workshop[?]"):
        Profiles(home, {}).find("workshp")


def test_nothing_secret_stands_in_signatures_and_in_what_prints(
    home: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("VISIONCRAFT_API_KEY", "vc-CANARY-5f3a9")
    profile = Profiles(home).find("auto")
    shown = [repr(profile), repr(Profiles(home)), repr(Client(profile)), str(profile)]
    for name in dir(visioncraft):
        thing = getattr(visioncraft, name)
        members = vars(thing).values() if isinstance(thing, type) else ()
        for each in (thing, *members):
            if callable(each):
                with contextlib.suppress(TypeError, ValueError):
                    shown.append(str(inspect.signature(each)))
        if callable(thing):
            shown.append(pydoc.render_doc(thing))
    assert not [text for text in shown if "CANARY" in text or "environ(" in text]
