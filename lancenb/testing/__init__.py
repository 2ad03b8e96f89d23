r"""A Hugging Face Hub on your own machine, for tests and for work without a network.

It speaks real HTTP on two ports of 127.0.0.1, as the real Hub does: one for the API and small
files, one ("CDN") for large content. The official clients - ``huggingface_hub``, ``transformers``,
``datasets``, ``lance.dataset("hf://…")`` - work with it unchanged: they search, read, download,
stream, upload, commit, branch and tag. It starts in milliseconds, needs the standard library
only (and PyYAML for the metadata of cards), and misbehaves when told to.

**A Hub with your files**::

    from lancenb.testing import HubStub

    with HubStub() as hub:
        hub.repos.import_folder("model", "acme/tiny", "path/to/folder")
        os.environ.update(hub.env(home="some/empty/folder"))
        # from here: import huggingface_hub, transformers, datasets …

``huggingface_hub`` reads its environment once, when it is imported: set it before that, or hand
``hub.env(…)`` to the process that runs the client, or pass ``endpoint=hub.url`` where a function
takes it. In pytest, a session fixture that sets the environment before the first import will do.

**Revisions.** ``repo.commit({"config.json": b"{}"})`` adds a commit to ``main``,
``commit(…, ref="dev")`` to another branch; ``repo.refs`` and ``repo.tags`` map branches and tags
to commits. Files get real git and LFS hashes.

>>> with HubStub() as hub:
...     repo = hub.repos.create("dataset", "acme/pets")
...     first = repo.commit({"data/a.csv": b"x,y\n1,2\n"})
...     second = repo.commit({"README.md": b"---\nlicense: mit\n---\n"}, title="Add a card")
...     repo.tags["v1"] = first
...     [commit.title for commit in repo.log(second)]
['Add a card', 'Add files']

**People.** ``hf_ann`` and ``hf_bob`` are tokens that may write, ``hf_ann_read`` only reads;
``HubStub(tokens={"hf_x": "joe", "hf_y": "joe:read"})`` makes your own. Repositories made with
``private=True`` or ``gated=True`` open for their owner and for ``members`` (ann). Without a token,
with a wrong one, with that of someone else: every refusal carries the status and the headers by
which clients tell them apart.

**Faults** on either origin - ``hub.faults`` for the API and small files, ``hub.cdn.faults`` for
large content - by path, method, number of requests to let pass and number of strikes; see
:class:`Fault`:

>>> with HubStub() as hub:
...     cut = hub.cdn.faults.add("cut", path="/lfs/*", at=0.7)          # the connection ends
...     late = hub.faults.add("status", status=429, retry_after=2)      # too many requests
...     cut.used, late.kind
(0, 'status')

**What was asked.** ``hub.log`` and ``hub.cdn.log`` hold every request with its range, its token
and the bytes sent; ``hub.leaked`` lists the requests that took a token to the CDN, which no client
should ever do.

**Plain links.** ``hub.add_plain("/files/a.bin", path_or_bytes)`` publishes a file at an ordinary
address, with conditional requests, ranges, redirects and file names as you like;
:class:`FileServer` does that without a Hub.

**Another process.** ``python -m lancenb.testing ROOT --import model:acme/x=DIR`` serves until it
is interrupted and prints the environment to use; ``POST /_stub/fault`` (the attributes of a
:class:`Fault` and ``side``: ``hub`` or ``cdn``) and ``GET /_stub/log`` control it from outside.

Not here: the Xet protocol (``HF_HUB_DISABLE_XET=1`` is part of ``env``), pull requests and
discussions, Spaces that run, git itself.
"""

from ._faults import Fault, Faults
from ._hub import HubStub
from ._origin import Origin, Seen
from ._plain import FileServer
from ._repos import Repo, Repos

__all__ = ["Fault", "Faults", "FileServer", "HubStub", "Origin", "Repo", "Repos", "Seen"]
