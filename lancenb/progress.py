"""Progress, cancellation and background jobs: one shape for panels, command line and servers.

Long functions of lancenb take ``progress=`` (a callable that receives :class:`Progress` events,
or ``True`` for a text bar) and ``cancel=`` (a :class:`CancelToken`). :class:`Job` runs such a
function in a thread and carries both.

>>> from lancenb.progress import Job
>>> job = Job(lambda progress, cancel: sum(range(10)), name="sum")
>>> job.result(timeout=60)
45
>>> job.state
'done'
"""

from ._events import CancelToken, Progress, ProgressCallback, Tracker
from ._job import Job

__all__ = ["CancelToken", "Job", "Progress", "ProgressCallback", "Tracker"]
