from __future__ import annotations

import random
import time
from contextlib import suppress
from datetime import datetime, timezone
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.timing import at_most
from visioncraft.visioncraft_core import errors
from visioncraft.visioncraft_core.cancellation import CancelScope
from visioncraft.visioncraft_core.generation.retry import (
    FETCH_ATTEMPTS,
    LONGEST_RETRY_AFTER,
    RetryBudget,
    call_with_retries,
    max_get_attempts,
    max_post_attempts,
    pause_after,
    retry_after,
    retry_budget_of,
)
from visioncraft.visioncraft_core.profiles.profile import RETRY_POLICIES, RetryPolicy

pytestmark = [pytest.mark.timed, pytest.mark.usefixtures("real_pauses")]

NOW = 1_700_000_000.0
EVERY = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.VisionCraftError)
]
# Whether a call that ended so was surely not carried out, and may work the next time.
SURE = {
    *(
        errors.ConnectionFailed,
        errors.DNSLookupFailed,
        errors.ConnectionRefused,
        errors.ConnectTimeout,
    ),
    *(errors.TLSError, errors.ProxyError, errors.RateLimited, errors.ServerBusy),
}


def raised(kind: type[errors.VisionCraftError], wait: float | None = None) -> Any:
    return kind("What happened.", "What to do.", retry_after=wait)


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
def test_a_call_that_makes_something_is_repeated_only_where_it_was_surely_not_carried_out(
    kind: type[errors.VisionCraftError],
):
    assert (max_post_attempts(raised(kind), "safe") > 1) == (kind in SURE)
    assert max_post_attempts(raised(kind), "never") == 1
    doubtful = issubclass(kind, errors.OutcomeUnknown)
    assert (max_post_attempts(raised(kind), "unknown") > 1) == (kind in SURE or doubtful)


def test_a_wait_that_the_server_asked_for_uses_up_no_quota():
    answers = iter([0.0, 0.0, None])
    retry_budget = RetryBudget(1)

    def attempt() -> None:
        with suppress(StopIteration):
            raise raised(errors.RateLimited, next(answers))

    def tries(error: errors.VisionCraftError) -> int:
        return max_post_attempts(error, "safe")

    call_with_retries(attempt, tries, retry_budget, wait=lambda *_: None)
    assert [retry_budget.take(), retry_budget.take()] == [True, False]
    answers = iter([None])
    with pytest.raises(errors.RateLimited):
        call_with_retries(attempt, tries, retry_budget, wait=lambda *_: None)


def test_fetching_uses_up_no_quota_of_the_calls():
    calls, files = retry_budget_of("https://a.test"), retry_budget_of("https://a.test", "files")
    assert calls is retry_budget_of("https://a.test") is not files
    assert files is retry_budget_of("https://a.test", "files")


@pytest.mark.parametrize(
    "kind",
    [errors.Cancelled, errors.CertificateError, errors.HostNotFound, errors.UnsafeURL],
)
def test_what_will_not_change_is_not_fetched_again(kind: type[errors.VisionCraftError]):
    assert max_get_attempts(raised(kind)) == 1


@pytest.mark.parametrize("text", ["0", "5", "120", " 7 ", "999999999"])
def test_seconds_are_taken_as_they_are(text: str):
    assert retry_after(text, NOW) == float(text)


@pytest.mark.parametrize(
    "text",
    ["", "-1", "1.5", "inf", "nan", "1e3", "٣", "9" * 400, "0x10", "1, 2", "soon", "Wed, 99 Foo"],
)
def test_what_is_neither_seconds_nor_a_date_is_ignored(text: str):
    assert retry_after(text, NOW) is None


@given(st.integers(-(10**8), 10**8))
def test_a_date_is_as_many_seconds_away(seconds: int):
    moment = datetime.fromtimestamp(NOW + seconds, timezone.utc)
    assert retry_after(format_datetime(moment, usegmt=True), NOW) == max(0, seconds)


@given(st.text(max_size=60) | st.sampled_from(["Mon, ", "31 Dec ", "1969", "GMT"]))
def test_any_header_is_a_time_to_come_or_nothing(text: str):
    found = retry_after(text, NOW)
    assert found is None or 0 <= found < 1e12


@given(st.integers(1, 40), st.none() | st.floats(0, 1e9))
def test_a_pause_is_never_longer_than_is_sensible(done: int, wait: float | None):
    pause = pause_after(raised(errors.RateLimited, wait), done)
    if wait is None:
        assert pause is not None
        assert 0 <= pause <= min(8.0, 0.5 * 2 ** (done - 1))
    else:
        assert pause == (wait if wait <= LONGEST_RETRY_AFTER else None)


def test_pauses_are_spread():
    random.seed(1)
    pauses = [pause_after(raised(errors.RateLimited), 4) or 0.0 for _ in range(200)]
    assert min(pauses) < 0.4
    assert max(pauses) > 3.6


ENDINGS = st.lists(st.sampled_from([None, *SURE, *EVERY]), min_size=1, max_size=8)


@given(ENDINGS, st.sampled_from(RETRY_POLICIES), st.integers(0, 5))
def test_whatever_happens_it_is_carried_out_at_most_once_and_never_waits_without_end(
    endings: list[Any], retry_policy: RetryPolicy, tokens: int
):
    retry_budget = RetryBudget(tokens)
    turns = iter(endings)
    calls: list[Any] = []
    waits: list[float] = []

    def attempt() -> str:
        ending = next(turns, None)
        calls.append(ending)
        if ending is not None:
            raise raised(ending)
        return "done"

    try:
        result = call_with_retries(
            attempt,
            lambda error: max_post_attempts(error, retry_policy),
            retry_budget,
            wait=lambda _, seconds: waits.append(seconds),
        )
    except errors.VisionCraftError as error:
        assert type(error) is calls[-1]
    else:
        assert (result, calls[-1]) == ("done", None)
    assert len(waits) == len(calls) - 1 <= min(tokens, FETCH_ATTEMPTS - 1)
    perhaps_done = [ending for ending in calls if ending is None or ending not in SURE]
    assert len(perhaps_done) <= 1 or retry_policy == "unknown"
    assert sum(waits) <= 0.5 + 1 + 2


def test_a_quota_is_used_up_and_given_back():
    retry_budget = RetryBudget(2)
    assert [retry_budget.take(), retry_budget.take(), retry_budget.take()] == [True, True, False]
    retry_budget.give_back()
    assert [retry_budget.take(), retry_budget.take()] == [True, False]
    for _ in range(9):
        retry_budget.give_back()
    assert [retry_budget.take(), retry_budget.take(), retry_budget.take()] == [True, True, False]


def test_nothing_is_begun_again_after_its_time():
    calls: list[float] = []

    def attempt() -> None:
        calls.append(time.monotonic())
        raise raised(errors.ConnectionLost)

    with pytest.raises(errors.ConnectionLost):
        call_with_retries(
            attempt, max_get_attempts, RetryBudget(), wait=lambda *_: time.sleep(0.2), seconds=0.1
        )
    assert len(calls) <= 2


def test_waiting_can_be_cancelled():
    asked = time.monotonic() + 0.1
    scope = CancelScope(lambda: time.monotonic() > asked)
    with scope, pytest.raises(errors.Cancelled) as caught:
        scope.sleep(30, "wait")
    assert time.monotonic() - asked < at_most(0.2)
    assert caught.value.phase == "wait"
