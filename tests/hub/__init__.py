"""A small Hugging Face Hub on loopback for tests: real HTTP, two origins, faults on demand."""

from ._faults import Fault, Faults
from ._hub import HubStub
from ._repos import Repo, Repos
from ._server import FileServer, Origin, Seen

__all__ = ["Fault", "Faults", "FileServer", "HubStub", "Origin", "Repo", "Repos", "Seen"]
