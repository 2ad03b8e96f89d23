// The list of tensors as a tree of modules: narrowed, sorted, drawn only where one looks.
const ROW = 26;

// Build nodes: {name, path, kids: Map, tensor}; modules sum up what is in them.
function moduleTree(tensors) {
  const top = { path: "", name: "", kids: new Map(), leaves: [] };
  for (const tensor of tensors) {
    const parts = tensor.name.split(".");
    let node = top;
    for (let i = 0; i < parts.length - 1; i++) {
      const path = parts.slice(0, i + 1).join(".");
      if (!node.kids.has(path)) node.kids.set(path, { path, name: parts[i], kids: new Map(), leaves: [] });
      node = node.kids.get(path);
    }
    node.leaves.push({ path: tensor.name, name: parts[parts.length - 1], tensor });
  }
  liftLone(top);
  return top;
}

// A module of one tensor is shown as that tensor: "conv1.weight" rather than a fold around it.
function liftLone(node) {
  for (const [path, kid] of [...node.kids]) {
    liftLone(kid);
    if (kid.kids.size || kid.leaves.length !== 1) continue;
    node.kids.delete(path);
    node.leaves.push({ ...kid.leaves[0], name: `${kid.name}.${kid.leaves[0].name}` });
  }
}

function sumUp(node) {
  node.items = [...node.kids.values(), ...node.leaves];
  node.total = { count: 0, nbytes: 0, tensors: 0, first: Infinity, change: -1, differs: 0 };
  for (const item of node.items) {
    if (item.kids) sumUp(item);
    const own = item.tensor, sum = item.total;
    node.total.tensors += own ? 1 : sum.tensors;
    node.total.count += own ? (own.alias ? 0 : own.count) : sum.count;
    node.total.nbytes += own ? (own.alias ? 0 : own.nbytes) : sum.nbytes;
    node.total.first = Math.min(node.total.first, own ? own.seq : sum.first);
    node.total.change = Math.max(node.total.change, own ? Number(own.change ?? -1) : sum.change);
    node.total.differs += own ? Number(own.what !== "" && own.what !== "same") : sum.differs;
  }
}

function sorter(key) {
  const down = key.startsWith("-"), name = key.replace("-", ""), sign = down ? -1 : 1;
  const value = (item) => {
    const own = item.tensor, sum = item.total;
    if (name === "name") return item.path;
    if (name === "count" || name === "nbytes" || name === "change") return own ? Number(own[name] ?? -1) : sum[name];
    if (name === "zeros") return own ? Number(own.zeros ?? -1) : -1;
    if (name === "dtype" || name === "what") return own ? own[name] : "";
    if (name === "shape") return own ? own.shape.length * 1e12 + (own.shape[0] ?? 0) : -1;
    return own ? own.seq : sum.first;
  };
  return (a, b) => {
    const x = value(a), y = value(b);
    return sign * (typeof x === "string" ? x.localeCompare(y, "en", { numeric: true }) : x - y) || (a.tensor?.seq ?? a.total.first) - (b.tensor?.seq ?? b.total.first);
  };
}

// A glob (* ?) fits the whole name, other words any part of it.
function matcher(words) {
  const text = words.trim().toLowerCase();
  if (!text) return () => true;
  if (!/[*?]/.test(text)) return (name) => name.toLowerCase().includes(text);
  const glob = new RegExp(`^${text.replace(/[.+^${}()|[\]\\]/g, "\\$&").replace(/\*+/g, ".*").replace(/\?/g, ".")}$`);
  return (name) => glob.test(name.toLowerCase());
}

// tensorTree(model, choose): {box, set(tensors), draw()}; choose(name) is called for Enter and clicks.
function tensorTree(model, choose) {
  const compared = () => model.get("sides").length === 2;
  const COLUMNS = () => [["name", "name"], ...(compared() ? [["what", "difference"], ["change", "change"]] : []), ["shape", "shape"], ["dtype", "type"], ...(compared() ? [] : [["count", "parameters"]]), ["nbytes", "size"], ...(compared() ? [] : [["zeros", "zeros"]])];
  const id = `lnb-tt-${Math.random().toString(36).slice(2, 8)}`;
  const head = h("div", { class: "lnb-tt-head", role: "row" }), body = h("div", { class: "lnb-tt-body", role: "rowgroup" });
  const box = h("div", { class: "lnb-tt", role: "treegrid", tabindex: "0", "aria-label": "tensors", "aria-describedby": `${id}-keys` }, h("div", { class: "lnb-tt-top", role: "rowgroup" }, head), body);
  const keys = h("span", { class: "lnb-aloud", id: `${id}-keys`, text: "Arrow keys move, right and left unfold and fold a module, Enter shows a tensor, letters jump to a name." });
  const none = h("p", { class: "lnb-empty", hidden: true }), wrap = h("div", { class: "lnb-tt-wrap" }, box, none, keys);
  let tensors = [], rows = [], at = 0, typed = "", typedAt = 0, lines = new Map();
  const titles = new Map();

  function arrange() {
    const here = rows[at]?.item.path, fits = matcher(model.get("pattern"));
    const only = compared() && model.get("changed_only"), narrowed = model.get("pattern").trim() !== "";
    const found = tensors.filter((each) => fits(each.name) && !(only && each.what === "same"));
    const order = sorter(model.get("sort")), opened = new Set(model.get("opened"));
    rows = [];
    if (model.get("flat")) {
      const leaves = found.map((tensor) => ({ path: tensor.name, name: tensor.name, tensor })).sort(order);
      rows = leaves.map((item, i) => ({ item, level: 1, place: i + 1, of: leaves.length, parent: -1 }));
    } else {
      const top = moduleTree(found);
      sumUp(top);
      const walk = (node, level, parent) => node.items.sort(order).forEach((item, i) => {
        const open = item.kids ? narrowed || opened.has(item.path) : undefined, mine = rows.length;
        rows.push({ item, level, open, place: i + 1, of: node.items.length, parent });
        if (open) walk(item, level + 1, mine);
      });
      walk(top, 1, -1);
    }
    at = Math.max(0, Math.min(rows.length - 1, rows.findIndex((row) => row.item.path === here)));
    none.hidden = rows.length > 0;
    box.hidden = !none.hidden;
    say(none, tensors.length ? (only && !narrowed ? "No tensor differs." : "No tensor fits. Clear the filter to see all.") : "There are no tensors.");
    body.style.height = `${rows.length * ROW}px`;
    box.style.setProperty("--rows", rows.length);
    box.setAttribute("aria-rowcount", rows.length + 1);
    heads();
    paint();
  }

  function heads() {
    const [sort, down] = [model.get("sort").replace("-", ""), model.get("sort").startsWith("-")];
    wrap.dataset.sides = compared() ? "2" : "1";
    hold(head, COLUMNS().map(([key, title]) => {
      if (!titles.has(key)) titles.set(key, titleOf(key));
      const one = titles.get(key), state = sort === key ? (down ? "descending" : "ascending") : "none";
      one.setAttribute("aria-sort", state);
      say(one.firstChild, title + (state === "none" ? "" : down ? " ↓" : " ↑"));
      return one;
    }));
  }
  function titleOf(key) {
    const first = NUMERIC.has(key) ? `-${key}` : key, second = NUMERIC.has(key) ? key : `-${key}`;
    const turn = () => save(model, { sort: { [first]: second, [second]: "" }[model.get("sort")] ?? first });
    return h("span", { role: "columnheader", class: `lnb-tt-c-${key}${NUMERIC.has(key) ? " lnb-tt-n" : ""}` }, h("button", { type: "button", tabindex: "-1", class: "lnb-tt-sort", on: { click: turn } }));
  }

  function cells({ item, level, open }) {
    const own = item.tensor, sum = item.total;
    const zeros = own ? (own.zeros === undefined ? "—" : `${Number((100 * own.zeros).toPrecision(3))} %`) : "";
    const change = own ? (own.what === "changed" || own.what === "unknown" ? (own.change === undefined ? "—" : own.change === null ? "" : short(Number(own.change))) : "") : "";
    const texts = { what: own ? own.what : sum.differs ? `${count(sum.differs)} of ${count(sum.tensors)}` : "", change, shape: own ? own.shape.join(" × ") || "scalar" : compared() ? "" : `${count(sum.tensors)} tensor${sum.tensors === 1 ? "" : "s"}`, dtype: own?.dtype ?? "", count: count(own ? own.count : sum.count), nbytes: own?.alias ? "shared" : bytes(own ? own.nbytes : sum.nbytes), zeros };
    return COLUMNS().map(([key]) => key === "name"
      ? h("span", { role: "gridcell", class: "lnb-tt-name", style: { "--level": level }, title: own?.alias ? `${item.path}: shares the storage of ${own.alias}` : item.path },
        h("i", { class: own ? "" : "lnb-tt-fold", "aria-hidden": "true", data: own ? {} : { open } }), h("span", { class: "lnb-cut", text: item.name || "(no name)" }), own?.alias ? h("small", { class: "lnb-tt-alias", text: `= ${own.alias}` }) : null)
      : h("span", { role: "gridcell", class: `lnb-cut lnb-tt-c-${key}${NUMERIC.has(key) ? " lnb-tt-n" : ""}`, title: key === "shape" || key === "dtype" ? texts[key] : undefined, data: key === "what" && own ? { what: own.what } : {}, text: texts[key] }));
  }

  function paint() {
    const first = Math.max(0, Math.floor(box.scrollTop / ROW) - 6), many = Math.ceil((box.clientHeight || 420) / ROW) + 12, chosen = model.get("selected");
    const drawn = new Map();
    rows.slice(first, first + many).forEach((row, i) => {
      const own = row.item.tensor, n = first + i;
      const fresh = h("div", {
        class: "lnb-tt-row", role: "row", id: `${id}-${n}`, style: { top: `${n * ROW}px` }, "aria-rowindex": n + 2, "aria-level": row.level, "aria-posinset": row.place, "aria-setsize": row.of,
        "aria-expanded": row.open === undefined ? undefined : String(row.open), "aria-selected": String(Boolean(own) && own.name === chosen), data: n === at ? { active: "" } : {},
      }, ...cells(row));
      const key = `${own ? "tensor" : "module"} ${row.item.path}`, line = lines.get(key) ?? fresh;
      if (line !== fresh) renew(line, fresh);
      drawn.set(key, line);
    });
    hold(body, [...drawn.values()]);
    lines = drawn;
    if (rows[at] && at >= first && at < first + many) box.setAttribute("aria-activedescendant", `${id}-${at}`);
    else box.removeAttribute("aria-activedescendant");
  }

  function go(n) {
    at = Math.max(0, Math.min(rows.length - 1, n));
    const top = at * ROW, room = box.clientHeight - ROW;
    if (top < box.scrollTop) box.scrollTop = top;
    else if (top + ROW > box.scrollTop + room) box.scrollTop = top + ROW - room;
    paint();
  }
  function unfold(row, open) {
    const paths = new Set(model.get("opened"));
    paths[open ? "add" : "delete"](row.item.path);
    save(model, { opened: [...paths].sort() });
  }
  function enter() {
    const row = rows[at];
    if (!row) return;
    if (row.item.tensor) choose(row.item.tensor.name);
    else if (model.get("pattern").trim() === "") unfold(row, !row.open);
    paint();
  }
  function jump(letter) {
    typed = Date.now() - typedAt < 700 ? typed + letter : letter;
    typedAt = Date.now();
    const from = typed.length === 1 ? at + 1 : at;
    for (let i = 0; i < rows.length; i++) {
      const n = (from + i) % rows.length;
      if (rows[n].item.name.toLowerCase().startsWith(typed)) return go(n);
    }
  }
  body.addEventListener("click", (event) => {
    const line = event.target.closest("[role=row]");
    if (line) { at = Number(line.getAttribute("aria-rowindex")) - 2; enter(); box.focus(); }
  });
  box.addEventListener("keydown", (event) => {
    if (event.target !== box || event.altKey || event.ctrlKey || event.metaKey) return;
    const row = rows[at], page = Math.max(1, Math.floor(box.clientHeight / ROW) - 2);
    const step = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1, PageDown: at + page, PageUp: at - page }[event.key];
    if (step !== undefined) go(step);
    else if (event.key === "ArrowRight") { if (row?.open === false) unfold(row, true); else if (row?.open) go(at + 1); }
    else if (event.key === "ArrowLeft") { if (row?.open && model.get("pattern").trim() === "") unfold(row, false); else if (row && row.parent >= 0) go(row.parent); }
    else if (event.key === "Enter" || (event.key === " " && Date.now() - typedAt > 700)) enter();
    else if (event.key.length === 1) jump(event.key.toLowerCase());
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  box.addEventListener("scroll", () => requestAnimationFrame(paint), { passive: true });
  return { wrap, box, set: (found) => { tensors = found; arrange(); }, arrange, paint, shown: () => rows.filter((row) => row.item.tensor).length };
}
const NUMERIC = new Set(["change", "count", "nbytes", "zeros"]);
