// One panel of curves: scales, ticks, lines, crosshair. Knows nothing of the widget around it.
const EDGE = { left: 52, right: 12, top: 8, bottom: 24, high: 190 };
const HUES = 6;
const SHAPES = [
  (x, y, r) => `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`,
  (x, y, r) => `M${x - r} ${y - r}h${2 * r}v${2 * r}h${-2 * r}z`,
  (x, y, r) => `M${x} ${y - 1.3 * r}L${x + 1.2 * r} ${y + r}H${x - 1.2 * r}z`,
  (x, y, r) => `M${x} ${y - 1.4 * r}L${x + 1.4 * r} ${y}L${x} ${y + 1.4 * r}L${x - 1.4 * r} ${y}z`,
  (x, y, r) => `M${x} ${y + 1.3 * r}L${x + 1.2 * r} ${y - r}H${x - 1.2 * r}z`,
  (x, y, r) => `M${x - r} ${y - r}L${x + r} ${y + r}M${x - r} ${y + r}L${x + r} ${y - r}`,
];
// From the seventh run on the colours come again, with other marks.
const hue = (run) => `r${run % HUES}`;
const shape = (run) => SHAPES[(run + Math.floor(run / HUES)) % SHAPES.length];

function swatch(run, part) {
  const line = svg("path", { d: "M1 6H23", class: `lnb-part-${part || "train"} ${run === null ? "" : hue(run)}`, "stroke-width": "2", fill: "none" });
  const mark = run === null ? null : svg("path", { class: `lnb-mark ${hue(run)}`, d: shape(run)(12, 6, 3) });
  return svg("svg", { class: "lnb-swatch", viewBox: "0 0 24 12", "aria-hidden": "true" }, line, mark);
}

// Index of the nearest position; xs never falls.
function nearest(xs, x) {
  let low = 0, high = xs.length - 1;
  while (low < high) { const mid = (low + high) >> 1; if (xs[mid] < x) low = mid + 1; else high = mid; }
  return low > 0 && x - xs[low - 1] <= xs[low] - x ? low - 1 : low;
}

function ticks(low, high, wanted) {
  const rough = (high - low) / Math.max(1, wanted), size = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((k) => k * size).find((k) => k >= rough * 0.999) ?? size;
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9 && found.length < 50; i++) found.push(i * step);
  return { step, found };
}

function logTicks(low, high) {
  const from = Math.floor(Math.log10(low)), to = Math.ceil(Math.log10(high)), found = [];
  const inner = to - from <= 2 ? [1, 2, 5] : [1], skip = Math.max(1, Math.ceil((to - from) / 5));
  for (let e = from; e <= to; e += skip) for (const k of inner) { const v = k * 10 ** e; if (v >= low * 0.999 && v <= high * 1.001) found.push(v); }
  return found;
}

// Decimals that a multiple of step needs: none for 5, one for 2.5, three for 0.025.
function decimals(step) {
  let n = 0;
  while (n < 6 && Math.abs(step * 10 ** n - Math.round(step * 10 ** n)) > 1e-6 * step * 10 ** n) n++;
  return n;
}

// A number on an axis: as many decimals as the distance of the ticks asks for.
function plain(value, step) {
  const a = Math.max(Math.abs(value), step), big = [[1e9, " G"], [1e6, " M"], [1e3, " k"]].find(([k]) => a >= 10 * k || (a >= k && k >= 1e6));
  if (value === 0) return "0";
  if (step && step < 1e-4) return value.toExponential(Math.max(0, Math.min(3, Math.floor(Math.log10(Math.abs(value))) - Math.floor(Math.log10(step)))));
  const [k, word] = big ?? [1, ""], digits = decimals((step || a / 10) / k);
  return `${(value / k).toFixed(digits).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "")}${word}`;
}

function clock(seconds, step) {
  if (step >= 3600 || seconds >= 36000) return `${plain(seconds / 3600, step / 3600 || 0.1)} h`;
  if (step >= 60 || seconds >= 600) return `${plain(seconds / 60, step / 60 || 0.1)} min`;
  return `${plain(seconds, step || 0.1)} s`;
}
const across = (axis, value, step) => (axis === "time" ? clock(value, step) : step ? plain(value, step) : axis === "step" ? count(value) : short(value));
const upward = (unit, value) => (unit === "%" ? `${short(Number(value.toPrecision(3)))} %` : unit === "rows/s" ? `${count(value)} rows/s` : short(value));

// Exponential mean, bias corrected. Its reach is a share of the picture once there are more than a
// thousand points, so that neither thinning nor growth makes a line jump.
function smoothed(xs, ys, weight, total, width) {
  const out = new Float64Array(ys.length), pace = Math.min(1000, Math.max(1, total - 1)) / (width || 1);
  let mean = 0, sum = 0;
  for (let i = 0; i < ys.length; i++) {
    if (Number.isNaN(ys[i])) { out[i] = NaN; continue; }
    const keep = i ? Math.min(weight ** ((xs[i] - xs[i - 1]) * pace), 1) : 0;
    mean = keep * mean + (1 - keep) * ys[i];
    sum = keep * sum + (1 - keep);
    out[i] = mean / (sum || 1);
  }
  return out;
}

function path(xs, ys, X, Y) {
  let d = "", pen = "M";
  for (let i = 0; i < xs.length; i++) {
    const y = Y(ys[i]);
    if (!Number.isFinite(y)) { pen = "M"; continue; }
    d += `${pen}${X(xs[i]).toFixed(1)} ${y.toFixed(1)}${pen === "M" ? "h0" : ""}`;
    pen = "L";
  }
  return d;
}

// plot(key, act): act.hover(x, key), act.leave(), act.zoom(low, high), act.key(event, key), act.log(key)
function plot(key, act) {
  const name = h("span"), unit = h("small"), log = h("button", { type: "button", class: "lnb-button lnb-log", text: "log", on: { click: () => act.log(key) } });
  const mark = `clip-${Math.random().toString(36).slice(2)}`, frame = svg("rect", { x: EDGE.left, y: 0 });
  const grid = svg("g"), lines = svg("g", { "clip-path": `url(#${mark})` }), marks = svg("g"), cursor = svg("g"), brush = svg("rect", { class: "lnb-brush", y: EDGE.top, hidden: true });
  const area = svg("svg", { role: "img", tabindex: "0" }, svg("defs", {}, svg("clipPath", { id: mark }, frame)), grid, brush, lines, marks, cursor);
  const tip = h("div", { class: "lnb-tip", hidden: true }), box = h("div", { class: "lnb-plot-box" }, area, tip);
  const el = h("figure", { class: "lnb-plot" }, h("figcaption", {}, name, unit, log), box);
  let view = null, width = 320, X = null, Y = null, back = null, press = null, drawn = new Map();

  const watch = new ResizeObserver(() => { const now = Math.max(160, Math.round(box.clientWidth)); if (now !== width) { width = now; if (view) update(view); } });
  watch.observe(box);
  const at = (event) => Math.max(EDGE.left, Math.min(width - EDGE.right, event.clientX - area.getBoundingClientRect().left));
  area.addEventListener("pointermove", (event) => {
    if (!back) return;
    if (press !== null && Math.abs(at(event) - press) > 4) { const a = Math.min(press, at(event)); fill(brush, { x: a, width: Math.abs(at(event) - press), height: EDGE.high - EDGE.top - EDGE.bottom }, []); brush.removeAttribute("hidden"); }
    act.hover(back(at(event)), key);
  });
  area.addEventListener("pointerleave", () => { if (press === null) act.leave(); });
  area.addEventListener("pointerdown", (event) => { if (event.button === 0) { press = at(event); area.setPointerCapture(event.pointerId); } });
  const lift = (event) => {
    if (press === null) return;
    const from = press, to = at(event);
    press = null;
    brush.setAttribute("hidden", "");
    if (event.type === "pointerup" && Math.abs(to - from) > 8) act.zoom(back(Math.min(from, to)), back(Math.max(from, to)));
  };
  for (const event of ["pointerup", "pointercancel"]) area.addEventListener(event, lift);
  area.addEventListener("dblclick", () => act.zoom(null));
  area.addEventListener("keydown", (event) => act.key(event, key));
  area.addEventListener("blur", () => act.leave());

  // view: {title, unit, axis, low, high, series, log, smooth, busy (more than one run), describe}
  function update(next) {
    view = next;
    say(name, view.title);
    say(unit, view.unit ? `in ${view.unit}` : "");
    const { bottom, top, step, canLog } = range(view);
    log.disabled = !canLog;
    log.setAttribute("aria-pressed", String(view.log));
    log.setAttribute("aria-label", `logarithmic axis for ${view.title}`);
    fill(area, { viewBox: `0 0 ${width} ${EDGE.high}`, "aria-label": `${view.title} by ${view.axis}: ${view.describe}. Arrow keys move the cursor, plus and minus zoom.` }, []);
    fill(frame, { width: Math.max(1, width - EDGE.left - EDGE.right), height: EDGE.high - EDGE.bottom + 2 }, []);
    const wide = width - EDGE.left - EDGE.right, tall = EDGE.high - EDGE.top - EDGE.bottom, span = view.high - view.low || 1;
    X = (x) => EDGE.left + ((x - view.low) / span) * wide;
    back = (px) => view.low + ((px - EDGE.left) / wide) * span;
    const l = view.log && canLog, f = l ? Math.log10 : (v) => v, floor = f(bottom), room = f(top) - floor || 1;
    Y = (y) => (l && !(y > 0) ? NaN : EDGE.top + (1 - (f(y) - floor) / room) * tall);
    drawGrid(l ? logTicks(bottom, top) : ticks(bottom, top, (top - bottom) / step).found, l ? 0 : step);
    drawLines();
  }

  function drawGrid(levels, step) {
    const base = EDGE.high - EDGE.bottom, kids = [], right = width - EDGE.right;
    for (const v of levels) {
      const y = Math.round(Y(v)) + 0.5;
      kids.push(svg("line", { class: "lnb-grid", x1: EDGE.left, x2: right, y1: y, y2: y }), svg("text", { x: EDGE.left - 6, y: y + 4, "text-anchor": "end", text: plain(v, step || Math.abs(v)) }));
    }
    const over = ticks(view.low, view.high, Math.max(2, Math.floor((right - EDGE.left) / 65))), whole = view.axis === "step" ? Math.max(1, over.step) : over.step;
    let end = EDGE.left - 8;
    for (const v of over.found) {
      if (view.axis === "step" && v !== Math.round(v)) continue;
      const word = across(view.axis, v, whole), half = 3.2 * word.length, x = Math.min(Math.max(X(v), EDGE.left + 2), right - half);
      if (x - half < end + 8) continue;
      end = x + half;
      kids.push(svg("line", { class: "lnb-base", x1: X(v), x2: X(v), y1: base, y2: base + 4 }), svg("text", { x, y: EDGE.high - 6, "text-anchor": "middle", text: word }));
    }
    kids.push(svg("line", { class: "lnb-base", x1: EDGE.left, x2: right, y1: base + 0.5, y2: base + 0.5 }), svg("text", { x: EDGE.left - 6, y: EDGE.high - 6, "text-anchor": "end", text: view.axis }));
    grid.replaceChildren(...kids);
  }

  function drawLines() {
    const kept = new Map(), dots = [];
    const line = (id, d, style) => { const p = drawn.get(id) ?? svg("path"); p.setAttribute("class", style); p.setAttribute("d", d); kept.set(id, p); };
    for (const s of view.series) {
      const style = `${hue(s.run)} lnb-part-${s.part || "train"}`, soft = s.soft;
      line(`${s.id} raw`, path(s.x, s.y, X, Y), soft ? `${hue(s.run)} lnb-raw` : style);
      if (soft) line(`${s.id} soft`, path(soft.x, soft.y, X, Y), style);
      const xs = soft ? soft.x : s.x, ys = soft ? soft.y : s.y, few = s.part && s.part !== "train" && s.total <= 60;
      dots.push(...marksOf(s.run, xs, ys, few));
    }
    for (const s of view.series) if (s.gap !== undefined && s.gap >= view.low && s.gap <= view.high) {
      const x = Math.round(X(s.gap)) + 0.5, flip = x > width - 70;
      dots.push(svg("line", { class: "lnb-gap", x1: x, x2: x, y1: EDGE.top, y2: EDGE.high - EDGE.bottom }), svg("text", { class: "lnb-gap-word", x: x + (flip ? -4 : 4), y: EDGE.top + 10, "text-anchor": flip ? "end" : "start", text: "no number" }));
    }
    lines.replaceChildren(...kept.values());
    marks.replaceChildren(...dots);
    drawn = kept;
  }

  // Marks tell runs apart without colour: at every point of a short line, else where 90 pixels pass.
  function marksOf(run, xs, ys, all) {
    if (!view.busy && !all) return [];
    const found = [], gap = all ? 0 : 90;
    let due = all ? -Infinity : EDGE.left + 24 + (run % 6) * 15;
    for (let i = 0; i < xs.length; i++) {
      const x = X(xs[i]), y = Y(ys[i]);
      if (x < EDGE.left - 1 || x > width - EDGE.right + 1 || !Number.isFinite(y) || x < due) continue;
      found.push(svg("path", { class: `lnb-mark ${hue(run)}`, d: shape(run)(x, y, 3) }));
      due = all ? -Infinity : due + gap * Math.max(1, Math.ceil((x - due + 0.1) / gap));
    }
    return found;
  }

  // found: {x, word, rows: [{run, panel, x, y}], told: [{run, part, name, value}]} or null; one panel has the tip.
  function point(found, tipped) {
    tip.hidden = !(found && tipped);
    if (!found || !X || found.x < view.low || found.x > view.high) { cursor.replaceChildren(); tip.hidden = true; return; }
    const x = Math.round(X(found.x)) + 0.5, mine = found.rows.filter((row) => row.panel === key && Number.isFinite(Y(row.y)));
    cursor.replaceChildren(svg("line", { class: "lnb-cross", x1: x, x2: x, y1: EDGE.top, y2: EDGE.high - EDGE.bottom }),
      ...mine.filter((row) => row.x >= view.low && row.x <= view.high).map((row) => svg("path", { class: `lnb-mark ${hue(row.run)}`, d: shape(row.run)(X(row.x), Y(row.y), 3.5) })));
    if (tip.hidden) return;
    tip.replaceChildren(h("b", { text: found.word }), ...found.told.slice(0, 14).map((row) => h("div", {}, swatch(row.run, row.part), h("span", { class: "lnb-cut", text: row.name }), h("span", { text: row.value }))));
    const left = x > EDGE.left + (width - EDGE.left) / 2;
    tip.style.left = left ? "" : `${x + 12}px`;
    tip.style.right = left ? `${width - x + 12}px` : "";
  }

  return { el, area, update, point, stop: () => watch.disconnect() };
}

// Lowest and highest value drawn, with air to the next tick, and whether a log axis can be drawn.
function range(view) {
  let low = Infinity, high = -Infinity, least = Infinity;
  for (const s of view.series) for (let i = 0; i < s.x.length; i++) {
    const v = s.y[i];
    if (Number.isNaN(v) || s.x[i] < view.low || s.x[i] > view.high) continue;
    if (v < low) low = v;
    if (v > high) high = v;
    if (v > 0 && v < least) least = v;
  }
  if (low > high) return { bottom: 0, top: 1, step: 0.5, canLog: false };
  const canLog = high > 0;
  if (view.log && canLog) { const air = (high / least) ** 0.04; return { bottom: least / Math.max(air, 1.05), top: high * Math.max(air, 1.05), step: 0, canLog }; }
  if (view.unit) low = Math.min(0, low);
  if (high === low) { const air = Math.abs(high) * 0.5 || 0.5; high += air; if (!view.unit || low < 0) low -= air; }
  const { step } = ticks(low, high, 4);
  return { bottom: Math.floor(low / step + 1e-6) * step, top: Math.ceil(high / step - 1e-6) * step, step, canLog };
}
