"""A server takes as many streams as its machine decodes in real time, and says so to the next."""

from __future__ import annotations

import contextlib

import pytest

from sedtalker.animation.animator import Models
from sedtalker.animation.performance import StreamSettings
from sedtalker.server.pool import StreamCost, measured_cost
from sedtalker.server.service import Busy, Limits, Service


@pytest.fixture
def service(models: Models):
    made = Service(Limits(), models=models, threads=2)
    yield made
    made.close()


def test_streams_fill_a_machine_by_what_they_cost(service: Service, models: Models) -> None:
    service.cost = StreamCost(found=0.5, given=0.2)
    animator = models.animator()
    found, given = (animator.open_stream(StreamSettings(emotion=emotion)) for emotion in (None, "happy"))
    with contextlib.ExitStack() as held:
        for _ in range(3):
            held.enter_context(service.carrying(found))
        for _ in range(2):
            held.enter_context(service.carrying(given))
        assert service.load == pytest.approx(1.9)
        with pytest.raises(Busy, match="full"), service.carrying(given):
            pass
        assert service.load == pytest.approx(1.9), "who was refused takes nothing"
    assert service.load == 0.0
    with service.carrying(found):
        assert service.load == 0.5


def test_one_stream_is_taken_by_the_slowest_machine(service: Service, models: Models) -> None:
    service.cost = StreamCost(found=9.0, given=9.0)
    stream = models.animator().open_stream(StreamSettings())
    with service.carrying(stream), pytest.raises(Busy), service.carrying(stream):
        pass


def test_longer_hops_cost_less(models: Models) -> None:
    cost, animator = StreamCost(found=0.2, given=0.1), models.animator()
    short, long = (animator.open_stream(StreamSettings(hop=times * StreamSettings.hop)) for times in (1, 4))
    assert cost.of(short) == pytest.approx(0.2)
    assert 0.05 < cost.of(long) < 0.1


def test_a_given_number_is_not_measured(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sedtalker.server.service.measured_cost", lambda animator: pytest.fail("measured"))
    made = Service(Limits(clients=3), models=models)
    made.warm()
    assert made.cost is None
    assert made.ready
    made.close()


def test_what_a_server_measures_is_in_its_metrics(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sedtalker.server.service.measured_cost", lambda animator: StreamCost(0.25, 0.1))
    service.warm()
    lines = service.monitoring.text().decode().splitlines()
    assert 'sedtalker_stream_capacity{emotion="found"} 8.0' in lines
    assert 'sedtalker_stream_capacity{emotion="given"} 20.0' in lines


@pytest.mark.slow
def test_finding_the_emotion_costs_more_than_being_given_it(models: Models) -> None:
    cost = measured_cost(models.animator())
    assert 0.0 < cost.given < cost.found
