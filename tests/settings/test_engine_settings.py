"""The settings of Ray and of the threads, and their defaults."""

import dataclasses

import pytest
from sentences import assert_one_sentence

from tf_inpaint.settings import engine_settings
from tf_inpaint.settings.engine_settings import ENGINE_SETTINGS, EngineSettings


def test_names_are_those_of_the_settings():
    fields = dataclasses.fields(EngineSettings)
    assert {field.name for field in fields} == ENGINE_SETTINGS


@pytest.mark.parametrize("changes", [{"ray_address": "auto"}, {"workers": 2}, {"worker_gpus": 0.0}])
def test_settings_of_ray_need_ray(changes):
    """Otherwise they would have no effect."""
    EngineSettings(engine="ray", **changes).check_engine()
    with pytest.raises(ValueError) as refusal:
        EngineSettings(**changes).check_engine()
    (name,) = changes
    assert_one_sentence(str(refusal.value), [f"--{name} must go with --engine=ray"])


@pytest.mark.parametrize(
    ("engine", "given", "recorded", "number"),
    [
        ("local", None, None, 7),
        ("ray", None, None, 1),
        ("ray", None, {"threads": 5}, 5),
        ("local", None, {"threads": 5}, 5),
        ("local", 3, {"threads": 5}, 3),
        ("ray", None, {"threads": "damaged"}, 1),
        ("ray", None, {}, 1),
    ],
)
def test_open_threads_are_those_of_the_record_or_of_the_engine(
    monkeypatch, engine, given, recorded, number
):
    """So a job keeps its rounding in the other engine."""
    monkeypatch.setattr(engine_settings, "default_threads", lambda: 7)
    settings = EngineSettings(engine=engine, threads=given).with_threads(recorded)
    assert settings.threads == number


@pytest.mark.parametrize(("gpus", "has_gpu"), [(None, None), (0.0, False), (0.5, True)])
def test_device_of_a_worker(gpus, has_gpu):
    """The block size depends on it, and the command may run on another device."""
    assert EngineSettings(engine="ray", worker_gpus=gpus).has_gpu is has_gpu
