"""Exceptions as the orchestrator keeps them: believed by signature only, and never brought back once ended."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from signals.envelope import Signer, Trust
from signals.errors import BadInput, Refused
from signals.exceptions import AlertException
from signals.subjects import LIAISON
from tests.activities.test_exceptions import EXPECTED, seen
from tests.activities.test_judge import CLUSTER
from tests.workflows.world import Bucket
from workers.expecting import LISTED, Expecting

NOW = datetime.now(UTC)
KEY = Ed25519PrivateKey.generate()
SIGNER = Signer(LIAISON, KEY)
TRUST = Trust({LIAISON: KEY.public_key()})


def made(**given: Any) -> AlertException:
    dates = {"made_at": NOW - timedelta(hours=1), "until": NOW + timedelta(days=1)}
    return SIGNER.seal(EXPECTED.model_copy(update=dates | given))


def expecting(bucket: Bucket) -> Expecting:
    return Expecting(bucket, TRUST, CLUSTER)


async def put(where: Expecting, one: AlertException) -> None:
    await where.answer(one.model_dump_json().encode())


async def test_what_the_liaison_has_signed_is_known_at_once_and_to_every_replica() -> None:
    bucket = Bucket()
    here, there = expecting(bucket), expecting(bucket)
    await put(here, made())
    await there.load()
    assert here.all() == there.all() == (made(),)


@pytest.mark.parametrize(
    "forged",
    [
        EXPECTED,
        Signer(LIAISON, Ed25519PrivateKey.generate()).seal(made()),
        made().model_copy(update={"rule": "Another rule"}),
        made(cluster=CLUSTER.model_copy(update={"uid": "c-2"})),
        made(until=NOW + timedelta(days=31)),
    ],
    ids=["unsigned", "by another key", "changed since", "another cluster", "too long"],
)
async def test_nobody_else_can_make_one_by_the_bus_or_in_the_bucket(forged: AlertException) -> None:
    bucket = Bucket()
    where = expecting(bucket)
    with pytest.raises(Refused):
        await put(where, forged)
    await bucket.create(f"exception.{forged.id}", forged.model_dump_json().encode())
    await where.load()
    assert where.all() == ()


async def test_what_is_no_exception_is_refused_in_words() -> None:
    with pytest.raises(BadInput, match="not an exception"):
        await expecting(Bucket()).answer(b"{}")


async def test_one_that_was_ended_is_not_brought_back_by_its_older_self() -> None:
    bucket = Bucket()
    where = expecting(bucket)
    await put(where, made())
    ended = made(ended_at=NOW, ended_by="ann")
    await put(where, ended)
    await put(where, made())
    assert where.all() == (ended,)
    entry = bucket.entries["exception.exc-1"]
    await bucket.update("exception.exc-1", made().model_dump_json().encode(), entry.revision)
    await where.load()
    assert where.all() == (ended,)


async def test_matches_are_counted_over_a_restart() -> None:
    bucket = Bucket()
    where = expecting(bucket)
    await put(where, made())
    where.count([seen(accepted_at=NOW, observed_at=NOW), seen("e2", rule="Another", accepted_at=NOW)])
    (listed,) = LISTED.validate_json(await where.answer(b""))
    again = expecting(bucket)
    await again.load()
    again.count([seen("e3", accepted_at=NOW, observed_at=NOW)])
    (later,) = LISTED.validate_json(await again.answer(b""))
    assert (listed.matched, listed.last, later.matched) == (1, NOW, 2)


async def test_one_that_ended_long_ago_is_forgotten() -> None:
    bucket = Bucket()
    old = {"made_at": NOW - timedelta(days=50), "until": NOW - timedelta(days=40)}
    await put(expecting(bucket), made(**old))
    where = expecting(bucket)
    await where.load()
    assert (where.all(), bucket.entries) == ((), {})


async def test_two_who_record_at_once_count_each_match_once() -> None:
    bucket = Bucket()
    where = expecting(bucket)
    await put(where, made())
    where.count([seen(accepted_at=NOW, observed_at=NOW)])
    await asyncio.gather(where.answer(b""), where.answer(b""))
    (one,) = LISTED.validate_json(await where.answer(b""))
    assert one.matched == 1
