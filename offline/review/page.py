"""The review as a web application: clips, pictures and answers over HTTP, for this machine alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from offline.datasets.corpus import KeyNumbers
from offline.review.desk import Answer, Desk, answer_from
from offline.review.pictures import ClipReader
from realtime.errors import DataError, GlimpseError
from realtime.web.assets import asset
from realtime.web.server import make_app

PURPOSE = "the review page"
ASSETS = {
    "/": ("offline", "review.html"),
    "/icon.svg": ("realtime", "icon.svg"),
    "/style.css": ("realtime", "style.css"),
    "/review.css": ("offline", "review.css"),
    "/review.js": ("offline", "review.js"),
    "/curve.js": ("offline", "review_curve.js"),
}
MOST_BODY = 16_384


def review_app(desk: Desk, reader: ClipReader) -> Any:
    """The application of a review; to be served behind a guard.

    GET  /api/review                    title, rater, file, labels, counts, every clip with its answer
    GET  /api/clips/{number}            frames, times, motion, coded key frames and answer of one clip
    GET  /api/clips/{number}/{index}    frame `index` of it, JPEG
    PUT  /api/clips/{number}            an answer; it is in the file when this returns
    POST /api/undo                      take the last change back

    What glimpse refuses comes as status 422 with one line in `detail`. Raises UsageError where the extra
    `web` is missing.
    """
    app = make_app("glimpse review", PURPOSE)
    pages = _Pages(desk, reader)
    for path, (package, name) in ASSETS.items():
        app.add_route(path, _file(package, name), include_in_schema=False)
    app.add_route("/api/review", pages.review)
    app.add_route("/api/clips/{number:int}", pages.clip, methods=["GET"])
    app.add_route("/api/clips/{number:int}", pages.say, methods=["PUT"])
    app.add_route("/api/clips/{number:int}/{index:int}", pages.picture)
    app.add_route("/api/undo", pages.undo, methods=["POST"])
    return app


class _Pages:
    """Requests and responses are Starlette's, which comes with the extra `web`."""

    def __init__(self, desk: Desk, reader: ClipReader) -> None:
        self._desk, self._reader = desk, reader

    def review(self, request: Any) -> Any:
        return _json(200, self._overview())

    def clip(self, request: Any) -> Any:
        return self._answered(request, self._clip)

    def picture(self, request: Any) -> Any:
        from starlette.responses import Response

        def show(number: int) -> Any:
            pictures = self._reader.read(self._desk.agenda.items[number])
            index = request.path_params["index"]
            if index not in pictures.index:
                raise DataError(f"there is no frame {index}")
            return Response(pictures.jpegs[pictures.index.index(index)], media_type="image/jpeg")

        return self._answered(request, show)

    async def say(self, request: Any) -> Any:
        from starlette.concurrency import run_in_threadpool

        body = await request.body()

        def take(number: int) -> Any:
            try:
                answer = answer_from(json.loads(body))
            except (ValueError, RecursionError) as error:
                raise DataError("this is no answer to a clip") from error
            self._desk.say(number, answer, self._reader.times)
            return _json(200, {"answer": _answer(self._desk.answer(number)), **self._overview()})

        return await run_in_threadpool(self._answered, request, take)

    def undo(self, request: Any) -> Any:
        def take_back(number: int) -> Any:
            return _json(200, {"number": self._desk.undo(), **self._overview()})

        return self._answered(request, take_back)

    def _answered(self, request: Any, work: Callable[[int], Any]) -> Any:
        """What the work gives for the clip that is asked for, or one line about why it gives nothing."""
        number = request.path_params.get("number", 0)
        if number >= len(self._desk.agenda.items):
            return _json(404, {"detail": f"there is no clip {number}"})
        try:
            return work(number)
        except GlimpseError as error:
            return _json(422, {"detail": " ".join(str(error).split())})

    def _overview(self) -> dict[str, Any]:
        desk = self._desk
        return {
            "title": desk.agenda.title,
            "rater": desk.rater,
            "file": str(desk.path),
            "labels": list(desk.agenda.labels),
            "counts": desk.counts(),
            "can_undo": desk.can_undo,
            "clips": [
                {"id": item.id, "decision": desk.answer(number).decision}
                for number, item in enumerate(desk.agenda.items)
            ],
        }

    def _clip(self, number: int) -> Any:
        item = self._desk.agenda.items[number]
        about = {
            "id": item.id,
            "subject": item.subject,
            "coded": {**_keys(item.keys), "label": item.label},
            "answer": _answer(self._desk.answer(number)),
        }
        try:
            seen = self._reader.read(item)
        except GlimpseError as error:
            return _json(200, {**about, "pictures": None, "problem": " ".join(str(error).split())})
        motion = [None if value is None else round(value, 3) for value in seen.motion]
        pictures = {
            "index": seen.index,
            "time_s": [round(time_s, 4) for time_s in seen.time_s],
            "motion": motion,
            "size": seen.size,
            "face": seen.face,
        }
        return _json(200, {**about, "pictures": pictures, "problem": None})


def _keys(keys: KeyNumbers) -> dict[str, int | None]:
    return asdict(keys)


def _answer(answer: Answer) -> dict[str, Any]:
    return {
        "decision": answer.decision,
        **_keys(answer.keys),
        "label": answer.label,
        "comment": answer.comment,
    }


def _file(package: str, name: str) -> Callable[[Any], Any]:
    found = asset(package, name)

    def give(request: Any) -> Any:
        from starlette.responses import Response

        return Response(found.body, media_type=found.kind)

    return give


def _json(status: int, data: dict[str, Any]) -> Any:
    from starlette.responses import Response

    body = json.dumps(data, allow_nan=False).encode()
    return Response(body, status, media_type="application/json")
