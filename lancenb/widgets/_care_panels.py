"""Small panels that take care of one artefact: tag, rename, optimize, clean up, check, delete."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import ipywidgets as w

from lancenb._html import count, size
from lancenb.errors import InvalidArgument

from ._care_base import CarePanel, PlannedPanel
from ._diff_tab import version_label
from ._fields import Confirm, button, choice, facts, facts_html, html, number, switch, text


class TagPanel(CarePanel):
    """Points a tag at a version, or removes it."""

    title = "Tag a version"
    lead = "A tag is a name for a version, such as prod. Tagged versions are never cleaned up."
    verb = "Set tag"

    def _inputs(self) -> Iterable[w.Widget]:
        listed = [(version_label(v), v.version) for v in self.manager.versions(self.artefact.name)]
        self._tag = text("Tag", key="tag", placeholder="prod")
        self._version = choice("Version", listed[::-1], key="version")
        return (self._tag, self._version)

    def _advanced(self) -> Iterable[w.Widget]:
        self._move = switch("Move it when it points elsewhere", key="move", value=True)
        return (self._move,)

    def _actions(self) -> Iterable[w.Widget]:
        return [button("Remove tag", self.guard(self.remove))]

    def remove(self) -> Any:
        """Remove the tag that is named; the version stays."""
        manager, name, tag = self.manager, self.artefact.name, self._wanted()
        return self.card.start(self._call(lambda: manager.untag(name, tag)), name=f"untag {tag}")

    def _wanted(self) -> str:
        if not self._tag.value.strip():
            raise InvalidArgument(
                "name a tag", hint="letters, digits, '.', '_' and '-', such as prod"
            )
        return self._tag.value.strip()

    def _work(self) -> Callable[..., Any]:
        manager, name, tag = self.manager, self.artefact.name, self._wanted()
        version, move = self._version.value, self._move.value
        return self._call(lambda: (tag, manager.tag(name, tag, version, move=move)))

    def _code(self) -> str:
        move = "" if self._move.value else ", move=False"
        return f"dm.tag({self.artefact.name!r}, {self._wanted()!r}, {self._version.value}{move})"

    def _show(self, result: Any) -> Iterable[w.Widget]:
        if result is None:
            return [facts("Tag removed", [("artefact", self.artefact.name)])]
        return [facts(self.artefact.name, [("tag", result[0]), ("version", result[1])])]


class RenamePanel(CarePanel):
    """Gives the artefact another name."""

    title = "Rename"
    lead = "Its table, versions, tags and lineage stay."
    verb = "Rename"

    def _inputs(self) -> Iterable[w.Widget]:
        self._new = text("New name", key="new", placeholder=self.artefact.name)
        return (self._new,)

    def _work(self) -> Callable[..., Any]:
        manager, name, new = self.manager, self.artefact.name, self._new.value.strip()
        if not new:
            raise InvalidArgument("give it a name", hint="letters, digits, '.', '_' and '-'")
        return self._call(lambda: manager.rename(name, new))

    def _code(self) -> str:
        new = self._new.value.strip()
        return f"dm.rename({self.artefact.name!r}, {new!r})" if new else ""

    def _show(self, result: Any) -> Iterable[w.Widget]:
        return [facts(result.name, [("before", self.artefact.name)])]


class OptimizePanel(CarePanel):
    """Compacts many small files into few."""

    title = "Optimize"
    lead = "Compacts small fragments into few, as a new version. Once begun, it runs to its end."
    verb = "Optimize"

    def _work(self) -> Callable[..., Any]:
        manager, name = self.manager, self.artefact.name
        return self._call(lambda: manager.optimize(name))

    def _code(self) -> str:
        return f"dm.optimize({self.artefact.name!r})"


class CleanupPanel(PlannedPanel):
    """Removes old versions; first it says which."""

    title = "Clean up old versions"
    lead = "The head and tagged versions always stay. Once begun, it runs to its end."
    verb = "See what would go"
    _planned: dict[str, Any]  # the options of the newest plan; the form may say others by now

    def _inputs(self) -> Iterable[w.Widget]:
        self._keep = number("Keep newest", key="keep", value=10, low=1)
        self._days = number("Days old", key="days", value=0, low=0, high=36500)
        return (self._keep, self._days)

    def _options(self) -> dict[str, Any]:
        days = {"older_than": timedelta(days=self._days.value)} if self._days.value else {}
        return {"keep": self._keep.value, **days}

    def _work(self) -> Callable[..., Any]:
        self._planned = self._options()
        return self._call(self._look(self._planned))

    def _look(self, options: dict[str, Any]) -> Callable[[], Any]:
        manager, name = self.manager, self.artefact.name
        return lambda: manager.cleanup(name, dry_run=True, **options)

    def _gist(self, plan: Any) -> tuple[Any, ...]:
        return tuple(plan.versions)

    def _replan(self, plan: Any) -> None:
        self._put_result(tuple(self._show(plan)))

    def _take_over(self, earlier: Any) -> None:
        self._planned = getattr(earlier, "_planned", {})
        super()._take_over(earlier)

    def _code(self) -> str:
        days = f", older_than=timedelta(days={self._days.value})" if self._days.value else ""
        return f"dm.cleanup({self.artefact.name!r}, keep={self._keep.value}{days}, dry_run=True)"

    def _show(self, result: Any) -> Iterable[w.Widget]:
        shown: list[w.Widget] = [*super()._show(result)]
        if result.dry_run and result.versions:
            what, options = count(len(result.versions), "version"), self._planned
            act = self.guard(lambda: self.remove(result, options))
            shown.append(Confirm(f"Remove {what}", f"Remove {what}, {size(result.bytes)}?", act))
        return shown

    def remove(self, plan: Any, options: dict[str, Any]) -> Any:
        """Remove the versions of a plan that was made with these options; returns the job."""
        manager, name = self.manager, self.artefact.name

        def act() -> Any:
            self._insist(self._look(options), plan)
            return manager.cleanup(name, **options)

        return self.card.start(self._call(act), name=f"clean up {name}")


class CheckPanel(CarePanel):
    """Looks for debris and damage in the whole store, and repairs it."""

    title = "Check the store"
    lead = "Looks for what killed writers left behind, in all artefacts. It runs to its end."
    verb = "Check"

    def _work(self) -> Callable[..., Any]:
        return self._call(self.manager.fsck)

    def _code(self) -> str:
        return "dm.fsck()"

    def _show(self, result: Any) -> Iterable[w.Widget]:
        shown: list[w.Widget] = [*super()._show(result)]
        if not result.ok:
            shown.append(Confirm("Repair", "Repair what was found?", self.guard(self.repair)))
        return shown

    def repair(self) -> Any:
        """Put right what is safe to put right; returns the job."""
        work = self._call(lambda: self.manager.fsck(repair=True))
        return self.card.start(work, name="repair")


class DeletePanel(PlannedPanel):
    """Deletes the artefact with all its versions, after its name was typed."""

    title = "Delete"
    verb = "Delete"

    def _inputs(self) -> Iterable[w.Widget]:
        self._confirm = text("Type its name", key="confirm", placeholder=self.artefact.name)
        self._force = switch("Also what tags or others protect", key="force")
        return (self._confirm, self._force)

    def _extra(self) -> Iterable[w.Widget]:
        self._told = html("")
        self._tell(self._look())
        return [self._told]

    def _look(self) -> Any:
        return self.manager.delete(self.artefact.name, dry_run=True)

    def _gist(self, plan: Any) -> tuple[Any, ...]:
        return (
            plan.uri, plan.versions, plan.rows, dict(plan.tags), tuple(sorted(plan.dependants)),
            plan.erased,
        )  # fmt: skip

    def _replan(self, plan: Any) -> None:
        self._confirm.value, self._force.value = "", False  # they were given for the plan before
        self._tell(plan)

    def _tell(self, plan: Any) -> None:
        self._plan = plan
        self._force.layout.display = None if plan.tags or plan.dependants else "none"
        tags = ", ".join(f"{tag} → {version}" for tag, version in plan.tags.items())
        pairs = [
            ("versions", f"{plan.versions:,}"), ("rows", f"{plan.rows:,}"),
            ("size", size(plan.bytes)), ("tags", tags), ("used by", ", ".join(plan.dependants)),
            ("files", "" if plan.erased else "stay where they are"),
        ]  # fmt: skip
        verb = "Deletes" if plan.erased else "Forgets"
        self._told.value = facts_html(f"{verb} {plan.name}", pairs)

    def _work(self) -> Callable[..., Any]:
        manager, name, typed = self.manager, self.artefact.name, self._confirm.value.strip()
        if typed != name:
            raise InvalidArgument("nothing was deleted", hint=f"type {name} to delete it")
        force, shown = self._force.value, self._plan

        def act() -> Any:
            self._insist(self._look, shown)
            return manager.delete(name, confirm=typed, force=force)

        return self._call(act)

    def _code(self) -> str:
        force = ", force=True" if self._force.value else ""
        return f"dm.delete({self.artefact.name!r}, confirm={self.artefact.name!r}{force})"
