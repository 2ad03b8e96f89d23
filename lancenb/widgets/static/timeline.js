// Versions, newest first: a listbox of any length. Rows have one height, so that only those in view exist;
// pages come from Python by ask("page"). The focus stays on the box, aria-activedescendant names the row.
const ROW = 70, PAGE = 100;
let timelines = 0;

function deltaText(added, removed, net, unit) {
  if (added === null) return net ? `${net > 0 ? "+" : "−"}${unit(Math.abs(net))}` : "";
  return [added ? `+${unit(added)}` : "", removed ? `−${unit(removed)}` : ""].filter(Boolean).join(" ");
}

function versionRow(item, id, place, total) {
  const rows = deltaText(item.rows_added, item.rows_removed, item.rows_net, count);
  const size = deltaText(item.bytes_added, item.bytes_removed, item.bytes_net, bytes);
  const change = [rows && `${rows} ${/^[+−]1$/.test(rows) ? item.unit.slice(0, -1) : item.unit}`, size].filter(Boolean).join(" · ") || `same ${item.unit}`;
  const chips = item.tags.map((tag) => h("span", { class: "lnb-chip", text: tag }));
  const origin = [item.who && `by ${item.who}`, item.origin && `from ${item.origin}`].filter(Boolean).join(" ");
  return h("div", {
    class: "lnb-version", role: "option", id, "aria-selected": "false", "aria-posinset": place + 1, "aria-setsize": total,
    style: { top: `${place * ROW}px`, height: `${ROW}px` }, data: { at: place, current: item.current ? "yes" : "no" },
  },
    h("div", { class: "lnb-version-line" },
      h("strong", { text: `version ${item.version}` }), item.current && h("span", { class: "lnb-version-current", text: "current" }),
      ...chips, h("span", { class: "lnb-grow" }), h("span", { class: "lnb-version-when", text: item.when })),
    h("div", { class: "lnb-version-line" }, h("span", { class: "lnb-grow lnb-cut", text: item.words, title: item.words }),
      h("span", { class: "lnb-version-change", text: change })),
    h("div", { class: "lnb-version-line lnb-version-more" }, h("span", { class: "lnb-grow lnb-cut", text: origin, title: origin }),
      h("span", { class: "lnb-version-change", text: `${count(item.rows)} ${item.unit}, ${bytes(item.bytes)}` })));
}

function render_timeline({ model, el, signal }) {
  root(model, el, "timeline", { keys: true });
  const ask = asker(model, signal), pages = new Map(), shown = new Map(), name = `lnb-timeline-${timelines++}`;
  const canvas = h("div", { class: "lnb-versions-all", role: "presentation" });
  const box = h("div", { class: "lnb-versions", role: "listbox", tabindex: "0", "aria-label": "versions, newest first" }, canvas);
  const words = h("p", { class: "lnb-empty", role: "status" }), error = problem();
  let stamp = null;
  el.append(error, box, words);

  const item = (at) => pages.get(Math.floor(at / PAGE))?.[at % PAGE];
  const fetch = (page) => {
    if (pages.has(page)) return;
    const mark = stamp;
    pages.set(page, []);
    ask("page", { offset: page * PAGE, limit: PAGE, stamp: mark })
      .then(({ body }) => { if (mark === stamp) { pages.set(page, body.items); draw(); } })
      .catch((what) => { if (mark === stamp) { pages.delete(page); error.show(what); } });
  };
  const draw = () => {
    const total = model.get("total"), at = model.get("at");
    const first = Math.max(0, Math.floor(box.scrollTop / ROW) - 4);
    const last = Math.min(total, Math.ceil((box.scrollTop + box.clientHeight) / ROW) + 4);
    for (const [place, row] of shown) if (place < first || place >= last) { row.remove(); shown.delete(place); }
    for (let place = first; place < last; place++) {
      const facts = item(place), old = shown.get(place);
      if (!facts) { old?.remove(); shown.delete(place); fetch(Math.floor(place / PAGE)); continue; }
      if (old?.lnbFacts === facts) continue;
      const row = versionRow(facts, `${name}-${place}`, place, total);
      // a version that is listed anew keeps its row, and a click begun on it
      if (old?.lnbFacts.version === facts.version && old.lnbFacts.when === facts.when) renew(old, row);
      else { old?.remove(); shown.set(place, row); canvas.append(row); }
      shown.get(place).lnbFacts = facts;
    }
    for (const [place, row] of shown) row.setAttribute("aria-selected", String(place === at));
    if (shown.has(at)) box.setAttribute("aria-activedescendant", `${name}-${at}`);
    else box.removeAttribute("aria-activedescendant");
  };
  const reveal = (at) => {
    if (at < 0) return;
    if (at * ROW < box.scrollTop) box.scrollTop = at * ROW;
    else if ((at + 1) * ROW > box.scrollTop + box.clientHeight) box.scrollTop = (at + 1) * ROW - box.clientHeight;
  };
  const choose = (at) => {
    const goal = Math.max(0, Math.min(model.get("total") - 1, at));
    if (goal !== model.get("at")) save(model, { at: goal });
    reveal(goal);
    draw();
  };
  box.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || !model.get("total")) return;
    const at = model.get("at"), page = Math.max(1, Math.floor(box.clientHeight / ROW) - 1);
    const goal = { ArrowDown: at + 1, ArrowUp: at < 0 ? 0 : at - 1, Home: 0, End: model.get("total") - 1, PageDown: at + page, PageUp: at - page }[event.key];
    if (goal === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    choose(goal);
  });
  box.addEventListener("click", (event) => {
    const row = event.target.closest("[data-at]");
    if (row) choose(Number(row.dataset.at));
  });
  box.addEventListener("scroll", () => requestAnimationFrame(draw), { passive: true });
  const watch = new ResizeObserver(() => draw());
  watch.observe(box);
  signal?.addEventListener("abort", () => watch.disconnect());

  follow(model, ["stamp", "total", "at", "state", "error", "hint"], () => {
    if (stamp !== model.get("stamp")) {
      stamp = model.get("stamp");
      pages.clear();
      pages.set(0, model.get("first"));
      canvas.style.height = `${model.get("total") * ROW}px`;
      box.style.height = `${Math.min(4.5, model.get("total")) * ROW + 2}px`;
      reveal(model.get("at"));
    }
    box.hidden = !model.get("total");
    box.setAttribute("aria-busy", String(model.get("state") === "loading"));
    error.show({ message: model.get("error"), hint: model.get("hint") });
    const empty = !model.get("total") && !model.get("error");
    words.hidden = !empty;
    say(words, !empty ? "" : model.get("state") === "loading" ? "Reading the versions…" : "Name an artefact to see its versions.");
    draw();
  }, signal);
}
PARTS.timeline = render_timeline;
