// Drawings of one tensor: histogram as SVG, heat map on a canvas.

// Viridis at eleven places; between them colours are mixed.
const RAMP = [[68, 1, 84], [72, 36, 117], [65, 68, 135], [53, 95, 141], [42, 120, 142], [33, 145, 140], [34, 168, 132], [68, 191, 112], [122, 209, 81], [189, 223, 38], [253, 231, 37]];
// Centred at zero: orange above, blue below, the page's own background between; what is no number is pink.
const ABOVE = [225, 87, 12], BELOW = [25, 118, 210], ODD = [214, 51, 132];

function ramp(share) {
  const x = Math.max(0, Math.min(1, share)) * (RAMP.length - 1), i = Math.min(RAMP.length - 2, Math.floor(x));
  return RAMP[i].map((c, k) => Math.round(c + (RAMP[i + 1][k] - c) * (x - i)));
}
const COLOURS = Array.from({ length: 256 }, (_, i) => ramp(i / 255));

function paintCells(canvas, cells, [tall, wide], { low, high, signed }) {
  canvas.width = wide;
  canvas.height = tall;
  if (!tall || !wide) return;
  const pen = canvas.getContext("2d"), image = pen.createImageData(wide, tall), span = high - low || 1;
  for (let i = 0; i < cells.length; i++) {
    const v = cells[i];
    let colour = ODD, alpha = 255;
    if (Number.isFinite(v)) {
      if (signed) { colour = v < 0 ? BELOW : ABOVE; alpha = Math.round(255 * Math.min(1, Math.abs(v) / (high || 1))); }
      else colour = COLOURS[Math.round(255 * Math.max(0, Math.min(1, high > low ? (v - low) / span : 0.5)))];
    }
    image.data.set(colour, 4 * i);
    image.data[4 * i + 3] = alpha;
  }
  pen.putImageData(image, 0, 0);
}

function paintBar(canvas, { low, high, signed }) {
  const cells = Float32Array.from({ length: 256 }, (_, i) => low + ((high - low) * i) / 255);
  paintCells(canvas, cells, [1, 256], { low, high, signed });
}

// Room for a picture of this shape: values stay square unless it would become a thread.
const HIGHEST = 280, LARGEST = 24;
function room([tall, wide], most) {
  if (tall === 1) return [Math.min(most, Math.max(120, wide * LARGEST)), 40];
  const ratio = wide / tall, shown = Math.max(0.25, Math.min(10, ratio));
  if (shown !== ratio) { const width = Math.min(most, HIGHEST * shown); return [width, width / shown]; }
  const cell = Math.min(most / wide, HIGHEST / tall, LARGEST), whole = cell >= 4 ? Math.floor(cell) : cell;
  return [wide * whole, tall * whole];
}

// Where a column lies in a tensor whose first dimension is laid against all others.
function unravel(column, shape) {
  const out = [];
  for (const n of [...shape].reverse()) { out.unshift(column % n); column = Math.floor(column / n); }
  return out;
}

// heatMap(): {box, draw(title, facts, map, cells, most)}; the pointer or the arrow keys tell single values.
function heatMap() {
  const caption = h("figcaption"), canvas = h("canvas", { class: "lnb-tp-heat", tabindex: "0", role: "img" });
  const bar = h("canvas", { class: "lnb-tp-bar", "aria-hidden": "true" }), low = h("span"), high = h("span");
  const value = h("span", { class: "lnb-tp-value", role: "status" }), mark = h("i", { class: "lnb-tp-mark", hidden: true, "aria-hidden": "true" });
  const frame = h("div", { class: "lnb-tp-frame" }, canvas, mark);
  const box = h("figure", { class: "lnb-tp-map" }, caption, frame, h("div", { class: "lnb-tp-scale" }, low, bar, high), value);
  let facts = null, cells = null, at = [0, 0];
  const spot = (r, c) => {
    const [tall, wide] = facts.shape;
    if (!tall || !wide) return;
    at = [Math.max(0, Math.min(tall - 1, r)), Math.max(0, Math.min(wide - 1, c))];
    const v = cells[at[0] * wide + at[1]], [deep, broad] = facts.block;
    const place = (from, block, of) => { const first = facts[from][of]; return block > 1 ? `${first}…` : `${first}`; };
    const laid = facts.others.length && broad === 1 ? `${place("rows", deep, at[0])}, ${unravel(facts.columns[at[1]], facts.others).join(", ")}` : "";
    const where = facts.axes.length < 2 && !facts.others.length ? place("columns", broad, at[1]) : laid || `${place("rows", deep, at[0])}, ${place("columns", broad, at[1])}`;
    const word = Number.isNaN(v) ? "NaN" : Number.isFinite(v) ? short(v) : v > 0 ? "+∞" : "−∞";
    say(value, `[${where}]  ${deep * broad > 1 ? "mean " : ""}${facts.complex ? "magnitude " : ""}${word}`);
    mark.hidden = false;
    for (const [key, x] of [["left", at[1] / wide], ["top", at[0] / tall], ["width", 1 / wide], ["height", 1 / tall]]) mark.style[key] = `${100 * x}%`;
  };
  const leave = () => { mark.hidden = true; if (facts) say(value, rest()); };
  const rest = () => [facts.map.nan ? `${count(facts.map.nan)} NaN` : "", facts.map.inf ? `${count(facts.map.inf)} infinite` : ""].filter(Boolean).join(", ") || `${count(facts.size[0])} × ${count(facts.size[1])}`;
  canvas.addEventListener("pointermove", (event) => {
    if (!facts) return;
    const edge = canvas.getBoundingClientRect(), [tall, wide] = facts.shape;
    spot(Math.floor(((event.clientY - edge.top) / edge.height) * tall), Math.floor(((event.clientX - edge.left) / edge.width) * wide));
  });
  canvas.addEventListener("pointerleave", leave);
  canvas.addEventListener("blur", leave);
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] }[event.key];
    if (!step || !facts) return;
    event.preventDefault();
    event.stopPropagation();
    spot(at[0] + step[0], at[1] + step[1]);
  });
  const draw = (title, all, map, found, most) => {
    facts = { ...all, map };
    cells = found;
    at = [0, 0];
    say(caption, title);
    caption.hidden = !title;
    const ends = { ...map, low: Number(map.low), high: Number(map.high) };
    paintCells(canvas, cells, all.shape, ends);
    paintBar(bar, ends);
    const [width, height] = room(all.size[0] && all.size[1] ? all.size : [1, 1], most);
    box.style.setProperty("--w", `${Math.round(width)}px`);
    frame.style.aspectRatio = `${Math.round(width)} / ${Math.round(height)}`;
    canvas.setAttribute("aria-label", `${title || "values"}, ${all.size[0]} by ${all.size[1]}, from ${short(ends.low)} to ${short(ends.high)}; arrow keys tell values`);
    say(low, `${map.signed ? "≤ " : ""}${short(ends.low)}`);
    say(high, ends.high > ends.low ? `≥ ${short(ends.high)}` : "");
    leave();
  };
  return { box, draw };
}

// Bars of one side, or of two over one another: the second as a line, so that both are seen.
function barsOf(found, sides, log, width) {
  const W = Math.max(240, width || 460), H = 176, left = 46, base = H - 22, wide = W - left - 6, deep = base - 8;
  const value = (n) => (log ? Math.log10(1 + n) : n), top = Math.max(...found.counts.flat().map(value), 1e-9);
  const low = Number(found.low), high = Number(found.high), n = found.counts[0].length, step = wide / n;
  const what = `Histogram of ${sides.length ? sides.join(" and ") : "values"} from ${short(low)} to ${short(high)}`;
  const picture = svg("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": what }, svg("title", { text: what }));
  const tall = (amount) => (amount ? Math.max(1, (value(amount) / top) * deep) : 0);
  found.counts[0].forEach((amount, i) => {
    if (!amount) return;
    const from = low + ((high - low) * i) / n, to = low + ((high - low) * (i + 1)) / n;
    picture.append(svg("rect", { class: sides.length ? "bar lnb-tp-first" : "bar", x: left + i * step + 0.5, y: base - tall(amount), width: Math.max(0.5, step - 1), height: tall(amount) }, svg("title", { text: `${short(from)} to ${short(to)}: ${count(amount)}` })));
  });
  if (found.counts[1]) {
    const line = found.counts[1].map((amount, i) => `${i ? "L" : "M"}${left + i * step} ${base - tall(amount)}H${left + (i + 1) * step}`).join("");
    picture.append(svg("path", { class: "lnb-tp-second", d: line }));
  }
  const x = (v) => left + ((v - low) / (high - low || 1)) * wide;
  if (low < 0 && high > 0) picture.append(svg("line", { class: "zero", x1: x(0), x2: x(0), y1: 8, y2: base }));
  picture.append(svg("line", { class: "axis", x1: left, x2: W - 6, y1: base + 0.5, y2: base + 0.5 }));
  const centre = low < 0 && high > 0 && -low / (high - low) > 0.15 && -low / (high - low) < 0.85 ? 0 : (low + high) / 2;
  for (const [v, anchor] of [[low, "start"], [centre, "middle"], [high, "end"]]) picture.append(svg("text", { x: x(v), y: H - 6, "text-anchor": anchor, text: short(v) }));
  picture.append(svg("text", { x: left - 6, y: 16, "text-anchor": "end", text: compact(Math.max(...found.counts.flat())) }), svg("text", { x: left - 6, y: base, "text-anchor": "end", text: "0" }));
  return picture;
}
function compact(n) { return n < 10000 ? count(n) : n < 1e6 ? `${Number((n / 1e3).toPrecision(3))} k` : `${Number((n / 1e6).toPrecision(3))} M`; }
