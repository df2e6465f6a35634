"""How fast the route is on this machine: `glimpse bench`.

`command` starts one fresh process per stream and run (`fleet`, `worker`), which watches the very route
of `glimpse process` or `glimpse live` from outside (`watch`, `stopwatch`). What the processes return is
put together in `record`, shown by `table` and `plot`, and held against another by `comparison`. Nothing
here runs, or costs anything, while nobody measures.
"""
