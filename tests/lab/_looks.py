"""What can be measured of a panel's looks: nothing sticks out, overlaps or is cut off."""

from __future__ import annotations

from typing import Any

_CHECK = """scope => {
  const found = [], shown = e => { const s = getComputedStyle(e), r = e.getBoundingClientRect();
    return r.width > 1 && r.height > 1 && s.visibility !== "hidden" && s.opacity !== "0"
      && !e.closest(".lnb-aloud"); };
  const name = e => `${e.tagName.toLowerCase()}.${[...e.classList].slice(0, 3).join(".")} `
    + `"${(e.getAttribute("aria-label") ?? e.textContent ?? "").trim().slice(0, 40)}"`;
  const scrolls = (e, top) => { for (let p = e.parentElement; p && p !== top; p = p.parentElement)
    if (["auto", "scroll", "hidden", "clip"].includes(getComputedStyle(p).overflowX)) return true;
    return false; };
  for (const card of document.querySelectorAll(scope)) {
    if (!shown(card)) continue;
    const edge = card.getBoundingClientRect();
    for (const e of card.querySelectorAll("*")) {
      if (!shown(e) || e.closest("svg") !== null && e.tagName !== "svg") continue;
      const r = e.getBoundingClientRect();
      if ((r.right > edge.right + 1 || r.left < edge.left - 1) && !scrolls(e, card.parentElement))
        found.push(`sticks out by ${Math.round(Math.max(r.right - edge.right, edge.left - r.left))}`
          + ` px: ${name(e)}`);
    }
    const controls = [...card.querySelectorAll("button, input, select, textarea")]
      .filter(e => shown(e) && !["checkbox", "radio", "file"].includes(e.type));
    for (const e of controls)
      if (e.tagName === "BUTTON" && e.scrollWidth > e.clientWidth + 1
          && getComputedStyle(e).textOverflow !== "ellipsis") found.push(`cut off: ${name(e)}`);
    const boxes = controls.filter(e => !scrolls(e, card)).map(e => [e, e.getBoundingClientRect()]);
    boxes.forEach(([a, p], i) => { for (const [b, q] of boxes.slice(i + 1)) {
      const wide = Math.min(p.right, q.right) - Math.max(p.left, q.left);
      const high = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
      if (wide > 1 && high > 1 && !a.contains(b) && !b.contains(a))
        found.push(`overlap: ${name(a)} and ${name(b)}`); } });
  }
  return [...new Set(found)]; }"""


def flaws(page: Any, scope: str = ".jp-OutputArea-output .lnb") -> list[str]:
    """Return what sticks out of its card, overlaps a neighbour or is cut off; empty when fine."""
    return page.evaluate(_CHECK, scope)
