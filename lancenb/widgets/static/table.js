// The table: filter, heads with figures, rows that come from the kernel as they are looked at.
let tables = 0;

function render_table({ model, el, signal }) {
  root(model, el, "tv", { keys: true });
  const id = `lnb-tv-${(tables++).toString(36)}-${Math.random().toString(36).slice(2, 7)}`;
  const ask = asker(model, signal), keep = keeper(model, ask), store = rowStore(ask, model, rowsCame, rowsFailed);
  const title = h("span", { class: "lnb-title" }), chips = h("span", { class: "lnb-tv-chips" }), facts = h("span", { class: "lnb-dim" });
  const bar = filterBar(model, id, keep), chooser = columnChooser(model, id, keep), strip = figureStrip(model, ask);
  const corner = h("div", { class: "lnb-tv-cell lnb-tv-number", role: "columnheader", "aria-colindex": "1", text: "row" });
  const head = h("div", { class: "lnb-tv-row lnb-tv-head", role: "row", "aria-rowindex": "1" }, corner), body = h("div", { class: "lnb-tv-body", role: "rowgroup" });
  const grid = h("div", { class: "lnb-tv-grid", role: "grid", tabindex: "0", "aria-multiselectable": "true", "aria-describedby": `${id}-keys` }, h("div", { class: "lnb-tv-top", role: "rowgroup" }, head), body);
  const empty = h("p", { class: "lnb-empty", hidden: true }), trouble = problem(), lost = h("p", { class: "lnb-tv-note", role: "status" });
  const where = h("span", { class: "lnb-tv-status", role: "status" }), drop = h("button", { type: "button", class: "lnb-button lnb-quiet", text: "Clear selection" });
  const keys = h("span", { class: "lnb-aloud", id: `${id}-keys`, text: "Arrow keys move, Enter shows a value or sorts by a column, Space selects a row or shows a column's figures." });
  const detail = detailPane(model, ask, keep, signal, () => { keep({ reading: false }); grid.focus(); });
  const code = codeLine(model);
  bar.tools.append(chooser.fold);
  el.append(h("div", { class: "lnb-head" }, title, chips, facts), bar.form, bar.error, trouble, grid, empty, keys, h("div", { class: "lnb-tv-foot" }, where, drop, h("span", { class: "lnb-grow" }), strip.box), lost, detail.pane, code);

  const columns = () => model.get("columns"), shown = () => model.get("shown"), total = () => Math.max(0, model.get("count"));
  const height = () => (shown().some((i) => columns()[i].role === "image") ? 56 : 26);
  const scroll = scroller(grid, body, height, total, drawRows);
  const widths = new Map(), picked = new Set(), live = new Map(), heads = new Map();
  let at = model.get("at"), anchor = null, measured = false, waiting = false, owed = [];

  gridKeys(grid, {
    at: () => at, rows: total, places: () => shown().length, perPage: scroll.perPage, go, sort, open, copy: copyCell,
    select: (range) => toggle(at[0], range), isOpen: () => model.get("reading"), close: () => keep({ reading: false }),
    widen: (by) => { const place = shown()[at[1]]; if (place !== undefined) widen(place, widths.get(place) + by); },
  });
  drop.addEventListener("click", () => { keep({ selected: [] }); grid.focus(); }); // it goes with the selection
  const tellAt = throttle(() => keep({ at }), 400);

  function go(row, place, range = false) {
    const r = Math.max(-1, Math.min(total() - 1, row)), c = Math.max(-1, Math.min(shown().length - 1, place));
    if (r === -1 && c === -1) return;
    at = [r, c];
    if (range && r >= 0 && anchor !== null) toggle(r, true);
    if (r >= 0) scroll.show(r);
    drawRows();
    cellAt()?.scrollIntoView({ block: "nearest", inline: "nearest" });
    if (r >= 0) scroll.show(r);
    if (model.get("reading")) showDetail();
    tellAt();
  }
  const cellId = (r, c) => `${id}-${r}-${c}`;
  const cellAt = () => document.getElementById(cellId(...at));
  function open() { if (model.get("reading")) showDetail(); else keep({ reading: true }); }

  const showSoon = throttle(showDetail, 120);
  function showDetail() {
    const [r, c] = at, place = shown()[Math.max(0, c)], column = columns()[place];
    waiting = false;
    detail.pane.hidden = !model.get("reading") || !column;
    if (detail.pane.hidden) { detail.drop(); return; }
    if (r === -1 || !total()) detail.column(column, model.get("stats")[place]);
    else if (store.row(r)) detail.value(r, store.row(r).number, place, column);
    else waiting = true;
  }
  async function copyCell() {
    const [r, c] = at, row = store.row(r);
    if (r === -1) return void copy(columns()[shown()[c]]?.name ?? "");
    if (c === -1 || !row) return;
    const { body: found } = await ask("value", { row: r, column: shown()[c], start: 0, epoch: model.get("epoch") }).catch(() => ({ body: null }));
    if (await copy(found?.text ?? cellText(row.cells[c]))) say(lost, found && found.taken < found.length ? `Copied the first ${count(found.taken)} characters.` : "Copied.");
    grid.focus();
  }
  function sort(c) {
    const place = shown()[c], was = model.get("sort");
    if (place === undefined || !columns()[place].sorts) return;
    const way = was.column !== place ? "asc" : { asc: "desc", desc: "" }[was.way] ?? "asc";
    keep({ sort: way ? { column: place, way } : {} });
  }
  // A row that is still to come is selected when it is there: whoever sorts and clicks means the
  // place. It is forgotten when the rows become others, or somebody else selects.
  function toggle(r, range) {
    if (r >= total()) return;
    owed.push([range && anchor !== null ? anchor : r, r, range]);
    if (!range) anchor = r;
    selectOwed();
  }
  function selectOwed() {
    const due = owed.filter(([from, r]) => store.row(r) && (store.row(from) || !live.has(from)));
    if (!due.length) return;
    owed = owed.filter((each) => !due.includes(each));
    for (const [from, r, range] of due) {
      const on = range || !picked.has(store.row(r).number);
      for (let i = Math.min(from, r); i <= Math.max(from, r); i++) {
        const row = store.row(i);
        if (row) picked[on ? "add" : "delete"](row.number);
      }
    }
    keep({ selected: [...picked].sort((a, b) => a - b) });
  }
  function selectedElsewhere() {
    const numbers = model.get("selected");
    if (numbers.length !== picked.size || !numbers.every((number) => picked.has(number))) owed = [];
  }

  function template() {
    const digits = count(model.get("total")).length, list = shown().map((i) => `${widths.get(i)}px`);
    el.style.setProperty("--cols", `${Math.max(48, 24 + digits * 8)}px ${list.slice(0, -1).join(" ")} minmax(${list.at(-1) ?? "0px"}, 1fr)`);
  }
  function widen(place, wide) { widths.set(place, Math.max(48, Math.min(900, wide))); template(); }
  function wish() {
    const rows = store.sample();
    shown().forEach((i, c) => { if (!widths.has(i) || (rows.length && !measured)) widths.set(i, wishedWidth(columns()[i], rows.map((row) => row.cells[c]), getComputedStyle(el).fontFamily)); });
    measured ||= rows.length > 0;
    template();
  }
  function drawHead() {
    const order = model.get("sort"), stats = model.get("stats");
    hold(head, [corner, ...shown().map((i, c) => {
      const box = heads.get(i) ?? h("div", { class: "lnb-tv-cell lnb-tv-th", role: "columnheader" });
      fillHead(box, columns()[i], stats[i], order.column === i ? order.way : "");
      if (!heads.has(i)) heads.set(i, headOf(box, i));
      return fill(box, { id: cellId(-1, c), "aria-colindex": c + 2 }, []);
    })]);
    grid.setAttribute("aria-colcount", shown().length + 1);
    mark();
  }
  function headOf(box, i) {
    box.addEventListener("click", (event) => {
      at = [-1, shown().indexOf(i)];
      if (event.target.closest(".lnb-tv-figures")) open(); else sort(at[1]);
      mark();
    });
    const edge = h("span", { class: "lnb-tv-edge", "aria-hidden": "true" });
    resizable(edge, () => widths.get(i), (wide) => widen(i, wide), () => {});
    box.append(edge);
    return box;
  }
  function makeRow(i) {
    const number = h("div", { class: "lnb-tv-cell lnb-tv-number", role: "rowheader", id: cellId(i, -1), "aria-colindex": "1" });
    const line = h("div", { class: "lnb-tv-row", role: "row", "aria-rowindex": i + 2 }, number);
    number.addEventListener("click", (event) => { at = [i, -1]; toggle(i, event.shiftKey); mark(); });
    shown().forEach((_, c) => {
      const box = h("div", { class: "lnb-tv-cell", role: "gridcell", id: cellId(i, c), "aria-colindex": c + 2 });
      box.addEventListener("click", () => { at = [i, c]; mark(); tellAt(); if (model.get("reading")) showDetail(); });
      box.addEventListener("dblclick", open);
      line.append(box);
    });
    line.lnbIndex = i;
    fillRow(line, store.row(i));
    return line;
  }
  // Values come into the cells that waited for them: a press on one that waits is a click on what came.
  function fillRow(line, row) {
    const [number, ...boxes] = line.children;
    line.lnbRow = row;
    say(number, row ? count(row.number) : "…");
    shown().forEach((place, c) => { if (row) fillCell(boxes[c], row.cells[c], columns()[place], row.pictures[c]); else boxes[c].replaceChildren(h("span", { class: "lnb-skeleton lnb-tv-wait" })); });
  }
  function drawRows() {
    const [first, last] = scroll.range(), from = Math.max(0, first - 6), to = Math.min(total() - 1, last + 6);
    for (const [i, line] of live) if (i < from || i > to) { line.remove(); live.delete(i); }
    for (let i = from; i <= to; i++) {
      let line = live.get(i);
      if (!line) {
        live.set(i, line = makeRow(i));
        body.insertBefore(line, [...body.children].find((other) => other.lnbIndex > i) ?? null);
      } else if (line.lnbRow !== store.row(i)) fillRow(line, store.row(i));
      line.style.transform = `translateY(${scroll.place(i)}px)`;
      line.setAttribute("aria-selected", String(Boolean(line.lnbRow) && picked.has(line.lnbRow.number)));
    }
    if (to >= from) store.want(from, to, !measured);
    mark();
    status(first, last);
  }
  function mark() {
    el.querySelectorAll(".lnb-tv-at").forEach((cell) => cell.classList.remove("lnb-tv-at"));
    const cell = cellAt();
    cell?.classList.add("lnb-tv-at");
    if (cell) grid.setAttribute("aria-activedescendant", cell.id); else grid.removeAttribute("aria-activedescendant");
  }
  const sayWhere = throttle((text) => say(where, text), 150);
  function status(first, last) {
    const n = total(), many = picked.size;
    // Rows in the table's own order are called by their numbers, others are counted.
    const plain = !model.get("where") && !model.get("sort").way, from = plain ? 0 : 1;
    const rows = n ? `${plain ? "Rows " : ""}${count(first + from)}–${count(Math.min(n, last + 1) - 1 + from)} of ${count(n)}${model.get("where") ? " that match" : ""}` : "";
    sayWhere([model.get("busy") || rows, many ? `${count(many)} selected` : ""].filter(Boolean).join(" · "));
    drop.hidden = !many;
  }
  function rowsCame() { trouble.show(); if (!measured) wish(); selectOwed(); drawRows(); if (waiting) showSoon(); }
  function rowsFailed(error) { trouble.show(error); }

  function draw() {
    const n = model.get("count"), all = model.get("total");
    say(title, model.get("title"));
    chips.replaceChildren(...model.get("chips").map((text) => h("span", { class: "lnb-chip", text })));
    say(facts, [`${count(all)} ${all === 1 ? "row" : "rows"}`, model.get("where") && n >= 0 ? `${count(n)} match` : "", `${count(columns().length)} ${columns().length === 1 ? "column" : "columns"}`].filter(Boolean).join(" · "));
    bar.draw();
    chooser.draw();
    picked.clear();
    model.get("selected").forEach((number) => picked.add(number));
    if (store.stale()) { store.clear(); live.forEach((line) => line.remove()); live.clear(); }
    el.style.setProperty("--row", `${height()}px`);
    grid.hidden = !columns().length;
    empty.hidden = n !== 0 && columns().length > 0;
    say(empty, columns().length ? (all ? "No row matches the filter." : "The table has no rows yet.") : "The table has no columns.");
    grid.classList.toggle("lnb-tv-short", n === 0);
    grid.setAttribute("aria-label", `rows of ${model.get("title")}`);
    grid.setAttribute("aria-rowcount", n < 0 ? -1 : n + 1);
    grid.setAttribute("aria-busy", String(Boolean(model.get("busy"))));
    if (at[1] >= shown().length) at = [at[0], shown().length - 1];
    wish();
    drawHead();
    body.style.setProperty("--rows", n);
    scroll.size();
    drawRows();
  }
  follow(model, ["title", "chips", "columns", "shown", "total", "count", "where", "epoch", "selected", "busy", "problem", "sort", "stats"], draw, signal);
  follow(model, ["measuring"], strip.draw, signal);
  follow(model, ["wrap", "mono"], detail.dress, signal);
  model.on("change:reading", showDetail);
  let epoch = model.get("epoch");
  model.on("change:epoch", () => { if (epoch !== model.get("epoch")) { owed = []; scroll.put(0); } epoch = model.get("epoch"); });
  model.on("change:selected", selectedElsewhere);
  connection(model, signal, (now) => { el.toggleAttribute("data-offline", !now); say(lost, now ? "" : "Disconnected: the kernel behind this table is gone; run the cell again to go on."); });
  let placed = false;
  const watch = new ResizeObserver(throttle(() => {
    if (!placed && grid.clientHeight && at[0] > 0) scroll.show(at[0]);
    placed ||= grid.clientHeight > 0;
    drawRows();
  }, 60));
  watch.observe(grid);
  signal?.addEventListener("abort", () => { watch.disconnect(); store.stop(); scroll.stop(); });
  showDetail();
}
PARTS.table = render_table;
