// Pieces of the gallery: pictures kept, the selection, the bar above, the larger view.
const KEEP = 48e6;

// Pictures that arrived, by place; the oldest go when they hold more than KEEP bytes.
function pictures() {
  const kept = new Map();
  let held = 0;
  const drop = (index) => {
    const old = kept.get(index);
    if (!old) return;
    held -= old.n;
    if (old.url) URL.revokeObjectURL(old.url);
    kept.delete(index);
  };
  return {
    get: (index) => kept.get(index),
    add(items, data, side) {
      let at = 0;
      for (const item of items) {
        drop(item.i);
        const part = item.n ? new Uint8Array(data.buffer, data.byteOffset + at, item.n) : null;
        at += item.n;
        kept.set(item.i, { ...item, side, url: part ? URL.createObjectURL(new Blob([part], { type: item.mime })) : "" });
        held += item.n;
      }
    },
    touch(index) { const it = kept.get(index); if (it) { kept.delete(index); kept.set(index, it); } },
    trim() { while (held > KEEP) drop(kept.keys().next().value); },
    clear() { for (const index of [...kept.keys()]) drop(index); },
  };
}

// Selected places as ordered ranges [first, last].
const inRanges = (ranges, i) => ranges.some(([a, b]) => a <= i && i <= b);
function flipped(ranges, i) {
  if (!inRanges(ranges, i)) return [...ranges, [i, i]].sort((x, y) => x[0] - y[0]);
  return ranges.flatMap(([a, b]) => (i < a || i > b ? [[a, b]] : [[a, i - 1], [i + 1, b]].filter(([c, d]) => c <= d)));
}

// The bar above the pictures: heading, label and SQL filters, jump to a row, size, selection.
function galleryBar(model, act) {
  const facts = model.get("facts");
  const said = h("span", { class: "lnb-dim lnb-gallery-facts", role: "status" });
  const title = h("span", { class: "lnb-title", text: facts.title });
  const chips = ["images", facts.version === null ? "" : `version ${facts.version}`].filter(Boolean).map((text) => h("span", { class: "lnb-chip", text }));
  const clear = h("button", { type: "button", class: "lnb-button lnb-quiet", text: "Clear selection", on: { click: act.clear } });
  const label = h("select", { "aria-label": "class", on: { change: () => save(model, { chosen: label.value ? [label.value] : [] }) } });
  const where = h("input", { type: "text", class: "lnb-gallery-sql", placeholder: "filter: width > 200", "aria-label": "SQL filter", spellcheck: "false", autocomplete: "off" });
  where.addEventListener("keydown", (event) => { if (event.key === "Enter") save(model, { where: where.value.trim() }); });
  where.addEventListener("change", () => save(model, { where: where.value.trim() }));
  const row = h("input", { type: "number", min: "0", placeholder: "row", "aria-label": "jump to row", class: "lnb-gallery-row" });
  row.addEventListener("keydown", (event) => { if (event.key === "Enter" && row.value !== "") act.jump(Number(row.value)); });
  const size = h("input", { type: "range", min: "48", max: "256", step: "8", "aria-label": "size of the pictures", on: { input: () => act.size(Number(size.value)) } });
  const controls = h("div", { class: "lnb-gallery-bar" }, label, where, row, h("label", { class: "lnb-gallery-size", title: "size of the pictures" }, h("span", { class: "lnb-dim", text: "size" }), size));
  const head = h("div", { class: "lnb-head" }, title, ...chips, said, clear);
  const draw = () => {
    const total = model.get("total"), matches = model.get("matches"), classes = model.get("classes"), chosen = model.get("chosen");
    const picked = model.get("picked").reduce((n, [a, b]) => n + b - a + 1, 0);
    const filtered = (model.get("where") || chosen.length) && (matches !== total || !model.get("problem").message);
    say(said, [`${count(total)} ${total === 1 ? "image" : "images"}`, filtered ? `${count(matches)} match` : "",
      picked ? `${count(picked)} selected` : "", model.get("busy") ? (model.get("first_items").length ? "searching" : "loading") : ""].filter(Boolean).join(" · "));
    clear.hidden = !picked;
    if (document.activeElement !== where) where.value = model.get("where");
    size.value = model.get("size");
    row.max = Math.max(0, total - 1);
    label.hidden = !classes.length;
    const many = chosen.length > 1 ? `${chosen.length} classes` : null;
    const options = [["", many ?? "All classes"], ...classes.map(([name, n]) => [name, n === null ? name : `${name} (${count(n)})`])];
    if (label.dataset.said !== JSON.stringify(options)) {
      label.dataset.said = JSON.stringify(options);
      label.replaceChildren(...options.map(([value, text]) => h("option", { value, text })));
    }
    label.value = many ? "" : String(chosen[0] ?? "");
    if (label.selectedIndex < 0) label.selectedIndex = 0;
  };
  return { head, controls, draw, off: (gone) => { for (const input of [label, where, row]) input.disabled = gone; } };
}

// The larger view of one picture with all fields of its row.
function galleryDetail(close, step) {
  const name = h("span", { class: "lnb-title" }), stage = h("div", { class: "lnb-gallery-stage" }), fields = h("dl", { class: "lnb-gallery-fields", tabindex: "0", "aria-label": "fields" });
  const back = h("button", { type: "button", class: "lnb-button lnb-quiet", text: "Previous", on: { click: () => step(-1) } });
  const on = h("button", { type: "button", class: "lnb-button lnb-quiet", text: "Next", on: { click: () => step(1) } });
  const shut = h("button", { type: "button", class: "lnb-button", text: "Close", on: { click: close } });
  const error = problem();
  const box = h("div", { class: "lnb-gallery-detail", role: "dialog", "aria-modal": "true", "aria-label": "picture", tabindex: "-1", hidden: true },
    h("div", { class: "lnb-row" }, name, h("span", { class: "lnb-grow" }), back, on, shut), error, h("div", { class: "lnb-gallery-one" }, stage, fields));
  box.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Escape") close(); else if (move && event.target !== fields) step(move);
    else if (event.key === "Tab") {
      const stops = [back, on, shut, fields].filter((each) => !each.disabled), at = stops.indexOf(document.activeElement);
      stops.at((at + (event.shiftKey ? -1 : 1)) % stops.length).focus();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });
  let url = "";
  const free = () => { if (url) URL.revokeObjectURL(url); url = ""; };
  return {
    box, shut, error, free,
    title(index, total, words) {
      say(name, words);
      box.setAttribute("aria-label", words);
      back.disabled = index <= 0;
      on.disabled = index >= total - 1;
      // a button that is disabled loses the focus, and the keys of the view with it
      if ([back, on].some((each) => each.disabled && each === document.activeElement)) box.focus();
    },
    wait() { error.show(); stage.replaceChildren(h("div", { class: "lnb-skeleton" })); fields.replaceChildren(); },
    show(body, data, alt) {
      free();
      if (data) url = URL.createObjectURL(new Blob([data], { type: body.mime }));
      stage.replaceChildren(url ? h("img", { src: url, alt, class: body.px ? "lnb-px" : "" }) : h("p", { class: "lnb-gallery-why", text: body.why }));
      fields.replaceChildren(...body.fields.map(([key, value]) => h("div", {}, h("dt", { text: key }), h("dd", { text: value }))));
    },
  };
}
