"""What the live page's server answers."""

# no postponed annotations: FastAPI reads them, and its own names are known only inside the function

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Annotated, Any

import cv2

from realtime.live.fleet import Fleet
from realtime.live.page.board import PICTURES, Board
from realtime.live.page.said import said_state
from realtime.live.page.visit import Visit
from realtime.sinks.records import Record, to_line
from realtime.sinks.rolling import CSV_HEADER, csv_row
from realtime.view.flow_colour import wheel
from realtime.web.assets import asset
from realtime.web.server import make_app

LEAST_CONFIDENCE, MOST_CONFIDENCE = 0.3, 0.99
_LISTED = 100
_WHEEL_PX = 96
_FILES = {"/": "live.html", "/live.css": "live.css", "/style.css": "style.css", "/icon.svg": "icon.svg"} | {
    f"/{name}.js": f"{name}.js" for name in ("live", "live_curves", "live_events")
}


def make_live_app(board: Board, fleet: Fleet) -> Any:
    """The application; a guard has to stand before it."""
    app = make_app("glimpse live", "--web")
    _add_files(app)
    _add_events(app, board)
    _add_cameras(app, board, fleet)
    return app


def _add_files(app: Any) -> None:
    from fastapi import Response

    def serve(path: str, body: bytes, kind: str) -> None:
        def answer() -> Response:
            return Response(body, media_type=kind)

        app.add_api_route(path, answer, include_in_schema=False)

    for path, name in _FILES.items():
        file = asset("realtime", name)
        serve(path, file.body, file.kind)
    serve("/wheel.png", cv2.imencode(".png", wheel(_WHEEL_PX))[1].tobytes(), "image/png")


def _add_events(app: Any, board: Board) -> None:
    from fastapi import HTTPException, Path, Query, Response
    from fastapi.responses import StreamingResponse

    def listed(
        after: Annotated[int, Query(ge=0, le=2**53)] = 0, most: Annotated[int, Query(ge=1, le=1000)] = _LISTED
    ) -> dict[str, Any]:
        """The last events, oldest first, as the outputs got them."""
        events = [{"number": number, "record": record} for number, record in board.events(after, most)]
        return {"events": events, "count": board.count, "let_go": board.let_go}

    def download(kind: str, lines: Callable[[list[Record]], Iterator[bytes]]) -> StreamingResponse:
        gone, records = board.let_go, [record for _, record in board.events()]
        name = "events" if not gone else f"events-without-the-first-{gone}"
        end = "csv" if kind == "text/csv" else "jsonl"
        heads = {"content-disposition": f'attachment; filename="{name}.{end}"', "x-glimpse-let-go": str(gone)}
        return StreamingResponse(lines(records), media_type=kind, headers=heads)

    def json_lines() -> StreamingResponse:
        """All events that are kept, byte for byte as in the JSON Lines output. The header
        `x-glimpse-let-go` says how many older ones are not; then the file's name says so too."""
        return download("application/jsonl", lambda records: map(to_line, records))

    def table() -> StreamingResponse:
        """The same as a table, as in the CSV output."""
        return download("text/csv", lambda records: iter([CSV_HEADER, *map(csv_row, records)]))

    def picture(
        event: Annotated[str, Path(max_length=200)], name: Annotated[str, Path(max_length=20)]
    ) -> Response:
        """A picture of an event; they are in memory, and only those of the last events are kept."""
        found = board.pictures(event).get(name)
        if found is None:
            raise HTTPException(404, f"no such picture; there may be {', '.join(PICTURES)}")
        return Response(found, media_type="image/jpeg")

    files = {200: {"content": {"image/jpeg": {}}}, 404: {"description": "no such picture"}}
    app.add_api_route("/api/events", listed)
    app.add_api_route(
        "/api/events.jsonl", json_lines, responses={200: {"content": {"application/jsonl": {}}}}
    )
    app.add_api_route("/api/events.csv", table, responses={200: {"content": {"text/csv": {}}}})
    app.add_api_route("/api/events/{event}/{name}.jpg", picture, responses=files, response_class=Response)


def _add_cameras(app: Any, board: Board, fleet: Fleet) -> None:
    from fastapi import Body, HTTPException, Path, WebSocket, WebSocketDisconnect

    def cameras() -> dict[str, Any]:
        """How the cameras do."""
        return said_state(board, fleet.states())

    def confidence(
        name: Annotated[str, Path(max_length=64)],
        confidence: Annotated[float, Body(embed=True, ge=LEAST_CONFIDENCE, le=MOST_CONFIDENCE)],
    ) -> dict[str, Any]:
        """Set the least probability of what the camera's spotter reports, from now on and in all outputs.

        `changes` counts how often it was set: who gets a smaller number later reads an older state."""
        if name not in board.cameras:
            raise HTTPException(404, "no such camera")
        return {"name": name, "confidence": confidence, "changes": board.set_confidence(name, confidence)}

    async def live(socket: WebSocket) -> None:
        await socket.accept()
        visit = Visit(board, fleet, asyncio.get_running_loop())
        talking = asyncio.create_task(visit.talk(socket.send_json, socket.send_bytes))
        try:
            while True:
                visit.hear(await socket.receive_text())
        except (WebSocketDisconnect, KeyError):  # KeyError: bytes, which no page sends
            pass
        finally:
            visit.leave()
            talking.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await talking

    app.add_api_route("/api/cameras", cameras)
    app.add_api_route(
        "/api/cameras/{name}/confidence",
        confidence,
        methods=["PUT"],
        responses={
            400: {"description": "no JSON"},
            403: {"description": "not from the page itself, and without the token"},
            404: {"description": "no such camera"},
            413: {"description": "too long, or too slow"},
        },
    )
    app.add_api_websocket_route("/api/live", live)
