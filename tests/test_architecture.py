"""What may know what: the floors, read from the imports, and the light import that follows from them."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import realtime

ROOT = Path(__file__).parent.parent
PACKAGES = ("realtime", "offline", "export", "models")
FORBIDDEN = {
    "realtime": {"offline", "export", "torch", "onnx", "onnxscript", "pandas", "benchmarks", "tests"},
    "offline": {"export", "onnx", "onnxscript", "benchmarks", "tests"},
    "export": {"benchmarks", "tests"},
    "models": {"realtime", "offline", "export", "benchmarks", "tests"},
}
NETWORK_MODULES = {
    f"offline.{name}"
    for name in (
        "augment",
        "member_training",
        "spotter_training",
        "network",
        "prior",
        "trained_model",
        "training",
        "methods._fitting",
        "methods.cnn3d",
        "methods.resnet_lstm",
        "methods.ststnet",
    )
}
UNSAFE = {
    "joblib.load", "torch.load", "torch.jit.load", "yaml.load", "yaml.load_all", "yaml.unsafe_load",
    "yaml.full_load", "pandas.read_pickle", "eval", "exec", "os.system", "os.popen",
}  # fmt: skip
UNSAFE_ROOMS = ("pickle.", "cloudpickle.", "dill.", "marshal.", "shelve.", "skops.", "joblib.Memory")
DOWNLOADS = {"urlopen", "urlretrieve", "hf_hub_download", "snapshot_download", "load_state_dict_from_url"}
NETWORK_LIBRARIES = {
    "socket", "socketserver", "ssl", "ftplib", "smtplib", "requests", "urllib3", "paho", "distributed",
    "uvicorn", "websockets", "aiohttp", "httpx",
}  # fmt: skip
TALKERS = {"offline/dask_backend.py", "realtime/live/metrics.py", "realtime/web/server.py"}
"""Modules that import what talks to others: the cluster and the two servers. Webhook and MQTT get their
libraries through `sinks.extras`, feeds through OpenCV and PyAV."""
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and absolute name of everything that a module imports, wherever in it."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            yield node.lineno, ".".join(filter(None, (above, node.module)))
        elif isinstance(node, ast.Call) and _name(node.func).endswith("import_module"):
            yield from (
                (node.lineno, arg.value)
                for arg in node.args[:1]
                if isinstance(arg, ast.Constant) and isinstance(arg.value, str)
            )


def _name(node: ast.expr) -> str:
    """Dotted name of an expression, or nothing."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_name(node.value)}.{node.attr}"
    return ""


def module_names(package: str) -> list[str]:
    """Every module of a package but the ones that run when they are imported."""
    paths = (path.relative_to(ROOT) for path in (ROOT / package).rglob("*.py"))
    names = {".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in paths}
    return sorted(name for name in names if not name.endswith("__main__"))


def import_all(names: list[str], blocked: list[str]) -> None:
    """Import modules in a fresh interpreter in which some libraries cannot be found."""
    script = (
        "import importlib, sys\n"
        "class Blocker:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.split('.')[0] in {blocked!r}:\n"
        "            raise ImportError(f'{name} is blocked')\n"
        "sys.meta_path.insert(0, Blocker())\n"
        f"for name in {names!r}:\n"
        "    importlib.import_module(name)\n"
        f"assert not set({blocked!r}) & set(sys.modules), set({blocked!r}) & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


def test_all_packages_are_looked_at() -> None:
    found = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}
    assert found == set(PACKAGES)
    assert len(MODULES) > 50


@pytest.mark.parametrize("package", PACKAGES)
def test_no_arrow_runs_upwards(package: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in MODULES
        if path.relative_to(ROOT).parts[0] == package
        for line, name in imports(path)
        if name.split(".")[0] in FORBIDDEN[package]
    ]
    assert not wrong


def test_the_rooms_of_the_route_do_not_know_the_hall() -> None:
    """Stages, sources and sinks are driven; they do not reach for what drives them."""
    hall = {"realtime.pipeline", "realtime.process", "realtime.api", "realtime.cli"}
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in (ROOT / "realtime").glob("*/**/*.py")
        if path.parent.name not in ("live", "bench")  # which drive, as the command line does
        for _, name in imports(path)
        if name in hall
    ]
    assert not wrong


def test_realtime_imports_without_the_training_libraries_and_without_its_extras() -> None:
    extras = ["paho", "prometheus_client", "pylsl", "urllib3", "fastapi", "uvicorn", "websockets"]
    import_all(
        module_names("realtime"), ["torch", "onnx", "onnxscript", "pandas", "offline", "export", *extras]
    )


def defines_networks(path: Path) -> bool:
    """Whether a module imports torch itself, at its top."""
    return any(
        name.split(".")[0] == "torch"
        for node in tree(path).body
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in ([a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""])
    )


def test_offline_imports_without_torch() -> None:
    """Only the modules that define or fit a network, and those that build on them, may need torch."""
    needs = {name for name in module_names("offline") if defines_networks(_path(name))}
    assert needs <= NETWORK_MODULES
    users = {
        name
        for name in module_names("offline")
        for node in tree(_path(name)).body
        if isinstance(node, ast.ImportFrom) and node.module in needs
    }
    rest = [name for name in module_names("offline") if name not in needs | users]
    assert {"offline", "offline.cli", "offline.spotting", "offline.metrics", "offline.train_command"} <= set(
        rest
    )
    import_all(rest, ["torch", "onnx", "onnxscript", "pandas", "export"])


def _path(name: str) -> Path:
    path = ROOT.joinpath(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """Every call of a module, under the name that the function has at home whatever it is imported as."""
    homes = {}
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            homes |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            homes |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call) and (name := _name(node.func)):
            first, _, rest = (name, "", "") if name.startswith(".") else name.partition(".")
            yield ".".join(filter(None, (homes.get(first, first), rest))), node


def unsafe(name: str, call: ast.Call) -> str | None:
    """What is wrong with a call that could run what it reads, or hand text to a shell."""
    given = {word.arg: getattr(word.value, "value", None) for word in call.keywords}
    if name in UNSAFE or name.startswith(UNSAFE_ROOMS):
        return "loads what can run"
    if name == "numpy.load" and given.get("allow_pickle") is not False:
        return "does not refuse pickles"
    if name.startswith(("subprocess.", "asyncio.create_subprocess_shell")):
        return "starts a shell" if given.get("shell", False) is not False or "shell" in name else None
    return None


def test_nothing_that_executes_code_is_loaded() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{call.lineno} {name}: {reason}"
        for path in (*MODULES, *(ROOT / "benchmarks").rglob("*.py"))
        for name, call in calls(path)
        if (reason := unsafe(name, call))
    ]
    assert not wrong


@pytest.mark.parametrize(
    "code",
    [
        "import joblib as j\nj.load('x')",
        "from torch import load as read\nread('x')",
        "import numpy as np\nnp.load('x')",
        "from numpy import load\nload('x', allow_pickle=True)",
        "import pickle\npickle.Unpickler(x).load()",
        "import yaml\nyaml.load(x, Loader=L)",
        "eval('x')",
        "import subprocess\nsubprocess.run('x', shell=True)",
        "import asyncio\nasyncio.create_subprocess_shell('x')",
        "from skimage import data\ndata.cat()",
    ],
)
def test_the_rules_see_what_they_forbid(tmp_path: Path, code: str) -> None:
    path = tmp_path / "module.py"
    path.write_text(code)
    assert any(unsafe(name, call) or is_download(name) for name, call in calls(path))


def is_download(name: str) -> bool:
    """Whether a call may fetch something: of scikit-image's pictures all do but those in its wheel."""
    if name.startswith("skimage.data."):
        return name != "skimage.data.astronaut"
    return name.rpartition(".")[2] in DOWNLOADS or name.startswith(("torch.hub.", "pooch.", "requests."))


def test_nothing_is_downloaded() -> None:
    """What talks to others at all is named here: outputs, servers, feeds and the cluster."""
    wrong = [
        f"{path.relative_to(ROOT)}:{call.lineno} calls {name}"
        for path in MODULES
        for name, call in calls(path)
        if is_download(name)
    ]
    assert not wrong
    talkers = {
        path.relative_to(ROOT).as_posix()
        for path in MODULES
        for _, name in imports(path)
        if name.split(".")[0] in NETWORK_LIBRARIES or name in ("urllib.request", "http.client")
    }
    assert talkers <= TALKERS


def test_onnxruntime_is_silenced_before_it_is_imported() -> None:
    """Its telemetry is switched off by a variable that it reads when it is first imported."""
    importers = [path for path in MODULES for _, name in imports(path) if name.split(".")[0] == "onnxruntime"]
    assert {path.relative_to(ROOT).as_posix() for path in importers} == {"realtime/inference.py"}
    script = (
        "import importlib.abc, os, sys\n"
        "class Watch:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'onnxruntime':\n"
        "            print(os.environ.get('ORT_DISABLE_TELEMETRY'))\n"
        "sys.meta_path.insert(0, Watch())\n"
        "from realtime.errors import BundleError\n"
        "from realtime.inference import CnnSession\n"
        "try:\n"
        "    CnnSession(b'', 'cpu')\n"
        "except BundleError:\n"
        "    pass\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, env=environment, timeout=120
    )
    assert (done.returncode, done.stdout.strip()) == (0, "1"), done.stderr


def test_public_names() -> None:
    assert realtime.__all__ == [
        "FacialEvent",
        "Frame",
        "GlimpseError",
        "KeyFrames",
        "Pipeline",
        "PipelineConfig",
        "Provisional",
        "Recognition",
        "Recognizer",
        "Unobservable",
        "Withdrawn",
        "detect",
        "load_config",
        "load_recognizer",
        "open_source",
    ]
    for name in realtime.__all__:
        assert getattr(realtime, name).__name__ == name
        assert name in dir(realtime)
    with pytest.raises(AttributeError, match="nonesuch"):
        realtime.nonesuch  # noqa: B018


def test_types_travel_with_the_package() -> None:
    assert (ROOT / "realtime" / "py.typed").is_file()
