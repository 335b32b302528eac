from __future__ import annotations

import base64
import json
import re
import time
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.pictures import gradient, png_of
from visioncraft.visioncraft_core import errors
from visioncraft.visioncraft_core.generation.replies import (
    FilesReply,
    JobReply,
    TextReply,
    parse_job_reply,
    parse_names,
    parse_reply,
)
from visioncraft.visioncraft_core.http.call import Response
from visioncraft.visioncraft_core.profiles.profile import DEFAULT_BASE_URL
from visioncraft.visioncraft_core.profiles.secret import Secret

PNG = png_of(gradient(4, 4))
BASE64 = base64.b64encode(PNG).decode()
KEY = "vc-CANARY-5f3a9/+=key"


def response(body: Any, status: int = 200, **headers: str) -> Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, names, content, "https://api.test")


@pytest.mark.parametrize(
    ("body", "reply"),
    [
        (PNG, FilesReply((PNG,))),
        ({"images": ["https://x.test/1.png"]}, FilesReply(("https://x.test/1.png",))),
        (["https://x.test/1.png"], FilesReply(("https://x.test/1.png",))),
        ({"image": "https://x.test/1.png"}, FilesReply(("https://x.test/1.png",))),
        ({"images": [BASE64, BASE64]}, FilesReply((PNG, PNG))),
        ([BASE64], FilesReply((PNG,))),
        ({"images": [f"data:image/png;base64,{BASE64}"]}, FilesReply((PNG,))),
        ({"job_id": 17}, JobReply("17")),
        ({"choices": [{"message": {"role": "assistant", "content": " Hi "}}]}, TextReply("Hi")),
        ({"message": "Hi", "chat_id": 7}, TextReply("Hi", "7")),
        ({"message": {"content": "Hi"}, "chatCode": "c"}, TextReply("Hi", "c")),
        ({"response": "Hi"}, TextReply("Hi")),
        ({"text": "Hi", "id": "a"}, TextReply("Hi", "a")),
    ],
)
def test_every_form_the_service_answered_in_is_understood(body: Any, reply: Any):
    assert parse_reply(response(body)) == reply


LINK = "https://x.test/1.png"


@pytest.mark.parametrize(
    ("body", "status", "reply"),
    [
        # What was made is a result, whatever is said beside it.
        ({"images": [LINK], "detail": "Free users can make 5 pictures per 1 second"}, 200, LINK),
        ({"images": [LINK], "error": "1 of 4 was filtered"}, 200, LINK),
        ({"images": [LINK], "detail": "ok"}, 200, LINK),
        ({"images": [LINK], "status": "error", "message": "one failed"}, 200, LINK),
        ({"images": [BASE64], "err": "slow"}, 200, PNG),
        ({"images": [LINK]}, 201, LINK),
        ({"images": [LINK]}, 202, LINK),
        (PNG, 203, PNG),
        (b'{"images": ["https://x.test/1.png"], "score": NaN, "loss": -Infinity}', 200, LINK),
        (b'{"images": ["https://x.test/1.png"], "size": 1e999}', 200, LINK),
    ],
)
def test_files_are_a_result_whatever_stands_beside_them(body: Any, status: int, reply: Any):
    found = parse_reply(response(body, status))
    assert isinstance(found, FilesReply)
    assert found.parts == (reply,)
    said = [body.get(k) for k in ("error", "err", "detail")] if isinstance(body, dict) else []
    assert all(words in found.note for words in said if words)


@pytest.mark.parametrize(
    ("body", "text", "thoughts"),
    [
        ({"message": "a fox", "detail": "Free users can ask 5 times per 1 second"}, "a fox", ""),
        ({"choices": [{"message": {"content": "a fox"}}], "error": "filtered"}, "a fox", ""),
        ({"choices": [{"message": {"content": ""}}, {"text": "a fox"}]}, "a fox", ""),
        (
            {"choices": [{"message": {"content": [{"type": "text", "text": "a "}, "fox"]}}]},
            "a fox",
            "",
        ),
        ({"content": [{"type": "text", "text": "a fox"}]}, "a fox", ""),
        (
            {"choices": [{"message": {"content": "a fox", "reasoning_content": "red"}}]},
            "a fox",
            "red",
        ),
        ({"message": "<think>red?</think>\n\na fox"}, "a fox", "red?"),
        ({"message": "<thinking>red?</thinking>a fox"}, "a fox", "red?"),
        ({"message": "red, I think.</think> a fox"}, "a fox", "red, I think."),
        ({"message": "<|im_start|>assistant\n<think>red</think>a fox<|im_end|>"}, "a fox", "red"),
        (
            {
                "message": "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nWrite."
                "<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nfox<|eot_id|>"
                "<|start_header_id|>assistant<|end_header_id|>\n\na fox<|eot_id|>"
            },
            "a fox",
            "",
        ),
        (
            {"message": "<start_of_turn>user\nfox<end_of_turn>\n<start_of_turn>model\na fox"},
            "a fox",
            "",
        ),
        ({"message": "<s>[INST] fox [/INST] a fox</s>"}, "a fox", ""),
        (
            {"message": "<|im_start|>assistant\na fox<|im_end|>\n<|im_start|>user\nmore"},
            "a fox",
            "",
        ),
        (
            {
                "message": "<|channel|>analysis<|message|>red<|end|><|start|>assistant"
                "<|channel|>final<|message|>a fox<|return|>"
            },
            "a fox",
            "",
        ),
    ],
)
def test_a_models_answer_is_found_in_every_form(body: Any, text: str, thoughts: str):
    found = parse_reply(response(body))
    assert isinstance(found, TextReply)
    assert (found.text, found.thoughts) == (text, thoughts)


def test_an_answer_that_only_calls_a_tool_says_so():
    message = {"content": None, "tool_calls": [{"function": {"name": "draw"}}]}
    with pytest.raises(errors.UnknownAnswer, match="call of a tool"):
        parse_reply(response({"choices": [{"message": message}]}))


def test_thoughts_that_never_end_are_no_answer():
    with pytest.raises(errors.UnknownAnswer):
        parse_reply(response({"message": "<think>red or"}))


@pytest.mark.parametrize("status", ["running (0 errors so far)", "requeued: worker was cancelled"])
def test_a_status_means_the_end_only_as_a_whole_word(status: str):
    assert parse_job_reply(response({"status": status, "detail": "slow today"})) is None


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({"error": "Invalid API key."}, 403, errors.KeyRejected),
        ({"detail": "nope"}, 401, errors.KeyRejected),
        ({"detail": "The Host header names another server"}, 403, errors.EndpointNotFound),
        ({"detail": "Invalid HTTP_HOST: host 'nas' is unknown"}, 403, errors.EndpointNotFound),
        ({"detail": "Foreign origin"}, 403, errors.EndpointNotFound),
        ({}, 421, errors.EndpointNotFound),
        ({"error": "Free users can send 1 request per 30 seconds."}, 403, errors.RateLimited),
        ({"error": "Free users can send 1 request per 30 seconds."}, 200, errors.RateLimited),
        ({"detail": "slow"}, 429, errors.RateLimited),
        ({"error": "subscription"}, 413, errors.PremiumRequired),
        ({"error": "subscription"}, 402, errors.PremiumRequired),
        ({"detail": "Not Found"}, 404, errors.EndpointNotFound),
        ({"detail": [{"loc": ["body", "steps"], "msg": "too big"}]}, 422, errors.FieldRejected),
        ({"error": "We doesn't have model called x"}, 200, errors.FieldRejected),
        ({"detail": "oops"}, 500, errors.ServerFailed),
        (b"Internal Server Error", 500, errors.ServerFailed),
        (b"<html><title>Bad gateway</title></html>", 502, errors.ServerFailed),
        ({"error": "failed"}, 200, errors.RequestRejected),
        ({"err": "failed"}, 200, errors.RequestRejected),
        ({"error": {"message": "failed", "code": 5}}, 200, errors.RequestRejected),
        ([{"code": 0, "message": "failed"}], 200, errors.RequestRejected),
        ({"job_id": {"a": 1}}, 200, errors.UnknownAnswer),
        ({"job_id": None}, 200, errors.RequestRejected),
        (b"<html><title>Parked</title></html>", 200, errors.HTMLResponse),
        (b"", 200, errors.InvalidResponse),
        (b"[" * 100_000, 200, errors.UnknownAnswer),
        (b"[" * 100_000, 500, errors.ServerFailed),
        ({"images": []}, 200, errors.InvalidResponse),
        ({"images": "https://x.test/1.png" * 0}, 200, errors.InvalidResponse),
        ({"images": [None, 1]}, 200, errors.UnknownAnswer),
        ({"images": ["not base64"]}, 200, errors.UnknownAnswer),
        ({"choices": []}, 200, errors.InvalidResponse),
        ({"choices": [{"message": {"content": None}}]}, 200, errors.UnknownAnswer),
        ({"status": "error", "message": "quota exceeded"}, 200, errors.RequestRejected),
        ({"status": "failed", "text": "quota exceeded"}, 200, errors.RequestRejected),
        ({"success": False, "message": "quota exceeded"}, 200, errors.RequestRejected),
        ({"success": "false", "response": "quota exceeded"}, 200, errors.RequestRejected),
        ({"ok": False}, 201, errors.RequestRejected),
        ({"code": 403, "message": "quota exceeded"}, 200, errors.RequestRejected),
        ({"error": "Forbidden", "message": "quota exceeded"}, 200, errors.RequestRejected),
        ({"error": True, "message": "quota exceeded"}, 200, errors.RequestRejected),
        ({"job_id": "7", "error": "quota exceeded"}, 200, errors.RequestRejected),
        (PNG, 206, errors.InvalidResponse),
        (b"", 204, errors.InvalidResponse),
        (b"", 303, errors.OutcomeUnknown),
        (None, 200, errors.InvalidResponse),
        ({}, 200, errors.InvalidResponse),
        ({"images": ["https://x.test/1.png"]}, 404, errors.EndpointNotFound),
    ],
)
def test_every_refusal_has_its_own_class(
    body: Any, status: int, error: type[errors.VisionCraftError]
):
    with pytest.raises(error) as caught:
        parse_reply(response(body, status))
    assert type(caught.value) is error
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("seconds", "told"), [("7", "Wait 7 s"), ("150", "3 minutes"), ("86331", "Wait 24 hours and")]
)
def test_a_long_wait_is_told_in_minutes_and_hours(seconds: str, told: str):
    with pytest.raises(errors.RateLimited, match=told) as caught:
        parse_reply(response({"detail": "slow"}, 429, Retry_After=seconds))
    assert caught.value.retry_after == float(seconds)


@pytest.mark.parametrize("origin", [DEFAULT_BASE_URL, "https://api.test"])
def test_a_wrong_key_is_a_matter_of_who_runs_the_server(origin: str):
    with pytest.raises(errors.KeyRejected) as caught:
        parse_reply(replace(response({"detail": "nope"}, 401), origin=origin))
    assert ("Telegram" in caught.value.advice) is (origin == DEFAULT_BASE_URL)
    with pytest.raises(errors.EndpointNotFound) as other:  # what is parked at the address now
        parse_reply(replace(response({}, 404), origin=origin))
    assert ("service is gone" in other.value.advice) is (origin == DEFAULT_BASE_URL)


def test_the_waiting_time_comes_from_the_text_or_the_header():
    for body, headers, seconds in [
        ({"error": "Free users can do it 2 times per 3 minutes"}, {}, 180),
        ({"error": "Free users can do it once per hour"}, {}, 3600),
        ({"error": "Free users can do it once per hour"}, {"Retry_After": "7"}, 7),
        ({"detail": "slow"}, {"Retry_After": "7"}, 7),
        ({"detail": "slow"}, {"Retry_After": "9" * 400}, None),
    ]:
        with pytest.raises(errors.RateLimited) as caught:
            parse_reply(response(body, 429, **headers))
        assert caught.value.retry_after == seconds


def test_the_field_and_reason_of_a_422_are_told():
    body = {"detail": [{"loc": ["body", "steps"], "msg": "too big", "input": {"token": KEY}}]}
    with pytest.raises(errors.FieldRejected, match="steps too big") as caught:
        parse_reply(response(body, 422))
    assert KEY not in str(caught.value)


def test_a_redirect_names_the_base_url_to_set():
    with pytest.raises(errors.EndpointNotFound, match=r"Set the base URL to https://new\.test"):
        parse_reply(response(b"", 308, Location="https://new.test/generate"))


def test_the_title_of_a_web_page_is_told():
    with pytest.raises(errors.InvalidResponse, match='web page called "Maintenance"'):
        parse_reply(response(b"<!doctype html><html><title> Maintenance </title>"))


@given(st.integers(0, 90))
def test_a_key_in_the_servers_words_is_hidden_even_where_the_text_is_cut(before: int):
    body = {"detail": "x" * before + KEY + "y" * 200}
    with pytest.raises(errors.RequestRejected) as caught:
        parse_reply(response(body, 400), Secret(KEY).mask)
    assert "CANARY" not in str(caught.value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["images", "image", "error", "detail", "job_id", "choices", "message", "msg", "loc"]
            )
            | st.text(max_size=8),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


HEADERS = st.fixed_dictionaries(
    {}, optional={name: st.text(max_size=40) for name in ("Location", "Retry_After")}
)


@given(
    body=json_values | st.binary(max_size=200),
    status=st.sampled_from([200, 204, 301, 304, 401, 403, 409, 413, 422, 429, 500, 503, 999]),
    headers=HEADERS,
)
def test_any_answer_is_a_reply_or_one_of_our_errors(
    body: Any, status: int, headers: dict[str, str]
):
    for reader in (parse_reply, parse_job_reply, parse_names):
        try:
            reader(response(body, status, **headers))
        except errors.VisionCraftError as error:
            assert 0 < len(str(error)) < 300
            assert str(error).isprintable()


SPELLINGS = [
    KEY,
    KEY.upper(),
    KEY.replace("A", "A\n"),
    quote(KEY, safe=""),
    json.dumps(KEY)[1:-1],
    base64.b64encode(KEY.encode()).decode(),
    KEY.encode().hex(),
]


@given(
    place=st.sampled_from(["error", "detail", "message", "title", "Location"]),
    spelling=st.sampled_from(SPELLINGS),
    before=st.text(max_size=40),
    status=st.sampled_from([200, 302, 400, 403, 413, 429, 500]),
)
def test_no_answer_makes_us_show_the_key(place: str, spelling: str, before: str, status: int):
    words = before + spelling
    body: Any = {place: words} if place != "message" else {"error": {"message": words}}
    if place == "title":
        body = f"<html><title>{words}</title></html>".encode("utf-8", "replace")
    headers = {"Location": f"https://{spelling}.test/{words}"} if place == "Location" else {}
    try:
        parse_reply(response(body, status, **headers), Secret(KEY).mask)
    except errors.VisionCraftError as error:
        shown = str(error).lower().replace("***", "")
        assert not [form for form in SPELLINGS if form.lower() in shown]
        assert "canary" not in shown


# What becomes short on its way into a message, so that the place where it was cut comes into view.
LONG = [("https://a/", "x"), ("", " "), ("token=", "x"), ("<p class=", "\n")]
CUTS = (2000, 4096, 65536)


@settings(max_examples=150)
@given(
    form=st.sampled_from(SPELLINGS + [letter * 200 + " " + KEY for letter in "x "]),
    long=st.sampled_from(LONG),
    place=st.sampled_from(["error", "list", "title", "open title"]),
    length=st.sampled_from(CUTS).flatmap(lambda n: st.integers(n - 30, n)),
    keys=st.sampled_from([0, 3, 1000]),
    status=st.sampled_from([200, 403, 422, 500]),
)
@example(KEY, LONG[0], "error", 1980, 0, 400)
@example(KEY, LONG[1], "title", 4070, 0, 500)
@example(KEY, LONG[0], "error", 65520, 0, 400)
@example(KEY, LONG[1], "open title", 65510, 1000, 500)
def test_no_part_of_the_key_is_shown_wherever_a_long_answer_is_cut(
    form: str, long: tuple[str, str], place: str, length: int, keys: int, status: int
):
    start, fill = long
    before = f"{KEY} " * keys + start
    before += fill * (length - len(before)) + " "
    body: Any = {"error": before + form}
    if place == "list":
        body = {"detail": [{"loc": ["body", before], "msg": form}] * 2}
    elif "title" in place:
        end = "</title>" if place == "title" else ""
        body = f"<html>{before}<title>{form}{end}".encode()[:65536]  # as much as is read of it
    with pytest.raises(errors.VisionCraftError) as caught:
        parse_reply(response(body, status), Secret(KEY).mask)
    shown = re.sub(r"\s", "", str(caught.value)).lower()
    assert not [f for f in SPELLINGS if re.sub(r"\s", "", f).lower()[:6] in shown]


def test_a_name_in_a_complaint_may_not_be_the_key():
    secret = "CANARY5f3a9"
    with pytest.raises(errors.RequestRejected) as caught:
        parse_reply(response({"error": f"It doesn't have {secret}"}), Secret(secret).mask)
    assert "CANARY" not in str(caught.value)


def test_a_complaint_without_end_is_one_but_is_not_repeated():
    with pytest.raises(errors.RequestRejected, match="a text of 70000 characters"):
        parse_reply(response({"error": "x" * 70_000}))


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"[" * 33 + b"]" * 33,
        b'{"images": [' + b"[]," * 200_000 + b"[]]}",
        b'{"x": ' + b"9" * 5000 + b"}",
        b'{"x": 1e999}',
        b'{"x": NaN}',
        b'{"x": -Infinity}',
        b'{"a": 1} {"b": 2}',
        b'{"a": 1} trailing',
        b'{"images": ["https://x.test/1.png"',
    ],
    ids=lambda body: body[:12].decode(),
)
def test_json_that_is_too_deep_too_heavy_or_none_is_a_bad_reply(body: bytes):
    with pytest.raises(errors.InvalidResponse):
        parse_reply(response(body))


def test_a_byte_order_mark_utf_16_and_a_repeated_name_are_read():
    text = '{"images": ["https://x.test/0.png"], "images": ["https://x.test/1.png"]}'
    for encoding in ("utf-8-sig", "utf-16", "utf-32"):
        assert parse_reply(response(text.encode(encoding))) == FilesReply(("https://x.test/1.png",))


def test_odd_characters_of_a_server_are_not_shown():
    for odd in ("\ud800", "\x00", "\u202e", "\x1b[31m", "\x9b", "\r\n"):
        body = json.dumps({"detail": f"no{odd}pe"}).encode()
        with pytest.raises(errors.RequestRejected) as caught:
            parse_reply(response(body, 400))
        assert odd not in str(caught.value)
        assert str(caught.value).isprintable()


def test_a_text_keeps_its_lines_and_emoji_and_loses_what_would_move_a_terminal():
    text = "a \U0001f468\u200d\U0001f469\tfox\n<script>alert(1)</script>"
    assert parse_reply(response({"message": f"{text}\x1b[2J\x00\u202e\ud800"})) == TextReply(
        f"{text}[2J"
    )


def test_a_text_without_end_is_cut():
    reply = parse_reply(response({"message": "x" * 5_000_000}))
    assert isinstance(reply, TextReply)
    assert len(reply.text) == 1_000_000


@pytest.mark.parametrize(
    "words",
    ["see https://user:pw@x.test/a/b?sig=1", "token=abcdef", "Authorization: Bearer abcdef"],
)
def test_addresses_and_logins_in_a_servers_words_are_shortened(words: str):
    with pytest.raises(errors.RequestRejected) as caught:
        parse_reply(response({"detail": words}, 400))
    assert not [part for part in ("pw", "sig", "abcdef") if part in str(caught.value)]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"<html><title>413 Request Entity Too Large</title></html>", errors.UploadTooLarge),
        ({"detail": "Request body too large"}, errors.UploadTooLarge),
        ({"error": "This needs a premium subscription."}, errors.PremiumRequired),
        (b"", errors.PremiumRequired),
    ],
)
def test_a_413_means_a_paid_account_or_the_size_of_a_picture(
    body: Any, error: type[errors.VisionCraftError]
):
    with pytest.raises(error) as caught:
        parse_reply(response(body, 413))
    assert type(caught.value) is error


@pytest.mark.parametrize(
    "text",
    [
        *("USER: a fox", "ASSISTANT:  a fox\n\nUSER:", "<|assistant|> a fox</s>"),
        *("### Response: a fox", "<s>[INST] a fox</s> user:", "a fox<|im_end|>\n<|im_start|>"),
    ],
)
def test_the_marks_of_a_chat_template_are_taken_off_an_answer(text: str):
    assert parse_reply(response({"message": text})) == TextReply("a fox")


def test_words_that_only_look_like_a_mark_stay():
    for text in (
        *("The user: a fox", "user interface", "a < b > c", "<b>A fox</b> on a mat"),
        *("a fox that <think>s</think>", "a robot that says bot:", "a <|im_start|> mark"),
    ):
        assert parse_reply(response({"message": text})) == TextReply(text)


def test_a_chat_id_has_no_character_that_breaks_a_file_or_a_terminal():
    body = {"message": "Hi", "chat_id": "a\ud800b\x1b[31m" + "c" * 1000}
    reply = parse_reply(response(body))
    assert isinstance(reply, TextReply)
    assert reply.chat_id.startswith("ab[31mc")
    assert len(reply.chat_id) <= 300


def test_a_text_of_blanks_takes_no_time():
    with pytest.raises(errors.InvalidResponse):
        parse_reply(response({"message": " \n" * 500_000}))
    assert parse_reply(response({"message": "a" + " \n" * 400_000 + "b"}))


@pytest.mark.parametrize("chat_id", [0, 7, "0", "a-b"])
def test_a_chat_may_have_any_number_or_name(chat_id: object):
    assert parse_reply(response({"message": "Hi", "chat_id": chat_id})) == TextReply(
        "Hi", str(chat_id)
    )


@pytest.mark.parametrize("odd", [None, "", "!!!", 7, {}, base64.b64encode(b"hello").decode()])
def test_an_odd_entry_takes_no_other_with_it(odd: object):
    link = "https://x.test/1.png"
    assert parse_reply(response({"images": [BASE64, odd, link]})) == FilesReply((PNG, None, link))


def test_a_job_is_over_when_it_names_its_picture():
    assert parse_job_reply(response({"status": "generating", "image": ""})) is None
    done = response({"status": "success", "image": "https://x.test/1.png"})
    assert parse_job_reply(done) == FilesReply(("https://x.test/1.png",))
    several = response({"status": "success", "images": ["https://x.test/1.png"]})
    assert parse_job_reply(several) == FilesReply(("https://x.test/1.png",))
    for status in ("failed", "error", "Cancelled", "rejected"):
        with pytest.raises(errors.JobFailed):
            parse_job_reply(response({"status": status, "image": None, "message": "out of memory"}))


def test_a_catalog_is_a_list_of_names_without_repeats():
    assert parse_names(response(["a", "b", "a"])) == ["a", "b"]
    assert parse_names(response([])) == []  # a server without language models
    for body in ({}, [1], "a", None, b"<html>"):
        with pytest.raises(errors.InvalidResponse):
            parse_names(response(body))


@pytest.mark.parametrize("status", [200, 302, 400, 404, 408, 413, 422, 429, 500, 503, 999])
@pytest.mark.parametrize("body", [b"", b"<html>", b"[", {}, {"detail": "no"}, {"error": "no"}])
def test_a_list_that_does_not_come_is_no_job_and_costs_nothing(body: Any, status: int):
    with pytest.raises(errors.VisionCraftError) as caught:
        parse_names(response(body, status))
    assert caught.value.charged == "no"
    advice = str(caught.value).removeprefix(caught.value.message)
    assert not [word for word in ("job", "charged", "Change", "picture") if word in advice]
    assert "again" in advice or "base URL" in advice


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":[' + b"1," * 2_700_000 + b"1]}",
        b'{"images":[' + b'"",' * 2_700_000 + b'""]}',
        b'{"a":[' + b"{}," * 450_000 + b"{}]}",
        b"[" * 3_000_000,
        '{"text":"\U0001f98a'.encode() + b"x" * (34 * 2**20) + b'"}',
        b'{"text":"\\ud83e\\udd8a' + b"x" * (54 * 2**20) + b'"}',
        b"[" * 40 + b"]" * 40,
    ],
    ids=["numbers", "empty texts", "objects", "deep", "wide", "wide by escapes", "nested"],
)
def test_json_that_costs_too_much_is_not_read_but_kept(body: bytes):
    with pytest.raises(errors.UnknownAnswer, match="than is safe to read|nested too deep"):
        parse_reply(response(body))
    with pytest.raises(errors.UnknownAnswer) as caught:
        parse_names(response(body))
    assert caught.value.charged == "no"


def test_large_answers_in_base64_are_read_beside_words_of_any_language():
    picture = base64.b64encode(PNG + bytes(6 * 2**20)).decode()
    for words in ("ok", "\u0433\u043e\u0442\u043e\u0432\u043e"):
        body = json.dumps({"images": [picture] * 2, "detail": words}, ensure_ascii=False)
        reply = parse_reply(response(body.encode()))
        assert isinstance(reply, FilesReply)
        assert len(reply.parts) == 2


def test_an_endless_id_is_no_job():
    with pytest.raises(errors.UnknownAnswer):
        parse_reply(response({"job_id": "x" * 301}))


def test_a_text_of_blanks_is_looked_at_once():
    started = time.process_time()
    with pytest.raises(errors.UnknownAnswer):
        parse_reply(response({"images": [" " * 10_000_000]}))
    assert time.process_time() - started < 2
