// The tensor browser: the list at the left, the tensor that is selected at the right.
function render_tensor({ model, el, signal }) {
  root(model, el, "tensor", { keys: true });
  const ask = asker(model, signal, 120);
  const tree = tensorTree(model, choose), detail = tensorDetail(model, ask, signal);
  const title = h("span", { class: "lnb-title" }), chips = h("span", { class: "lnb-tn-chips" }), facts = h("span", { class: "lnb-dim" });
  const pattern = h("input", { type: "search", class: "lnb-tn-input", placeholder: "filter: layer1.* or bias", "aria-label": "filter tensors", spellcheck: "false", value: model.get("pattern") });
  const flat = check("Flat list", "flat"), only = check("Only what differs", "changed_only");
  const shown = h("span", { class: "lnb-aloud", role: "status" }), trouble = problem(), lost = h("p", { class: "lnb-hint", role: "status", hidden: true });
  const measure = h("button", { type: "button", class: "lnb-button", text: "Measure all", on: { click: () => model.send({ do: "measure", names: [] }) } });
  const cancel = h("button", { type: "button", class: "lnb-button", text: "Cancel", on: { click: () => model.send({ do: "cancel" }) } });
  const bar = h("div", { class: "lnb-tn-progress", role: "progressbar", "aria-label": "measuring", "aria-valuemin": "0", "aria-valuemax": "100" }, h("i"));
  const word = h("span", { class: "lnb-dim lnb-cut" }), progress = h("div", { class: "lnb-tn-busy" }, bar, word, cancel);
  const line = h("code", { class: "lnb-code-text" }), copied = h("button", { type: "button", class: "lnb-button lnb-quiet", text: "Copy", "aria-label": "Copy the Python line" });
  const code = h("div", { class: "lnb-code" }, line, copied);
  const left = h("div", { class: "lnb-tn-left" }, h("div", { class: "lnb-tn-tools" }, pattern, flat.box, only.box, h("span", { class: "lnb-grow" }), measure), progress, tree.wrap), panes = h("div", { class: "lnb-tn-panes" }, left, detail.box);
  el.append(h("div", { class: "lnb-tn-inner" }, h("div", { class: "lnb-head" }, title, chips, facts), trouble, lost, panes, code, shown));
  const tensors = [], byName = new Map();
  let known = 0;

  function check(text, name) {
    const input = h("input", { type: "checkbox", on: { change: () => save(model, { [name]: input.checked }) } });
    follow(model, [name], () => { input.checked = model.get(name); }, signal);
    return { input, box: h("label", { class: "lnb-tn-check" }, input, h("span", { text })) };
  }
  function choose(name) { if (name !== model.get("selected")) save(model, { selected: name, axes: [], index: [] }); }
  const fail = (error) => trouble.show(error);

  async function load() {
    while (tensors.length < model.get("total")) {
      const { body } = await ask("index", { offset: tensors.length });
      for (const [name, dtype, shape, nbytes, alias, what] of body.rows) {
        const each = { name, dtype, shape, nbytes, alias, what, seq: tensors.length, count: shape.reduce((a, b) => a * b, 1) };
        tensors.push(each);
        byName.set(name, each);
      }
      if (!body.rows.length) break;
    }
    tree.set(tensors);
    await learn();
    tree.arrange();
    detail.show(byName);
  }
  let learning = false;
  async function learn() {
    if (learning) return;
    learning = true;
    try {
      while (known < model.get("measured")) {
        const { body } = await ask("known", { since: known });
        if (!body.known.length) break;
        for (const [name, zeros, change] of body.known) Object.assign(byName.get(name) ?? {}, { zeros, change });
        known += body.known.length;
      }
    } finally { learning = false; }
  }
  const relearn = throttle(() => learn().then(() => (/zeros|change/.test(model.get("sort")) ? tree.arrange() : tree.paint()), fail), 300);

  // What is typed stands in the box until it is saved, also when the focus has gone on.
  let owed = false;
  const narrow = throttle(() => { owed = false; save(model, { pattern: pattern.value }); }, 150);
  pattern.addEventListener("input", () => { owed = true; narrow(); });
  pattern.addEventListener("keydown", (event) => { if (event.key === "ArrowDown" || event.key === "Enter") { event.preventDefault(); tree.box.focus(); } });
  copied.addEventListener("click", async () => { say(copied, (await copy(model.get("code"))) ? "Copied" : "Not copied"); setTimeout(() => say(copied, "Copy"), 1500); });

  follow(model, ["title", "chips", "facts", "sides"], () => {
    say(title, model.get("title"));
    say(facts, model.get("facts"));
    chips.replaceChildren(...model.get("chips").map((text) => h("span", { class: "lnb-chip", text })));
    panes.dataset.sides = model.get("sides").length || 1;
    only.box.hidden = model.get("sides").length < 2;
    say(measure, model.get("sides").length < 2 ? "Measure all" : "Measure changes");
  }, signal);
  follow(model, ["code"], () => say(line, model.get("code")), signal);
  follow(model, ["pattern", "sort", "flat", "changed_only", "opened"], () => {
    if (!owed && document.activeElement !== pattern && pattern.value !== model.get("pattern")) pattern.value = model.get("pattern");
    tree.arrange();
    say(shown, model.get("pattern") ? `${tree.shown()} tensors fit` : "");
  }, signal);
  follow(model, ["selected"], () => tree.paint(), signal);
  follow(model, ["measured"], relearn, signal);
  follow(model, ["busy", "fraction", "doing", "measured"], () => {
    const busy = model.get("busy"), share = Math.round(100 * model.get("fraction"));
    measure.disabled = busy;
    progress.hidden = !busy && !model.get("doing");
    cancel.hidden = !busy;
    bar.setAttribute("aria-valuenow", share);
    bar.firstChild.style.width = `${share}%`;
    bar.hidden = !busy;
    say(word, busy ? model.get("doing") : { done: `Measured ${count(model.get("measured"))} tensors.`, cancelled: "Measuring was cancelled; what was measured stays." }[model.get("doing")] ?? "");
  }, signal);
  follow(model, ["error", "hint"], () => trouble.show({ message: model.get("error"), hint: model.get("hint") }), signal);
  connection(model, signal, (live, gone) => {
    lost.hidden = live;
    measure.disabled = !live || model.get("busy");
    if (gone) { progress.hidden = true; detail.end(); }
    say(lost, gone ? "The kernel restarted or ended: run the cell again to go on looking." : "The kernel cannot be reached just now.");
  });
  let fitted = 0;
  const watch = new ResizeObserver(() => { if (fitted !== el.clientWidth) { fitted = el.clientWidth; tree.paint(); detail.fit(); } });
  watch.observe(el);
  signal?.addEventListener("abort", () => watch.disconnect());
  load().catch(fail);
}
PARTS.tensor = render_tensor;

// The pane of one tensor: figures, histogram, heat map of a slice.
function tensorDetail(model, ask, signal) {
  const name = h("h3", { class: "lnb-tn-name" }), chips = h("span", { class: "lnb-tn-chips" }), trouble = problem();
  const figures = h("div", { class: "lnb-tn-figures" }), note = h("span", { class: "lnb-dim" });
  const whole = h("button", { type: "button", class: "lnb-button", on: { click: () => model.send({ do: "measure", names: [model.get("selected")] }) } });
  const sampled = h("div", { class: "lnb-tn-sample" }, note, whole);
  const log = h("input", { type: "checkbox", on: { change: () => save(model, { log: log.checked }) } });
  const bins = h("select", { "aria-label": "bars of the histogram", on: { change: () => save(model, { bins: Number(bins.value) }) } }, ...[24, 48, 96].map((n) => h("option", { value: n, text: `${n} bars` })));
  const drawn = h("div", { class: "lnb-tn-drawn" }), legend = h("div", { class: "lnb-tn-legend" });
  const histogram = h("section", { class: "lnb-tn-part lnb-tn-histogram", "aria-label": "histogram" }, h("div", { class: "lnb-tn-bar" }, h("h4", { text: "Values" }), legend, h("span", { class: "lnb-grow" }), h("label", { class: "lnb-tn-check" }, log, h("span", { text: "log counts" })), bins), drawn);
  const maps = [heatMap(), heatMap(), heatMap()], row = h("div", { class: "lnb-tn-maps" }, ...maps.map((map) => map.box));
  const cut = h("span", { class: "lnb-dim" }), kind = h("h4"), how = h("p", { class: "lnb-dim lnb-tn-how" }), controls = h("div", { class: "lnb-tn-axes" });
  const heat = h("section", { class: "lnb-tn-part", "aria-label": "heat map" }, h("div", { class: "lnb-tn-bar" }, kind, cut), controls, row, how);
  const empty = h("p", { class: "lnb-empty", text: "Choose a tensor to see its values." }), alias = h("p", { class: "lnb-dim", hidden: true });
  const inner = h("div", { class: "lnb-tn-inside", hidden: true }, h("div", { class: "lnb-tn-bar" }, name, chips), alias, trouble, h("div", { class: "lnb-tn-facts" }, figures, sampled), histogram, heat);
  const box = h("div", { class: "lnb-tn-right" }, empty, inner);
  let tensors = new Map(), last = null, found = null, turn = 0, asked = 0;

  const own = () => tensors.get(model.get("selected"));
  const compared = () => own() && ["changed", "unknown", "same"].includes(own().what);
  const sides = () => (compared() ? model.get("sides") : []);
  function head() {
    const tensor = own();
    empty.hidden = Boolean(tensor);
    inner.hidden = !tensor;
    if (!tensor) return;
    say(name, tensor.name || "(no name)");
    inner.dataset.sides = compared() ? "2" : "1";
    chips.replaceChildren(...[tensor.dtype, tensor.shape.join(" × ") || "scalar", tensor.dtype.startsWith("float4") ? "" : `${count(tensor.count)} value${tensor.count === 1 ? "" : "s"}`, bytes(tensor.nbytes), tensor.what].filter(Boolean).map((text) => h("span", { class: "lnb-chip", text })));
    alias.hidden = !tensor.alias;
    say(alias, tensor.alias ? `Shares the storage of ${tensor.alias}.` : "");
  }
  async function measureIt() {
    const tensor = own(), mine = ++turn;
    if (!tensor) return;
    if (found?.name !== tensor.name) { found = null; figures.replaceChildren(); drawn.replaceChildren(h("div", { class: "lnb-skeleton lnb-tn-wait" })); sampled.hidden = true; }
    try {
      const { body } = await ask("figures", { name: tensor.name, bins: model.get("bins") });
      if (mine !== turn) return;
      found = { name: tensor.name, ...body };
      numbersOf(body, tensor);
    } catch (error) { if (mine === turn) { drawn.replaceChildren(); trouble.show(error); } }
  }
  function numbersOf(body, tensor) {
    const names = [["low", "min"], ["high", "max"], ["mean", "mean"], ["std", "std"], ["zeros", "zeros"], ["nan", "NaN"], ["inf", "infinite"]];
    const rare = body.figures.length > 1 ? ["nan", "inf"] : ["inf"], any = (key) => body.figures.some((each) => each[key]);
    const used = names.filter(([key]) => !rare.includes(key) || (any(key) && rare.length === 1));
    const text = (key, v) => (key === "zeros" ? `${Number((100 * v).toPrecision(3))} %` : key === "nan" || key === "inf" ? count(v) : short(Number(v)));
    histogram.hidden = !tensor.count || !body.figures.length;
    if (!tensor.count || !body.figures.length) { figures.replaceChildren(...(tensor.count ? [] : [h("p", { class: "lnb-dim", text: "This tensor is empty." })])); sampled.hidden = true; return; }
    const fresh = figures.cloneNode(); // the region that scrolls stays, with the focus and its place
    if (body.figures.length === 2) {
      const heads = ["version", ...used.map(([, title]) => title)].map((title, i) => h("th", { scope: "col", class: i ? "lnb-n" : "", text: title }));
      const lines = body.figures.map((each, i) => h("tr", {}, h("th", { scope: "row", text: model.get("sides")[i] }), ...used.map(([key]) => h("td", { class: "lnb-n", text: text(key, each[key]) }))));
      fresh.append(h("div", { class: "lnb-scroll", role: "region", tabindex: "0", "aria-label": "figures" }, h("table", { class: "lnb-t" }, h("thead", {}, h("tr", {}, ...heads)), h("tbody", {}, ...lines))));
      const odd = names.filter(([key]) => rare.includes(key) && any(key)).map(([key, title]) => [title, body.figures.map((each) => count(each[key])).join(" → ")]);
      if (body.change) fresh.append(statsOf([["relative change", body.change.relative], ["cosine", body.change.cosine], ["largest difference", body.change.largest], ["norm", body.change.norm]].map(([title, v]) => [title, v === null ? "—" : title === "cosine" ? Number(v).toFixed(6) : short(Number(v))]).concat(odd)));
      else if (odd.length) fresh.append(statsOf(odd));
    } else fresh.append(statsOf(used.map(([key, title]) => [title, text(key, body.figures[0][key])])));
    renew(figures, fresh);
    sampled.hidden = body.exact;
    say(note, `From ${count(body.figures[0].sampled)} evenly spaced values of ${count(tensor.count)}.`);
    say(whole, `Read all ${bytes(tensor.nbytes * body.figures.length)}`);
    bars();
  }
  function statsOf(items) { return h("dl", { class: "lnb-stats" }, ...items.map(([title, text]) => h("div", {}, h("dt", { text: title }), h("dd", { text })))); }
  function bars() {
    log.checked = model.get("log");
    bins.value = String(model.get("bins"));
    const names = sides();
    legend.replaceChildren(...names.map((text, i) => h("span", { class: i ? "lnb-tn-second" : "lnb-tn-first", text })));
    if (!found || found.low === null || found.low === undefined) { drawn.replaceChildren(h("p", { class: "lnb-dim", text: found ? "There is nothing finite to count." : "" })); return; }
    drawn.replaceChildren(barsOf(found, names, model.get("log"), drawn.clientWidth));
  }
  async function lookAt() {
    const tensor = own(), mine = ++asked;
    if (!tensor) return;
    if (last?.name !== tensor.name) { last = null; row.hidden = true; controls.replaceChildren(); say(cut, ""); say(how, ""); }
    try {
      const { body, buffers } = await ask("look", { name: tensor.name, axes: model.get("axes"), index: model.get("index") });
      if (mine !== asked) return;
      last = { name: tensor.name, body, cells: buffers.map((each) => numbers(each)) };
      trouble.show();
      draw();
    } catch (error) { if (mine === asked) trouble.show(error); }
  }
  function draw() {
    const { body, cells } = last, tensor = own();
    heat.hidden = !tensor.count;
    row.hidden = !body.maps.length;
    say(kind, body.maps.length ? "Heat map" : "Not drawn");
    say(cut, tensor.shape.length > 2 && body.maps.length ? body.cut : "");
    say(how, [body.why, body.words, body.bytes > 2000 ? `${bytes(body.bytes)} read` : ""].filter(Boolean).join(" · "));
    const names = body.maps.length > 1 ? [...model.get("sides"), "difference"] : [""];
    const beside = body.maps.length > 1 && heat.clientWidth >= 560 ? body.maps.length : 1;
    const most = Math.max(120, Math.floor((heat.clientWidth - 16 * (beside - 1)) / beside) - 2);
    maps.forEach((map, i) => { map.box.hidden = !body.maps[i]; if (body.maps[i]) map.draw(names[i], body, body.maps[i], cells[i], most); });
    axesOf(controls, body.maps.length ? tensor.shape : [], body, (axes, index) => save(model, { axes, index }));
  }
  const look = throttle(lookAt, 120);
  follow(model, ["selected"], () => { head(); measureIt(); }, signal);
  follow(model, ["bins", "measured"], () => { if (own()) measureIt(); }, signal);
  follow(model, ["log"], bars, signal);
  follow(model, ["selected", "axes", "index"], look, signal);
  const fit = () => { if (last && own()) draw(); if (found && own()) bars(); };
  const end = () => { turn += 1; asked += 1; if (!found) histogram.hidden = true; if (!last) heat.hidden = true; };
  return { box, fit, end, show: (all) => { tensors = all; head(); measureIt(); look(); } };
}

// Which dimension runs down, which across (or the first against all others), and where the others stand.
const ALL = "all";
function axesOf(box, shape, body, choose) {
  const same = box.dataset.shape === String(shape);
  if (!same || shape.length < 3) box.replaceChildren();
  box.dataset.shape = String(shape);
  box.lnbAxes = body.axes;
  if (shape.length < 3) return;
  const places = () => shape.map((_, i) => Number(box.querySelector(`[type=range][data-axis="${i}"]`)?.value ?? 0));
  const pick = (which, title) => {
    const list = h("select", { "aria-label": `dimension ${title}`, on: { change: () => {
      if (list.value === ALL) { choose([], []); return; }
      const axes = box.lnbAxes.length < 2 ? [0, 1] : [...box.lnbAxes], taken = Number(list.value);
      if (axes[1 - which] === taken) axes[1 - which] = axes[which];
      axes[which] = taken;
      choose(axes, places());
    } } }, ...shape.map((n, i) => h("option", { value: i, text: `dim ${i} (${count(n)})` })), which ? h("option", { value: ALL, text: "all others" }) : null);
    return h("label", { class: "lnb-tn-check", data: { key: title } }, h("span", { text: title }), list);
  };
  const slider = (i) => {
    const slide = h("input", { type: "range", min: "0", max: String(shape[i] - 1), "aria-label": `position in dimension ${i}`, data: { axis: String(i) } });
    const typed = h("input", { type: "number", min: "0", max: String(shape[i] - 1), class: "lnb-tn-number", "aria-label": `position in dimension ${i}, as a number`, data: { axis: String(i) } });
    slide.addEventListener("input", () => { typed.value = slide.value; choose(box.lnbAxes, places()); });
    typed.addEventListener("change", () => { slide.value = typed.value; typed.value = slide.value; choose(box.lnbAxes, places()); });
    return h("label", { class: "lnb-tn-slide", data: { key: i } }, h("span", { text: `dim ${i}` }), slide, typed);
  };
  // A dimension keeps its slider and its field while the others change: somebody may drag or type there.
  const kept = new Map([...box.children].map((each) => [each.dataset.key, each])), laid = body.axes.length < 2;
  const down = kept.get("down") ?? pick(0, "down"), across = kept.get("across") ?? pick(1, "across");
  const others = laid ? [] : shape.map((_, i) => i).filter((i) => !body.axes.includes(i));
  hold(box, [down, across, ...others.map((i) => kept.get(String(i)) ?? slider(i))]);
  down.lastChild.value = String(body.axes[0] ?? 0);
  across.lastChild.value = laid ? ALL : String(body.axes[1]);
  for (const input of box.querySelectorAll("input")) if (document.activeElement !== input) input.value = body.index[Number(input.dataset.axis)];
}
