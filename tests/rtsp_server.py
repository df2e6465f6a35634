"""An RTSP server for the tests, run by the system's Python: `rtsp_server.py FILE PORT`.

Plays a Matroska file of JPEG pictures at its own pace, from its start for every client, as `/live`. Prints
its port when it is ready.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

path, port = sys.argv[1:3]
Gst.init(None)
for part in ("matroskademux", "rtpjpegpay"):
    if not Gst.Registry.get().lookup_feature(part):
        sys.exit(f"GStreamer has no {part}")
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(port)
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(f'( filesrc location="{path}" ! matroskademux ! rtpjpegpay name=pay0 pt=26 )')
server.get_mount_points().add_factory("/live", factory)
if not server.attach(None):
    sys.exit("the port is taken")
print(server.get_bound_port(), flush=True)
GLib.MainLoop().run()
