// Training curves: the widget around the panels. Traits are the truth; zoom and cursor are the reader's own.
const AXIS_WORDS = { step: "step", epoch: "epoch", time: "time" };
const PART_WORDS = { train: "training", val: "validation", test: "test" };

function unpack(facts, data) {
  if (!facts.length || !data?.byteLength) return [];
  const all = numbers(data);
  return facts.map((fact) => {
    let at = fact.offset / 4;
    const take = (n) => all.subarray(at, (at += n)), place = (xs) => Float64Array.from(xs, (x) => x + fact.base);
    const x = place(take(fact.points)), y = take(fact.points), m = fact.bands;
    const bands = { x: place(take(m)), mean: take(m), low: take(m), high: take(m) };
    return { ...fact, id: JSON.stringify([fact.run, fact.metric]), x, y, bands };
  });
}

// What is said of a line at a position: its value, or the mean and reach of a bucket of many points.
function valueAt(s, x, unit) {
  if (s.bands.x.length && s.x.length) {
    const i = nearest(s.bands.x, x), { mean, low, high } = s.bands;
    if (!Number.isFinite(mean[i])) return { x: s.bands.x[i], y: NaN, text: "no number" };
    return { x: s.bands.x[i], y: mean[i], text: `${upward(unit, mean[i])} (${upward(unit, low[i])} – ${upward(unit, high[i])})` };
  }
  if (!s.x.length) return null;
  const i = nearest(s.x, x);
  return { x: s.x[i], y: s.y[i], text: Number.isNaN(s.y[i]) ? "no number" : upward(unit, s.y[i]) };
}

// Lines of the tip: one per figure of a single run, one per run where there are several.
function tell(rows, byRun) {
  if (!byRun) return rows.map((row) => ({ ...row, name: row.metric, value: row.text }));
  const found = new Map();
  for (const row of rows) {
    const value = `${row.part === "val" || row.part === "test" ? `${row.part} ` : ""}${row.text}`, line = found.get(row.run);
    if (line) line.value += ` · ${value}`; else found.set(row.run, { run: row.run, part: "", name: row.title, value });
  }
  return [...found.values()];
}

// One picture of all panels with the theme's colours written into it.
async function photograph(panels, title, paint) {
  const gap = 20, boxes = panels.map((p) => ({ p, w: p.area.clientWidth, h: EDGE.high }));
  const columns = Math.min(boxes.length, 3), wide = Math.max(...boxes.map((b) => b.w)), tall = EDGE.high + 30;
  const W = columns * (wide + gap) + gap, H = 40 + Math.ceil(boxes.length / columns) * (tall + gap) + paint.keys.length * 20;
  const style = getComputedStyle(paint.el), sheet = svg("svg", { xmlns: SVG, width: W, height: H, viewBox: `0 0 ${W} ${H}` });
  const text = (x, y, word, weight) => svg("text", { x, y, text: word, fill: style.color, "font-family": "sans-serif", "font-size": "13", "font-weight": weight });
  sheet.append(svg("rect", { width: W, height: H, fill: style.backgroundColor }), text(gap, 26, title, "600"));
  boxes.forEach(({ p }, i) => {
    const x = gap + (i % columns) * (wide + gap), y = 44 + Math.floor(i / columns) * (tall + gap), copy = p.area.cloneNode(true);
    const from = p.area.querySelectorAll("*"), to = copy.querySelectorAll("*");
    from.forEach((node, k) => { const now = getComputedStyle(node); for (const key of ["fill", "stroke", "stroke-width", "stroke-dasharray", "opacity", "font-family", "font-size"]) to[k].setAttribute(key, now.getPropertyValue(key)); });
    fill(copy, { x, y: y + 18, width: p.area.clientWidth, height: EDGE.high }, []);
    sheet.append(text(x, y + 10, p.el.querySelector("figcaption > span").textContent, "500"), copy);
  });
  paint.keys.forEach((key, i) => {
    const y = H - paint.keys.length * 20 + i * 20 - 4;
    sheet.append(svg("rect", { x: gap, y: y - 8, width: 18, height: 4, fill: getComputedStyle(key.querySelector("path")).stroke }), text(gap + 26, y, key.title, "400"));
  });
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(new XMLSerializer().serializeToString(sheet))}`;
  await image.decode();
  const canvas = h("canvas", { width: 2 * W, height: 2 * H });
  canvas.getContext("2d").drawImage(image, 0, 0, 2 * W, 2 * H);
  return await new Promise((done) => canvas.toBlob(done, "image/png"));
}

function download(blob, name) {
  const url = URL.createObjectURL(blob), link = h("a", { href: url, download: name, hidden: true });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

function render_curves({ model, el, signal }) {
  root(model, el, "curves", { keys: true });
  const ask = asker(model, signal), error = problem();
  const title = h("span", { class: "lnb-title" }), state = h("span", { class: "lnb-state" }, h("i", { class: "lnb-dot", "aria-hidden": "true" }), h("span"));
  const axis = h("select", { on: { change: () => { zoom = null; fine = null; save(model, { axis: axis.value }); } } }, ...Object.entries(AXIS_WORDS).map(([value, text]) => h("option", { value, text })));
  const slider = h("input", { type: "range", min: "0", max: "0.99", step: "0.01" }), amount = h("output");
  const reset = h("button", { type: "button", class: "lnb-button", text: "Reset zoom", on: { click: () => zoomTo(null) } });
  const picture = h("button", { type: "button", class: "lnb-button", text: "PNG", "aria-label": "Download the picture as PNG", on: { click: savePicture } });
  const sheet = h("button", { type: "button", class: "lnb-button", text: "CSV", "aria-label": "Download all points as CSV", on: { click: saveSheet } });
  const legend = h("div", { class: "lnb-curves-legend", role: "group", "aria-label": "runs shown" }), keys = h("span", { class: "lnb-curves-legend" }), styles = h("span", { class: "lnb-styles" });
  const grid = h("div", { class: "lnb-curves-grid" }), notes = h("ul", { class: "lnb-curves-notes" }), empty = h("div", { class: "lnb-empty" });
  const heard = h("div", { class: "lnb-aloud", role: "status", "aria-live": "polite" });
  legend.append(keys, styles);
  const tools = h("div", { class: "lnb-curves-tools" }, h("label", {}, "x axis", axis), h("label", {}, "smoothing", slider, amount), reset, picture, sheet);
  el.append(h("div", { class: "lnb-curves-bar" }, title, state, tools), legend, empty, grid, notes, error, heard);

  let series = [], panels = [], zoom = null, fine = null, cursor = null, smooth = model.get("smooth"), live = true, parsed = {}, frame = 0, fetches = 0;
  const plots = new Map(), buttons = new Map();
  roving(keys, () => [...buttons.values()]);
  const speak = throttle((text) => say(heard, text), 350), store = throttle((value) => { owed = false; save(model, { smooth: value }); }, 200);
  let owed = false;
  slider.addEventListener("input", () => { owed = true; smooth = Number(slider.value); store(smooth); draw(); });
  const later = () => { if (!frame) frame = requestAnimationFrame(() => { frame = 0; point(); }); };
  const act = {
    hover: (x, key) => { cursor = { x, key }; later(); },
    leave: () => { cursor = null; later(); },
    zoom: (low, high) => zoomTo(low === null ? null : [low, high]),
    log: (key) => { const on = model.get("log"); save(model, { log: on.includes(key) ? on.filter((k) => k !== key) : [...on, key] }); },
    key: onKey,
  };

  function read() {
    for (const name of ["ended", "live"]) {
      const facts = model.get(name), data = model.get(`${name}_data`);
      if (parsed[name]?.facts !== facts || parsed[name]?.data !== data) parsed[name] = { facts, data, series: unpack(facts, data) };
    }
    const order = new Map(model.get("runs").map((run, i) => [run.name, i])), hidden = new Set(model.get("hidden"));
    series = [...parsed.ended.series, ...parsed.live.series].filter((s) => order.has(s.run) && !hidden.has(s.run));
    series.sort((a, b) => order.get(a.run) - order.get(b.run));
    panels = model.get("panels");
    return order;
  }

  function draw() {
    const order = read(), log = model.get("log"), busy = new Set(series.map((s) => s.run)).size > 1;
    let low = Infinity, high = -Infinity;
    for (const s of series) if (s.x.length) { low = Math.min(low, s.x[0]); high = Math.max(high, s.x[s.x.length - 1]); }
    if (low > high) [low, high] = [0, 1];
    else if (low === high) [low, high] = [low - 0.5, high + 0.5];
    const view = zoom ?? [low, high];
    const shown = panels.filter((p) => series.some((s) => s.panel === p.key));
    for (const [key, p] of plots) if (!shown.some((s) => s.key === key)) { p.stop(); p.el.remove(); plots.delete(key); }
    shown.forEach((panel, i) => {
      const p = plots.get(panel.key) ?? plots.set(panel.key, plot(panel.key, act)).get(panel.key);
      if (grid.children[i] !== p.el) grid.insertBefore(p.el, grid.children[i] ?? null);
      const mine = series.filter((s) => s.panel === panel.key).map((s) => styled(s, order, panel.unit));
      p.update({ ...panel, axis: model.get("axis"), low: view[0], high: view[1], series: mine, log: log.includes(panel.key), busy, describe: describe(mine, panel.unit) });
    });
    say(title, model.get("label"));
    drawBar(shown.length);
    drawLegend(order);
    notes.replaceChildren(...model.get("notes").map((text) => h("li", { text })));
    notes.hidden = !notes.children.length;
    point();
  }

  // A line as it is drawn now: finer where the reader zoomed in, in per cent, smoothed.
  function styled(s, order, unit) {
    const best = zoom && fine && fine.axis === model.get("axis") && s.bands.x.length ? fine.series.get(s.id) ?? s : s, scale = unit === "%" ? 100 : 1;
    const times = (ys) => (scale === 1 ? ys : ys.map((v) => v * scale)), y = times(best.y);
    const bands = { x: best.bands.x, mean: times(best.bands.mean), low: times(best.bands.low), high: times(best.bands.high) };
    const rough = bands.x.length ? [bands.x, bands.mean] : [best.x, y], width = best.x[best.x.length - 1] - best.x[0];
    const few = best.total < 20 || (s.part && s.part !== "train" && best.total <= 60);
    const soft = smooth > 0 && !few ? { x: rough[0], y: smoothed(...rough, smooth, best.total, width) } : null;
    return { ...best, y, bands, soft, run: order.get(s.run), name: s.run, gap: s.gap };
  }

  function describe(lines, unit) {
    return lines.map((s) => { const y = s.y[s.y.length - 1]; return `${s.name} ${s.metric} ${Number.isFinite(y) ? upward(unit, y) : "no number"}`; }).slice(0, 8).join(", ");
  }

  function drawBar(amountOfPanels) {
    const runs = model.get("runs"), going = runs.filter((r) => r.state === "running").length, bad = runs.find((r) => r.state === "failed") ?? runs.find((r) => r.state === "cancelled");
    const word = !runs.length ? "waiting" : going ? (live ? "live" : "disconnected") : bad ? bad.state : "done";
    const text = { waiting: "waiting for points", live: going > 1 ? `${going} live` : "live", done: "finished", failed: runs.length > 1 ? "one failed" : "failed", cancelled: runs.length > 1 ? "one cancelled" : "cancelled", disconnected: "disconnected" }[word];
    state.dataset.state = word;
    say(state.lastChild, text);
    if (axis.value !== model.get("axis")) axis.value = model.get("axis");
    if (!owed && document.activeElement !== slider) { smooth = model.get("smooth"); slider.value = String(smooth); }
    say(amount, smooth ? smooth.toFixed(2) : "off");
    slider.setAttribute("aria-valuetext", smooth ? smooth.toFixed(2) : "off");
    reset.disabled = !zoom;
    picture.disabled = sheet.disabled = !amountOfPanels;
    sheet.disabled = sheet.disabled || !live || sheet.dataset.busy === "1";
    const all = model.get("hidden").length && runs.length;
    empty.hidden = amountOfPanels > 0;
    say(empty, all ? "All runs are switched off: press a name above to see it again." : "No points yet: curves appear here while a training runs.");
  }

  function drawLegend(order) {
    const hidden = new Set(model.get("hidden")), runs = model.get("runs");
    for (const [name, button] of buttons) if (!order.has(name)) { button.remove(); buttons.delete(name); }
    runs.forEach((run, i) => {
      let button = buttons.get(run.name);
      if (!button) {
        button = h("button", { type: "button", class: "lnb-key", title: run.name, tabindex: i ? "-1" : "0" }, swatch(i, ""), h("span", { class: "lnb-cut", text: run.name }), h("small"));
        button.addEventListener("click", () => { const now = model.get("hidden"); save(model, { hidden: now.includes(run.name) ? now.filter((n) => n !== run.name) : [...now, run.name] }); });
        buttons.set(run.name, button);
        keys.append(button);
      }
      button.setAttribute("aria-pressed", String(!hidden.has(run.name)));
      const quiet = run.state === "done" || (run.state === "running" && live && runs.length === 1);
      say(button.lastChild, quiet ? "" : run.state === "running" && !live ? "disconnected" : run.state);
    });
    legend.hidden = !runs.length;
    const parts = ["train", "val", "test"].filter((part) => series.some((s) => s.part === part));
    if (styles.dataset.parts !== parts.join()) { styles.dataset.parts = parts.join(); styles.replaceChildren(...(parts.length > 1 ? parts.map((part) => h("span", {}, swatch(null, part), PART_WORDS[part])) : [])); }
  }

  // The cursor stands at the nearest point of the panel it is over; all panels show it.
  function point() {
    if (!cursor || !series.length) { for (const p of plots.values()) p.point(null); return; }
    const order = new Map(model.get("runs").map((run, i) => [run.name, i])), units = new Map(panels.map((p) => [p.key, p.unit]));
    const lines = series.map((s) => styled({ ...s }, order, units.get(s.panel))), here = lines.filter((s) => s.panel === cursor.key && s.x.length);
    if (!here.length) return;
    const close = here.map((s) => valueAt(s, cursor.x, "").x).reduce((a, b) => (Math.abs(b - cursor.x) < Math.abs(a - cursor.x) ? b : a));
    const rows = [];
    for (const s of lines) { const v = valueAt(s, close, units.get(s.panel)); if (v) rows.push({ ...v, run: s.run, part: s.part, panel: s.panel, title: s.name, metric: s.metric }); }
    const thin = here.some((s) => s.bands.x.length), word = `${AXIS_WORDS[model.get("axis")]} ${thin ? "≈ " : ""}${across(model.get("axis"), close, 0)}`;
    const told = tell(rows.filter((row) => row.panel === cursor.key), order.size > 1);
    for (const [key, p] of plots) p.point({ x: close, word, rows, told }, key === cursor.key);
    if (cursor.spoken) speak(`${word}: ${told.map((row) => `${row.name} ${row.value}`).join(", ")}`);
  }

  function onKey(event, key) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const here = series.filter((s) => s.panel === key && s.x.length), view = plots.get(key);
    if (!here.length || !view) return;
    const most = here.reduce((a, b) => (b.x.length > a.x.length ? b : a)), best = (zoom && fine?.series.get(most.id)) || most, xs = best.bands.x.length ? best.bands.x : best.x;
    const span = zoom ?? [xs[0], xs[xs.length - 1]], stride = event.shiftKey ? 10 : 1, now = cursor ? nearest(xs, cursor.x) : null;
    const first = zoom ? nearest(xs, zoom[0]) : 0, last = zoom ? nearest(xs, zoom[1]) : xs.length - 1, middle = cursor?.x ?? (span[0] + span[1]) / 2;
    const goal = { ArrowRight: now === null ? first : now + stride, ArrowLeft: now === null ? last : now - stride, Home: first, End: last }[event.key];
    if (goal !== undefined) { cursor = { x: xs[Math.max(first, Math.min(last, goal))], key, spoken: true }; later(); }
    else if (event.key === "+" || event.key === "=") zoomTo([middle - (middle - span[0]) / 2, middle + (span[1] - middle) / 2]);
    else if (event.key === "-" && zoom) zoomTo([middle - (middle - span[0]) * 2, middle + (span[1] - middle) * 2]);
    else if (event.key === "0" || (event.key === "Escape" && zoom)) zoomTo(null);
    else if (event.key === "Escape" && cursor) act.leave();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  function zoomTo(range) {
    read();
    const xs = series.filter((s) => s.x.length), low = Math.min(...xs.map((s) => s.x[0])), high = Math.max(...xs.map((s) => s.x[s.x.length - 1]));
    zoom = range && [Math.max(low, range[0]), Math.min(high, range[1])];
    if (zoom && (zoom[0] >= zoom[1] || (zoom[0] <= low && zoom[1] >= high))) zoom = null;
    if (!zoom) fine = null;
    speak(zoom ? `zoomed to ${AXIS_WORDS[model.get("axis")]} ${across(model.get("axis"), zoom[0], 0)} to ${across(model.get("axis"), zoom[1], 0)}` : "whole range");
    draw();
    refine();
  }

  // A thinned line is fetched again for the range in view.
  async function refine() {
    if (!zoom || !live || !series.some((s) => s.bands.x.length)) return;
    const mine = ++fetches, range = zoom, name = model.get("axis");
    try {
      const { body, buffers } = await ask("zoom", { axis: name, low: range[0], high: range[1] });
      if (mine !== fetches || zoom !== range) return;
      fine = { axis: name, series: new Map(unpack(body.series, buffers[0]).map((s) => [s.id, s])) };
      draw();
    } catch (problem) { error.show(problem); }
  }

  async function savePicture() {
    const cards = [...keys.children].filter((key) => key.getAttribute("aria-pressed") === "true");
    try { download(await photograph([...plots.values()], model.get("label"), { el, keys: cards }), "curves.png"); error.show(); }
    catch { error.show({ message: "this browser could not draw the picture", hint: "curves.to_png(path) writes it from Python" }); }
  }

  async function saveSheet() {
    const parts = [];
    sheet.dataset.busy = "1";
    sheet.disabled = true;
    try {
      for (let part = 0, all = 1; part < all; part++) {
        const { body, buffers } = await ask("csv", { part });
        all = body.parts;
        parts.push(buffers[0]);
        say(sheet, all > 1 ? `${Math.round((100 * parts.length) / all)} %` : "CSV");
      }
      download(new Blob(parts, { type: "text/csv" }), "curves.csv");
      error.show();
    } catch (problem) { error.show(problem); }
    say(sheet, "CSV");
    sheet.dataset.busy = "";
    sheet.disabled = false;
  }

  const refresh = throttle(refine, 2000);
  connection(model, signal, (now) => { live = now; if (plots.size) draw(); });
  follow(model, ["runs", "panels", "notes", "ended", "ended_data", "live", "live_data", "axis", "log", "hidden", "smooth", "label"], () => { draw(); if (zoom) refresh(); }, signal);
  return () => { cancelAnimationFrame(frame); for (const p of plots.values()) p.stop(); };
}
PARTS.curves = render_curves;
