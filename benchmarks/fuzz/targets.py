"""What is fuzzed: one function per kind of input, with inputs to start from.

A target takes any bytes. It may raise a `GlimpseError` of one short line without a secret, and nothing else.
Whatever it has to read lies in a folder of its own.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import re
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import quote

import cv2
import numpy as np

from offline import evidence_cache, fold_store
from offline.datasets import cas_me2, cas_me3, manifest, registry, smic_hs, table_loader, tables
from offline.explanations import read_explanations
from offline.results import PREDICTIONS, RESULTS, read_evaluation
from offline.review import desk
from offline.review.items import agenda_of_events
from offline.review.table import COLUMNS, read_reviews
from offline.synthesis.truth import Truth
from realtime import bundle, config, redaction, truth
from realtime.bench import comparison
from realtime.errors import GlimpseError
from realtime.features.spec import FEATURE_SPEC_ID
from realtime.live import settings
from realtime.scorer_file import read_scorer
from realtime.sinks.address import is_address
from realtime.sources import feed
from realtime.terminal import one_line
from realtime.web import access

SECRET = "Zq7+s3cret/Zq7"
"""Stands in no input by itself: only where a target puts it."""
_ENVIRON = {"DOOR_PASS": SECRET}
_FORMS = (SECRET, quote(SECRET, safe=""), quote(SECRET))
_SHIPPED = bundle.shipped_bundles()["default"]
_BOOKS = {
    "casme2": "CASME2-coding-20140508.xlsx",
    "samm": "SAMM_Micro_FACS_Codes_v2.xlsx",
    "smic_hs": "SMIC-HS-E_annotation.xlsx",
    "cas_me2": "code_final.xlsx",
    "samm_long": "SAMM_LongVideos_V3_Release.xlsx",
    "cas_me3": "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx",
    "mmew": "MMEW_Micro_Exp.xlsx",
}


@dataclass(frozen=True, slots=True)
class Target:
    """One kind of input."""

    run: Callable[[bytes, Path], object]
    """Reads the bytes; the folder is empty at first and the target's own."""
    seeds: Iterable[bytes]
    words: tuple[str, ...] = field(default=())
    """What the fuzzer may put in: keys and marks of the format."""


def check_message(error: GlimpseError) -> None:
    """An error must be shown as one short line without a secret."""
    text = one_line(error)
    assert text.isprintable(), f"not one plain line: {text[:200]!r}"
    assert len(str(error)) <= 100_000, f"{len(str(error))} characters: {text[:200]!r}"
    check_hidden(str(error))


def check_hidden(text: str) -> None:
    """No secret in what is shown."""
    assert not any(form in text for form in _FORMS), f"shows a secret: {text[:200]!r}"


def _config(data: bytes, folder: Path) -> None:
    config.load_config(_file(folder / "settings.yaml", data))


def _cameras(data: bytes, folder: Path) -> None:
    run = settings.load_live(_file(folder / "cameras.yaml", data), _ENVIRON)
    for camera in run.cameras.values():
        settings.default_name(camera.source)
        run.route_of(camera)
        check_hidden(redaction.Redactor(run.secrets)(camera.shown_source))


def _bundle(data: bytes, folder: Path) -> None:
    """A description that is any bytes, or a sound one over files that are any bytes."""
    kind, data = data[:1], data[1:]
    contents = {name: (_SHIPPED / name).read_bytes() for name in bundle.FILES} | {bundle.CARD: b"# card\n"}
    if kind == b"n":
        contents[bundle.NETWORK] = data
    elif kind == b"s":
        contents[bundle.SCORER] = data
    text = data if kind not in (b"n", b"s") else description(contents)
    for name, content in {**contents, bundle.DESCRIPTION: text}.items():
        _file(folder / name, content)
    bundle.load_bundle(folder)


def description(contents: Mapping[str, bytes]) -> bytes:
    """An honest bundle.json over the files."""
    about = {
        "schema": bundle.SCHEMA,
        "name": "x",
        "id": bundle.content_id(contents[bundle.NETWORK], contents[bundle.SCORER]),
        "classes": ["happiness", "surprise", "disgust", "repression"],
        "feature_spec": FEATURE_SPEC_ID,
        "files": {
            name: {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
            for name, content in contents.items()
        },
    }
    return json.dumps(about).encode()


def _scorer(data: bytes, _: Path) -> None:
    """An archive, or the bytes of one array in it."""
    if data[:1] == b"a":
        data = _archive({"svm_mean.npy": data[1:]})
    read_scorer(data, "scorer.npz")


def _labels(data: bytes, folder: Path) -> None:
    """A CSV file, a workbook, or the cells of one."""
    kind, data = data[:1], data[1:]
    if kind == b"x":
        tables.read_sheet(Path(_file(folder / "coding.xlsx", data)))
    elif kind == b"c":
        _codings(data.decode("utf-8", "replace"))
    else:
        for clip in manifest.read_manifest(Path(_file(folder / "labels.csv", data))):
            assert 0 <= clip.onset < clip.offset


def _codings(text: str) -> None:
    """The same cells under every loader that reads a workbook, over folders with one clip each."""
    rows = tuple(tuple(_cell(cell) for cell in line.split("\t")) for line in text.split("\n"))

    def given(file: Path, name: str | None = None, *, not_named: str = "") -> tables.Sheet:
        return tables.Sheet(file, name or "sheet", rows)

    with contextlib.ExitStack() as stack:
        for module in (cas_me2, cas_me3, smic_hs, table_loader):
            stack.enter_context(mock.patch.object(module, "read_sheet", given))
        for name, root in _clips().items():
            try:
                registry.DATASETS[name].load(root)
            except GlimpseError as error:
                check_message(error)


@lru_cache
def _clips() -> dict[str, Path]:
    """A folder for every dataset, with a coding file (empty) and one image of the right name."""
    base = Path(tempfile.mkdtemp(prefix="glimpse-fuzz-"))
    found = {}
    for name, dataset in registry.DATASETS.items():
        found[name] = base / name
        image = found[name] / next(iter(dataset.frames.values())).example
        image.parent.mkdir(parents=True)
        image.touch()
        (found[name] / _BOOKS[name]).touch()
    return found


def _cell(text: str) -> object:
    """As a workbook gives it: nothing, a number or text."""
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        return text


def _results(data: bytes, folder: Path) -> None:
    """An evaluation's folder, truth files and benchmarks: JSON that a command is pointed at."""
    kind, data = data[:1], data[1:]
    if kind == b"t":
        truth.read_truth(_file(folder / "truth.json", data))
    elif kind == b"T":
        Truth.load(Path(_file(folder / "truth.json", data)))
    elif kind == b"b":
        record = comparison.load_record(_file(folder / "bench.json", data))
        comparison.comparison(record, record)
    else:
        about, _, table = data.partition(b"\0")
        about = about.replace(b"SHA", hashlib.sha256(table).hexdigest().encode())
        _file(folder / RESULTS, about)
        _file(folder / PREDICTIONS, table)
        _file(folder / "explanations.csv", table)
        _, predictions = read_evaluation(folder)
        read_explanations(folder, len(predictions.true))


def _stores(data: bytes, folder: Path) -> None:
    """Entries of the fold store and of the evidence cache: what is damaged is as good as missing."""
    kind, data = data[:1], data[1:]
    if kind == b"f":
        store = fold_store.FoldStore(folder, "identity")
        _file(store._path(("a",)), data)
        store.load(("a",))
        return
    cache = evidence_cache.EvidenceCache(folder)
    made = {"x": np.zeros(2, np.float32)}
    like = {"x": "float32"}
    cache.get({}, lambda: made, like)
    (entry,) = folder.glob("*.npz")
    entry.write_bytes(data)
    assert {name: str(a.dtype) for name, a in cache.get({}, lambda: made, like).items()} == like


def _reviews(data: bytes, folder: Path) -> None:
    """A review, found events to review, and what a browser sends to the pages."""
    kind, data = data[:1], data[1:]
    if kind == b"r":
        for review in read_reviews(Path(_file(folder / "review.csv", data))).values():
            assert 0 <= review.keys.onset < review.keys.offset
    elif kind == b"e":
        for item in agenda_of_events(Path(_file(folder / "events.jsonl", data)), _film()).items:
            f"{item.id}{item.label}".encode()
    elif kind == b"a":
        with contextlib.suppress(ValueError, RecursionError):
            desk.answer_from(json.loads(data))
    else:
        name, _, value = data.decode("latin-1").partition("\n")
        rules = access.Access("0.0.0.0", 2 * SECRET)
        rules.knows_host(value)
        access.is_own_page(value, name)
        headers = access.by_name([(name, value), ("cookie", name)])
        assert not rules.lets_in(headers, "glimpse")


@lru_cache
def _film() -> Path:
    """A folder of two images, which is a film."""
    folder = Path(tempfile.mkdtemp(prefix="glimpse-fuzz-"))
    for number in range(2):
        cv2.imwrite(str(folder / f"{number}.png"), np.zeros((8, 8, 3), np.uint8))
    return folder


def _addresses(data: bytes, _: Path) -> None:
    """Parts of a URL, one a line, put together with a secret in each place that may hold one."""
    scheme, user, word, host, path, *_rest = [*data.decode("utf-8", "replace").split("\n"), *[""] * 5]
    scheme = re.sub(r"[^A-Za-z0-9+.-]", "", scheme)
    for url in (
        f"{scheme or 'rtsp'}://{user}:{word}{SECRET}@{host}/{path}",
        f"{scheme or 'rtsp'}://{quote(user)}:{quote(SECRET, safe='')}{quote(word)}@{host}/{path}",
        f"http://{host}/{path}?token={re.sub('[&;#]', '', word)}{SECRET}",
        f"http://{_plain(host)}/{_plain(path)}?x{_plain(user)}={_plain(word)}{SECRET}",
    ):
        _address(url)
    with contextlib.suppress(GlimpseError):
        access.address(host)


def _plain(part: str) -> str:
    """Nothing that would begin another part of a URL, or end it."""
    return re.sub(r"[\s\"'<>&;#=?@:]", "", part)


def _address(url: str) -> None:
    """Everything that looks at a URL, and everything that shows one."""
    check_hidden(redaction.shown_url(url))
    hide = redaction.Redactor(redaction.secrets_of(url))
    for text in (url, f"cannot open {url}: no route to host", repr(url)):
        check_hidden(hide(text))
    feed.is_url(url), feed.is_device(url), feed.device_number(url)
    settings.default_name(url)
    is_address(url, ("http", "https", "mqtt"))
    for kind in ("mqtt", "webhook"):
        try:
            run = settings.parse_live(
                {"cameras": {"a": url, "b": "0"}, "outputs": {kind: url}}, "cameras.yaml"
            )
        except GlimpseError as error:
            check_message(error)
        else:
            check_hidden(redaction.Redactor(run.secrets)(repr(run)))


def _file(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return str(path)


def _archive(members: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def _array(value: Any) -> bytes:
    out = io.BytesIO()
    np.save(out, value)
    return out.getvalue()


def _workbook() -> bytes:
    import openpyxl

    book, out = openpyxl.Workbook(), io.BytesIO()
    book.active.append(["Subject", "Filename", "OnsetFrame", 3])
    book.save(out)
    return out.getvalue()


def _tables() -> list[bytes]:
    """One sheet of every kind, as cells."""
    return [
        b"cSubject\tFilename\tOnsetFrame\tApexFrame\tOffsetFrame\tAction Units\tEstimated Emotion"
        b"\tObjective Classes\n1\tEP02_01f\t46\t50\t60\t4+R12\thappiness\t1\n",
        b"cSubject\tFilename\tOnsetF\tOffsetF\tFirstF\tLastF\tEmotion\tOnset2F\tOffset2F\n"
        b"20\ts20_ne_01\t1\t2\t1\t1\tnegative\t3\t4\n",
        b"cs15\t15\t1\n0101\tdisgustingteeth\n15\tdisgustingteeth_1\t1\t2\t3\t4\tdisgust\tmicro\tx\n",
        b"cSubject\tFilename\tInducement Code\tOnset\tApex\tOffset\tDuration\tMicro\tAction Units"
        b"\tObjective class\temotion\tEstimated Emotion\tObjective Classes\tType\n"
        b"6\t006_1_2\t1\t562\t570\t580\t2\tMicro - 1/2\tAU12A\tI\thappy\n",
    ]


_FOLD = {
    "fingerprint": "identity",
    "subjects": ["a"],
    "indices": [0],
    "probabilities": [[0.5, 0.5]],
    "curve": [],
    "timing": {"fit": 1.0},
    "explanations": [{"regions": {"a": 1.0}, "blocks": {"cnn": 1.0}}],
}
_TRUTH = {
    "schema": "glimpse-truth/1", "fps": 100.0, "frames": 9, "width": 8, "height": 8, "seed": 0,
    "identity": "0",
    "events": [
        {
            "kind": "micro_expression", "label": "disgust", "onset_s": 0.1, "apex_s": 0.2, "offset_s": 0.3,
            "onset_frame": 1, "apex_frame": 2, "offset_frame": 3, "action_units": ["AU4"], "side": "both",
            "amplitude_percent": 1.0,
        }
    ],
    "confounders": [{"kind": "blink", "from_s": 0.0, "to_s": 0.1}],
}  # fmt: skip
_EVALUATION = (
    b'r{"predictions_sha256": "SHA", "classes": ["a", "b"], "method": "hybrid"}\0'
    b"sample,subject,dataset,true,predicted,p_a,p_b\n0,s,d,a,b,0.5,0.5\n"
)
_CAMERAS = (
    b"cameras:\n  door: {source: 'rtsp://u:{DOOR_PASS}@h/s', max_faces: 2, fps: 30}\n  desk: 0\n",
    b"cameras: {a: 0}\noutputs:\n  jsonl: e.jsonl\n  csv: {path: e.csv, rotate_mb: 1}\n"
    b"  mqtt: {url: 'mqtts://h', username: u, password: '{DOOR_PASS}'}\n  lsl: x\n"
    b"  webhook: {url: 'https://h/{DOOR_PASS}', authorization: '{DOOR_PASS}'}\nmetrics: '[::1]:9108'\n"
    b"device: cpu\nmodel: '{DOOR_PASS}'\nroute: {spotter: {confidence: 0.5}}\n",
    b"{DOOR_PASS: '{DOOR_PASS}'}",
)
_SETTINGS = tuple(config.PipelineConfig.__dataclass_fields__)

TARGETS: Mapping[str, Target] = {
    "config": Target(
        _config,
        (
            b"spotter: {confidence: 0.9}\ntracker: {max_faces: 3}\n",
            b"keep_s: 3\nflow:\n  lag_s: 0.1\n",
            b"&a [*a]",
        ),
        (*_SETTINGS, "max_faces", "confidence", ": ", "!!", "<<: *a", "&a "),
    ),
    "cameras": Target(
        _cameras,
        _CAMERAS,
        ("cameras", "outputs", "route", "{DOOR_PASS}", "source", "url", "://", "retries", "fps"),
    ),
    "bundle": Target(
        _bundle,
        (
            b"j" + (_SHIPPED / bundle.DESCRIPTION).read_bytes(),
            b"j" + description(dict.fromkeys(bundle.FILES, b"")),
            b"n" + (_SHIPPED / bundle.NETWORK).read_bytes()[-20_000:],
            b"s" + _archive({"svm_mean.npy": _array(np.zeros(224))}),
        ),
        ("schema", bundle.SCHEMA, "classes", "files", "sha256", "size", "feature_spec", "../", "location"),
    ),
    "scorer": Target(
        _scorer,
        (
            b"z" + _archive({"svm_mean.npy": _array(np.zeros(224))}),
            _archive({"svm_mean.npy": _array(np.zeros(3)), "svm_support.npy": _array(np.ones(2, np.int64))}),
            b"a" + _array(np.zeros(3)),
            b"a" + _array(np.array([None])),
        ),
        (
            "svm_support",
            "svm_mean",
            "'descr': '<f8'",
            "'shape': (",
            "\x93NUMPY",
            "|O",
            "PK\x01\x02",
            "PK\x05\x06",
        ),
    ),
    "labels": Target(
        _labels,
        (
            b"mpath,onset,apex,offset,label,subject,fps,dataset,clip\na.mp4,1,2,3,disgust,p1,30,casme2,x\n",
            b"x" + _workbook(),
            *_tables(),
        ),
        ("path", "onset", "apex", "offset", "label", "subject", "fps", "dataset", "Subject", "Filename"),
    ),
    "results": Target(
        _results,
        (
            b"t" + json.dumps(_TRUTH).encode(),
            b"T" + json.dumps(_TRUTH).encode(),
            b'b{"schema": "glimpse-bench/1", "runs": [], "streams": [], "stages": {}, "environment": {}}',
            _EVALUATION,
        ),
        (
            "predictions_sha256",
            "SHA",
            "classes",
            "method",
            "bundle",
            "NaN",
            "Infinity",
            "events",
            "glimpse-bench/1",
        ),
    ),
    "stores": Target(
        _stores,
        (b"f" + json.dumps(_FOLD).encode(), b"c" + _archive({"x.npy": _array(np.zeros(2, np.float32))})),
        (*_FOLD, "NaN", "Infinity", "1e999", "PK\x01\x02", "\x93NUMPY", "'shape': ("),
    ),
    "reviews": Target(
        _reviews,
        (
            b"r" + ",".join(COLUMNS).encode() + b"\nd/s/c,d,s,1,2,3,disgust,me,accept,1,2,3,,,,disgust,,\n",
            b'e{"type":"stream","schema":"glimpse/1","source":"x","width":8,"height":8,"fps":30.0}\n'
            b'{"type":"micro_expression","id":"0-1","onset_frame":0,"apex_frame":1,"offset_frame":2,"onset_s":0.0,'
            b'"apex_s":0.1,"offset_s":0.2,"label":"disgust","probabilities":{"disgust":1.0}}\n',
            b'a{"decision":"accept","onset":1,"apex":2,"offset":3,"label":"x","comment":""}',
            b"hauthorization\nBearer x",
            b"horigin\nhttp://127.0.0.1:8765",
        ),
        (*COLUMNS, "accept", "NaN", "1e999", "micro_expression", "glimpse/1", "Bearer ", "glimpse=", "[::1]"),
    ),
    "addresses": Target(
        _addresses,
        (
            b"rtsp\nviewer\npass\n10.0.0.5:554\nstream?user=x&pwd=y",
            b"http\n\n%40\n[::1]:0\n;a=b",
            b"\n\n\n9108",
        ),
        ("://", "@", "%40", "[::1]", "?token=", "&pwd=", "//", "\\"),
    ),
}
"""By name."""
