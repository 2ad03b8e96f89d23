// One cell of a table: text by textContent only, with what cannot be seen made visible.
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;

// Control and direction characters as their code, so that no value can disguise itself.
function visible(text) {
  return text.replace(UNSEEN, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
function oneLine(text) { return visible(text.replace(/\r?\n/g, "⏎").replace(/\t/g, "⇥")); }

// The word for a cell, as a screen reader and the clipboard get it.
function cellText(cell) { return cell === null ? "null" : typeof cell === "string" ? cell : cell.t; }

// A small line with bars up and down from the middle: the sketch of a vector.
function vectorSketch(heights, wide = 64, high = 16) {
  const step = wide / heights.length, middle = high / 2;
  const path = heights.map((v, i) => `M${(i * step + step / 2).toFixed(1)} ${middle}V${(middle - v * (middle - 1)).toFixed(1)}`).join("");
  return svg("svg", { class: "lnb-tv-vec", viewBox: `0 0 ${wide} ${high}`, "aria-hidden": "true" },
    svg("path", { d: `M0 ${middle}H${wide}`, class: "axis" }), svg("path", { d: path, "stroke-width": Math.max(0.8, step - 0.8) }));
}

function fillCell(box, cell, column, picture) {
  box.classList.toggle("lnb-n", column.num);
  box.classList.remove("lnb-tv-null", "lnb-tv-soft", "lnb-tv-blank");
  if (picture) {
    box.replaceChildren(h("img", { src: picture, alt: cellText(cell), draggable: "false" }));
    return;
  }
  if (cell === null) {
    box.classList.add("lnb-tv-null");
    box.textContent = "null";
  } else if (cell === "") {
    box.classList.add("lnb-tv-blank");
    box.textContent = "empty text";
  } else if (typeof cell === "string") {
    box.textContent = oneLine(cell);
  } else if (cell.k === "vec") {
    box.replaceChildren(cell.s.length ? vectorSketch(cell.s) : "", h("span", { class: "lnb-tv-soft", text: cell.t }));
  } else {
    box.textContent = oneLine(cell.t) + (cell.n ? "…" : "");
    box.classList.toggle("lnb-tv-soft", cell.k === "bin" || cell.k === "img" || cell.k === "aud");
  }
}

// Pixels a column wants: what its first rows and its name need, within reason.
const ruler = document.createElement("canvas").getContext("2d");
function wishedWidth(column, cells, font) {
  const wide = (text, size) => { ruler.font = `${size} ${font}`; return ruler.measureText(text.slice(0, 60)).width + 24; };
  let wish = Math.max(wide(column.name, "600 12px") + 14, wide(column.type, "11px"), column.fit ? 144 : 104);
  for (const cell of cells) {
    const coded = cell?.k === "vec" || cell?.k === "bin" ? 8 : 0;
    wish = Math.max(wish, wide(cellText(cell), "12px") + (cell?.k === "vec" ? 72 : coded));
  }
  return Math.ceil(Math.min(column.role === "text" ? 360 : 280, wish));
}

// Set traits, and ask for nothing: a kernel may sleep over a change until the next message, and a
// question is repeated until it is answered.
function keeper(model, ask) {
  return (values) => { save(model, values); ask("nothing").catch(() => {}); };
}

// Pages of rows from the kernel: only what is looked at is asked for, and kept for a while.
function rowStore(ask, model, changed, failed) {
  const SIZE = 50, KEEP = 120;
  let pages = new Map(), asked = new Set(), wanted = [0, 0], timer = null, urls = [];
  const columns = () => model.get("shown");
  const keyOf = () => `${model.get("epoch")}/${columns().join()}`;
  let key = keyOf();

  function clear() {
    urls.forEach((url) => URL.revokeObjectURL(url));
    pages = new Map(); asked = new Set(); urls = []; key = keyOf();
  }
  function fetchNow() {
    const [first, last] = wanted;
    for (let page = Math.floor(first / SIZE); page * SIZE <= last; page++) if (!pages.has(page)) fetchPage(page, page * SIZE, SIZE);
  }
  // An answer may hold fewer rows than asked for: no message is large. The rest is asked for again.
  async function fetchPage(page, offset, limit) {
    const mark = `${page}/${offset}`, mine = key;
    if (asked.has(mark)) return;
    asked.add(mark);
    try {
      const { body, buffers } = await ask("rows", { offset, limit, columns: columns(), epoch: model.get("epoch") });
      if (mine !== key || !body.rows) return;
      const held = pages.get(page) ?? [];
      body.rows.forEach((cells, i) => { held[offset - page * SIZE + i] = { number: body.numbers[i], cells, pictures: {} }; });
      body.pictures.forEach(([row, place, mime], i) => {
        const url = URL.createObjectURL(new Blob([buffers[i]], { type: mime }));
        urls.push(url);
        held[offset - page * SIZE + row].pictures[place] = url;
      });
      pages.set(page, held);
      for (const old of pages.keys()) { if (pages.size <= KEEP) break; if (old !== page) pages.delete(old); }
      asked.delete(mark);
      changed();
      const got = body.rows.length;
      if (got && got < limit && offset + got < model.get("count")) fetchPage(page, offset + got, limit - got);
    } catch (error) {
      asked.delete(mark);
      if (mine === key) failed(error);
    }
  }
  return {
    clear,
    stale: () => key !== keyOf(),
    row: (i) => pages.get(Math.floor(i / SIZE))?.[i % SIZE],
    sample: () => (pages.get(0) ?? pages.values().next().value ?? []).filter(Boolean).slice(0, 30),
    want(first, last, now = false) {
      wanted = [first, last];
      clearTimeout(timer);
      if (now) fetchNow(); else timer = setTimeout(fetchNow, 40);
    },
    stop() { clearTimeout(timer); clear(); },
  };
}
