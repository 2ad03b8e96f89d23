// Column heads: name, type, order, and the figures of the column in a few strokes.
function miniBars(bars, label, wide = 96, high = 22) {
  const top = Math.max(1, ...bars), step = wide / bars.length;
  const picture = svg("svg", { class: "lnb-tv-bars", viewBox: `0 0 ${wide} ${high}`, role: "img", "aria-label": label, preserveAspectRatio: "none" });
  bars.forEach((n, i) => {
    if (!n) return;
    const tall = Math.max(1, (n / top) * (high - 1));
    picture.append(svg("rect", { class: "bar", x: (i * step).toFixed(2), y: (high - tall).toFixed(2), width: Math.max(0.6, step - Math.min(1, step / 4)).toFixed(2), height: tall.toFixed(2) }));
  });
  return picture;
}

// Shares of the most frequent values as one strip, the rest pale.
function topStrip(facts) {
  const known = facts.rows - facts.nulls, strip = h("div", { class: "lnb-tv-strip", "aria-hidden": "true" });
  for (const [, times] of facts.top) strip.append(h("i", { style: { width: `${((100 * times) / known).toFixed(2)}%` } }));
  return strip;
}

function distinctText(facts) {
  if (facts.distinct === undefined) return "";
  return `${facts.approx ? "≈ " : ""}${count(facts.distinct)} distinct`;
}
function nullText(facts) {
  if (!facts.nulls) return "no nulls";
  const part = (100 * facts.nulls) / facts.rows;
  return `${part < 0.1 ? "< 0.1" : part > 99.9 && part < 100 ? "> 99.9" : String(Number(part.toPrecision(2)))} % null`;
}

// The figures of a column as names and values, for the pane and for tooltips.
function figures(facts) {
  const list = [["rows measured", count(facts.rows)], ["null", facts.nulls ? `${count(facts.nulls)} (${nullText(facts)})` : "0"]];
  if (facts.role === "bool") return [...list, ["true", count(facts.true)], ["false", count(facts.known - facts.true)]];
  list.push([facts.approx ? "distinct (estimate)" : "distinct", `${facts.approx ? "≈ " : ""}${count(facts.distinct)}`]);
  const of = facts.role === "text" ? " characters" : "";
  for (const [name, key] of [["least", "min"], ["most", "max"], ["mean", "mean"]]) {
    const word = facts.role === "text" ? { least: "shortest", most: "longest", mean: "mean length" }[name] : { least: "min", most: "max", mean: "mean" }[name];
    if (facts[key] !== undefined) list.push([word, facts[key] + of]);
  }
  if (facts.words !== undefined) list.push(["mean words", facts.words]);
  if (facts.odd) list.push(["NaN or infinite", count(facts.odd)]);
  return list;
}

function headSketch(facts) {
  if (facts.role === "bool") {
    const part = facts.known ? facts.true / facts.known : 0;
    return [h("div", { class: "lnb-tv-strip", "aria-hidden": "true" }, h("i", { style: { width: `${(100 * part).toFixed(1)}%` } })), `${(100 * part).toFixed(0)} % true`];
  }
  const known = facts.rows - facts.nulls, few = facts.role === "text" && facts.top.length && facts.top[0][1] * 25 >= known;
  if (few) return [topStrip(facts), facts.top[0][0] || "empty text"];
  const ends = [facts.min, facts.max].map((end) => (facts.role === "number" ? short(Number(end)) : facts.role === "time" ? String(end).slice(0, 10) : end)).join(" – ");
  const same = facts.role === "number" && facts.min !== facts.max && short(Number(facts.min)) === short(Number(facts.max));
  if (facts.bars.length) return [miniBars(facts.bars, "distribution"), facts.role === "text" ? `${ends} chars` : same ? `from ${facts.min}` : ends];
  if (facts.top.length) return [topStrip(facts), facts.top[0][0]];
  return [null, facts.min === undefined ? "" : facts.min];
}

const ORDER = { asc: ["↑", "ascending"], desc: ["↓", "descending"] };

// Draw one head; the box is the columnheader, what else is in it stays behind the head.
function fillHead(box, column, facts, way) {
  const arrow = ORDER[way];
  box.setAttribute("aria-sort", arrow ? arrow[1] : "none");
  const name = h("div", { class: "lnb-tv-name" }, h("b", { text: oneLine(column.name) || "(no name)" }), arrow && h("span", { class: "lnb-tv-arrow", text: arrow[0], "aria-hidden": "true" }));
  const kind = h("small", { text: column.type });
  const box2 = h("div", { class: "lnb-tv-figures" });
  if (facts?.rows) {
    const [sketch, words] = headSketch(facts);
    box2.append(sketch ?? h("div", { class: "lnb-tv-bars" }), h("small", { class: "lnb-cut", text: oneLine(words) }), h("small", { class: "lnb-cut", text: [facts.nulls ? nullText(facts) : "", facts.role === "bool" ? "" : distinctText(facts)].filter(Boolean).join(" · ") }));
    box2.title = `${figures(facts).map(([k, v]) => `${k}: ${v}`).join("\n")}\nClick for all figures.`;
  } else if (!column.fit) box2.append(h("small", { class: "lnb-tv-none", text: "not measured" }));
  name.title = `${column.name}\n${column.whole}\nClick to sort.`;
  [name, kind, box2].forEach((part, i) => { if (box.children[i]) renew(box.children[i], part); else box.append(part); });
}

// Choosing columns: a fold with a search box and one checkbox per column.
function columnChooser(model, id, keep) {
  const find = h("input", { type: "search", class: "lnb-tv-input", placeholder: "Find a column", "aria-label": "Find a column" });
  const list = h("div", { class: "lnb-tv-list", role: "group", "aria-label": "Columns shown" });
  const heard = h("p", { class: "lnb-tv-note", role: "status" });
  const first = h("button", { type: "button", class: "lnb-button lnb-quiet", text: "First 30" });
  const none = h("button", { type: "button", class: "lnb-button lnb-quiet", text: "Only one" });
  const word = h("summary", { class: "lnb-button" });
  const fold = h("details", { class: "lnb-tv-choose" }, word, h("div", { class: "lnb-tv-sheet" }, find, list, h("div", { class: "lnb-buttons" }, first, none), heard));
  const MOST = 100;
  const put = (shown) => {
    say(heard, shown.length > MOST ? `At most ${MOST} columns at once.` : "");
    keep({ shown: [...shown].sort((a, b) => a - b).slice(0, MOST) });
  };
  first.addEventListener("click", () => put(model.get("columns").slice(0, 30).map((_, i) => i)));
  none.addEventListener("click", () => put(model.get("shown").slice(0, 1)));
  find.addEventListener("input", () => {
    const part = find.value.toLowerCase();
    for (const row of list.children) row.hidden = !row.dataset.name.includes(part);
  });
  fold.addEventListener("keydown", (event) => { if (event.key === "Escape") { fold.open = false; word.focus(); event.stopPropagation(); } });
  fold.addEventListener("focusout", (event) => { if (event.relatedTarget && !fold.contains(event.relatedTarget)) fold.open = false; });
  let drawn = null;
  function draw() {
    const columns = model.get("columns"), shown = new Set(model.get("shown"));
    say(word, `Columns ${shown.size === columns.length ? columns.length : `${shown.size} of ${columns.length}`}`);
    if (drawn !== columns) {
      drawn = columns;
      list.replaceChildren(...columns.map((column, i) => {
        const tick = h("input", { type: "checkbox", id: `${id}-c${i}` });
        tick.addEventListener("change", () => {
          const now = new Set(model.get("shown"));
          if (tick.checked) now.add(i); else now.delete(i);
          if (now.size) put(now); else { tick.checked = true; say(heard, "One column has to stay."); }
        });
        return h("label", { for: tick.id, data: { name: column.name.toLowerCase() } }, tick, h("span", { class: "lnb-cut", text: oneLine(column.name) }), h("small", { text: column.type }));
      }));
    }
    [...list.children].forEach((row, i) => { row.firstChild.checked = shown.has(i); });
    fold.hidden = columns.length < 2;
  }
  return { fold, draw };
}
