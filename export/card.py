"""The model card of a bundle, in Markdown (after Mitchell et al. 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from realtime.features.spec import HANDCRAFTED_BLOCKS
from realtime.fusion import SOURCES

_SYNTHETIC = """\
It learned from synthetic data alone: no picture, video or flow map of a real person was trained on. The
flow samples are sums of Gaussian action-unit fields, head residue, blinks and noise. Rendered samples,
where it had any, are {faces},
seen by a synthetic camera; their flow and features are computed by the same code as those of live video,
but their faces are cut out where they are known to be, not where a tracker finds them. That is no
population.

The recipe is not blind. Its action-unit fields, crop geometry and noise level, the strength of the cheek
(AU 6) beside other units, how far down a smile (AU 12) is seen, the spread of the ratio of u to v, the
strength of the augmentation, how often each class is expected, the leaving out of the strain, the
compression of the flow, the width of the networks, the number of samples and what the scores are divided by
were chosen with the MEGC 2019 flow maps, their class means and their scores in sight, among some 180
configurations (the augmentation and the divisor on every other person of them; the smile by the class means
of every other person, with the scores of all in sight). No real sample was trained on, but figures on those
maps are optimistic to that degree.
"""

_PORTRAIT = "warps of one public-domain portrait, reshaped and repainted into many identities"
_PAINTED = "faces painted from nothing on a face mesh, in tones and features that were chosen, not measured"
_FACES = {
    "portrait": _PORTRAIT,
    "painted": _PAINTED,
    "both": f"in turn {_PORTRAIT}, and {_PAINTED}",
}

_DATASET = """\
It learned from a dataset that its user holds under that dataset's licence ({folder}). Check that licence
before the bundle is passed on.
"""

_LIMITS = """\
## Limits

- Posed or spontaneous, culture, age, skin, glasses, beards, occlusion: none of it was measured.
- A class says which muscles moved as they do in such examples. It is no reading of what a person feels,
  and no evidence of lying: this is no lie detector.
- The probabilities were not calibrated on people like yours. A person must check every finding before
  anything follows from it.
- It knows no class "other": every movement that the spotter hands over gets one of its classes.

## Not allowed

It must not be used to infer the emotions of people at work or in education; the European Union forbids
that (AI Act, Regulation (EU) 2024/1689, Article 5(1)(f)). It must not be used on people who have not
agreed to it, nor to decide about anyone.
"""


_TITLES = {"uf1": "UF1", "uar": "UAR", "overall_accuracy": "accuracy", "weighted_f1": "weighted F1"}
"""Figures by their names in a results file."""


def model_card(description: Mapping[str, Any]) -> str:
    """The card of a bundle from what its bundle.json says."""
    return "\n".join(
        [
            f"# Model card: {description['name']} ({description['id']})\n",
            "Recognises the class of a facial micro-expression from its onset, apex and offset frames, or",
            "from the optical flow between them.\n",
            f"Classes: {', '.join(description['classes'])}. Feature spec: {description['feature_spec']}.\n",
            "## What it learned from\n",
            _data(description["training_data"]),
            _sources(description),
            _commands(description.get("commands", [])),
            "## Figures\n",
            _curve(description["training_curve"]),
            *[_figure(name.replace("_", " "), score) for name, score in description["metrics"].items()],
            *[_evaluation(item) for item in description.get("evaluations", [])],
            "",
            _LIMITS,
        ]
    )


def _data(data: Mapping[str, Any]) -> str:
    if data.get("kind") != "synthetic":
        return _DATASET.format(folder=data.get("dataset_folder") or "not recorded")
    counts = ", ".join(f"{name} {count}" for name, count in data["per_class"].items())
    return (
        f"{data['direct_flow_samples']} samples of directly drawn flow and {data['rendered_samples']} "
        f"samples with rendered key frames, {data['subjects']} synthetic subjects ({counts}).\n\n"
        + _SYNTHETIC.format(faces=_FACES[data.get("rendered_faces") or "portrait"])
    )


def _sources(description: Mapping[str, Any]) -> str:
    """Which parts are on, and how much each counts."""
    settings, choice = description["settings"], description["svm_choice"]
    network, svm = settings["network"], settings["svm"]
    state = {"cnn-flow": network["flows"], "cnn-frames": network["frames"]}
    state |= {block: block in svm["blocks"] for block in HANDCRAFTED_BLOCKS}
    on, off = ([name for name, there in state.items() if there == wanted] for wanted in (True, False))
    weights = ", ".join(f"{name} {choice[f'weight_{name}']:.2f}" for name in SOURCES)
    return (
        f"Blocks that are on: {', '.join(on)}; off: {', '.join(off) or 'none'}. Weights of the sources: "
        f"{weights}; log loss {choice['log_loss']:.3f} on training subjects "
        f"that the scored source had not seen.{_expected(description)}{_softened(description)}\n"
    )


def _expected(description: Mapping[str, Any]) -> str:
    """How often the probabilities take each class to come, where that was stated."""
    shares = description["settings"].get("class_shares")
    if not shares:
        return ""
    named = zip(description["classes"], shares, strict=True)
    return (
        "\n\nThe probabilities expect the classes this often: "
        + ", ".join(f"{name} {share / sum(shares):.2f}" for name, share in named)
        + "."
    )


def _softened(description: Mapping[str, Any]) -> str:
    """How much less sure it is than its own kind of data would make it."""
    temperature = description["settings"].get("temperature", 1.0)
    if temperature == 1.0:
        return ""
    return (
        f"\n\nThe sum of the scores is divided by {temperature:g}: "
        "what it learned from is easier than what it will meet.\n"
        "Weights, log loss and shares above are those before that: with it, classes are expected more evenly."
    )


def _commands(commands: list[str]) -> str:
    if not commands:
        return ""
    return "\n".join(["## How to remake it\n", *(f"    {line}" for line in commands), ""])


def _curve(curve: list[Mapping[str, Any]]) -> str:
    first, last = curve[0], curve[-1]
    epochs = f"in the first of {len(curve)} epochs, {last['loss']:.3f} in the last"
    return f"- training loss: {first['loss']:.3f} {epochs}"


def _figure(name: str, score: Mapping[str, Any]) -> str:
    recall = ", ".join(
        f"{label} {value:.2f}" for label, value in score["per_class_recall"].items() if value is not None
    )
    return (
        f"- {name}: {score['total_samples']} samples, accuracy {score['overall_accuracy']:.3f}, "
        f"UF1 {score['uf1']:.3f}, UAR {score['uar']:.3f} (recall: {recall})"
    )


def _evaluation(result: Mapping[str, Any]) -> str:
    data, interval = result["data"], result["interval_95"]
    names = {
        "flow-maps": "real flow maps",
        "manifest": "clips of a dataset",
        "synthetic": "synthetic samples",
    }
    what = " and ".join(names.get(kind, f"clips of {kind}") for kind in data["kind"].split("+"))
    how = "" if result["bundle_id"] else "leave-one-subject-out, models of the same recipe: "
    return (
        _figure(f"{how}{what}, {data['subjects']} subjects", result)
        + "; 95 % bootstrap interval over subjects: "
        + "; ".join(
            f"{_TITLES.get(name, name)} {low:.3f}..{high:.3f}" for name, (low, high) in interval.items()
        )
        + f"; expected calibration error {result['expected_calibration_error']:.3f}"
    )
