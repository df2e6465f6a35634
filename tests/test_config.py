from __future__ import annotations

from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.config import MAX_CONFIG_BYTES, PipelineConfig, load_config, parse_config
from realtime.errors import ConfigError, UsageError

STAGES = {f.name: f.default_factory for f in fields(PipelineConfig) if is_dataclass(f.default_factory)}


def refusal(data: Any) -> str:
    """The one line with which settings are refused."""
    with pytest.raises(ConfigError) as caught:
        parse_config(data, "route.yaml")
    message = str(caught.value)
    assert message.startswith("route.yaml: ")
    assert "\n" not in message
    assert len(message) < 300
    return message


def test_every_stage_is_a_part_of_the_settings() -> None:
    assert set(STAGES) == {
        "tracker",
        "alignment",
        "quality",
        "flow",
        "spotter",
        "observability",
        "recognition",
    }


def test_defaults_pass_their_own_checks_and_stand_once() -> None:
    config = PipelineConfig()
    assert config == parse_config({}) == parse_config(None)
    for name, stage in STAGES.items():
        assert getattr(config, name) == stage()


def test_settings_round_trip_through_yaml(tmp_path: Path) -> None:
    changed = parse_config({"flow": {"lag_s": 0.1}, "spotter": {"threshold": 4}, "max_gap_s": 0.5})
    assert (changed.flow.lag_s, changed.spotter.threshold, changed.max_gap_s) == (0.1, 4.0, 0.5)
    for config in (PipelineConfig(), changed):
        path = tmp_path / "route.yaml"
        path.write_text(yaml.safe_dump(asdict(config)), encoding="utf-8")
        assert load_config(path) == config


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "{}"])
def test_an_empty_file_means_the_defaults(tmp_path: Path, text: str) -> None:
    path = tmp_path / "route.yaml"
    path.write_text(text)
    assert load_config(path) == PipelineConfig()


def test_unknown_keys_name_the_nearest_one() -> None:
    assert refusal({"keeps": 2.0}) == "route.yaml: unknown key 'keeps'; did you mean 'keep_s'?"
    message = refusal({"spotter": {"treshold": 3}})
    assert message == "route.yaml: spotter: unknown key 'treshold'; did you mean 'threshold'?"
    assert refusal({"zzzz": 1}).startswith("route.yaml: unknown key 'zzzz'; known are tracker, ")
    for key in (5, None, 2.5, True, "", "a\nb", "x" * 100_000):
        assert "unknown key" in refusal({key: 1})


@pytest.mark.parametrize(
    ("text", "line"), [("keep_s: 1\nkeep_s: 2\n", 2), ("spotter:\n  threshold: 3\n  threshold: 4\n", 3)]
)
def test_a_key_that_stands_twice_is_refused(tmp_path: Path, text: str, line: int) -> None:
    path = tmp_path / "route.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=f"stands twice, line {line}$"):
        load_config(path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"keep_s": "long"}, "route.yaml: keep_s: expected float, found 'long'"),
        ({"keep_s": True}, "route.yaml: keep_s: expected float, found True"),
        ({"keep_s": None}, "route.yaml: keep_s: expected float, found None"),
        ({"keep_s": [1.6]}, "route.yaml: keep_s: expected float, found list"),
        ({"flow": {"size_px": 2.0}}, "route.yaml: flow: size_px: expected int, found 2.0"),
        ({"flow": {"size_px": False}}, "route.yaml: flow: size_px: expected int, found False"),
        ({"flow": 3}, "route.yaml: flow: expected a mapping of settings, found int"),
        ({"flow": None}, "route.yaml: flow: expected a mapping of settings, found NoneType"),
        ([], "route.yaml: expected a mapping of settings, found list"),
        ("flow", "route.yaml: expected a mapping of settings, found str"),
        ({"keep_s": float("nan")}, "route.yaml: keep_s: must be a finite number, not nan"),
        ({"flow": {"lag_s": float("inf")}}, "route.yaml: flow: lag_s: must be a finite number, not inf"),
    ],
)
def test_wrong_types_and_values(data: Any, message: str) -> None:
    assert refusal(data) == message


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ({"keep_s": 0.5}, "keep_s"),
        ({"max_gap_s": 0}, "max_gap_s"),
        ({"max_gap_s": 60}, "max_gap_s"),
        ({"tracker": {"interval_s": -0.1}}, "tracker.interval_s"),
        ({"alignment": {"max_crop_px": 3}}, "alignment.max_crop_px"),
        ({"quality": {"blur_ratio": 1.5}}, "quality.blur_ratio"),
        ({"flow": {"size_px": 8}}, "flow.size_px"),
        ({"spotter": {"opposite": 0.5}}, "spotter.opposite"),
        ({"spotter": {"micro_max_s": 5.0}, "keep_s": 9.0}, "micro_max_s"),
    ],
)
def test_values_out_of_range_are_named(data: Any, name: str) -> None:
    assert name in refusal(data)


def test_whole_numbers_serve_as_floats() -> None:
    config = parse_config({"keep_s": 2})
    assert (config.keep_s, type(config.keep_s)) == (2.0, float)


def test_numbers_that_fit_no_float_and_values_that_fit_no_line() -> None:
    assert "keep_s" in refusal({"keep_s": 10**400})
    assert "levels" in refusal({"flow": {"levels": -(10**400)}})
    bomb: Any = ["lol"]
    for _ in range(24):
        bomb = [bomb] * 10
    assert "keep_s" in refusal({"keep_s": bomb})
    assert "keep_s" in refusal({"keep_s": "x" * 100_000})


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_settings_made_in_code_are_checked_too(value: float) -> None:
    for name in ("keep_s", "max_gap_s"):
        with pytest.raises(ConfigError, match=name):
            PipelineConfig(**{name: value})
    for stage in STAGES.values():
        for setting in fields(stage):
            if isinstance(setting.default, float):
                with pytest.raises(ConfigError, match=setting.name):
                    stage(**{setting.name: value})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"flow: [1, 2", "not valid YAML, line 1"),
        (b"a: 1\n\tb: 2\n", "not valid YAML, line 2"),
        (b"\xff\xfe\x00", "not valid YAML"),
        (b"keep_s: !!python/object/apply:os.getcwd []\n", "not valid YAML, line 1"),
        (b"? [a, b]\n: 1\n", "not valid YAML"),
        (b"--- 1\n--- 2\n", "not valid YAML"),
        (b"keep_s: 2024-13-45\n", "not valid YAML"),
        (b"[" * 2_000, "not valid YAML"),
        (b"#" * (MAX_CONFIG_BYTES + 1), "larger than"),
    ],
)
def test_files_that_are_no_settings(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "route.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path, tmp_path / ("x" * 300)):
        with pytest.raises(ConfigError, match="cannot be read") as caught:
            load_config(path)
        assert str(path) in str(caught.value)
    assert issubclass(ConfigError, UsageError)


KEYS = st.sampled_from(
    [*STAGES, "keep_s", "max_gap_s", *(f.name for s in STAGES.values() for f in fields(s))]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=8)
    | st.dates()
)
DATA = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(KEYS | st.text(max_size=8) | st.integers(), inner, max_size=4)
    ),
    max_leaves=12,
)


def is_one_line_about(error: ConfigError, name: object) -> bool:
    return str(error).startswith(f"{name}: ") and str(error).splitlines() == [str(error)]


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(DATA)
def test_any_data_is_settings_or_one_clear_line(data: Any) -> None:
    try:
        assert isinstance(parse_config(data, "route.yaml"), PipelineConfig)
    except ConfigError as error:
        assert is_one_line_about(error, "route.yaml")  # noqa: PT017


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(st.text(max_size=60) | DATA.map(lambda data: yaml.safe_dump(data, allow_unicode=True)))
def test_any_text_is_settings_or_one_clear_line(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass", newline="")
    try:
        load_config(path)
    except ConfigError as error:
        assert is_one_line_about(error, path)  # noqa: PT017
