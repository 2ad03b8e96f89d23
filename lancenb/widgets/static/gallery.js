// The gallery: a window on any number of pictures. Only those in sight are asked for.
// Browsers cannot make elements taller than some 17 to 33 million pixels: beyond TALLEST the scroll bar is scaled.
const TALLEST = 4e6, CAPTION = 23, GAP = 8;

function render_gallery({ model, el, signal }) {
  root(model, el, "gallery", { keys: true });
  const ask = asker(model, signal), client = Math.random().toString(36).slice(2), seen = pictures();
  const name = `lnb-gallery-${client}`;
  const pane = h("div", { class: "lnb-gallery-pane", role: "presentation" }), layer = h("div", { class: "lnb-gallery-layer", role: "presentation" });
  const box = h("div", { class: "lnb-gallery-box", role: "listbox", tabindex: "0", "aria-multiselectable": "true", "aria-label": "pictures" }, pane);
  pane.append(layer);
  const empty = h("div", { class: "lnb-empty", hidden: true }), failed = problem();
  const again = h("button", { type: "button", class: "lnb-button", text: "Try again", hidden: true, on: { click: () => { fault(); need(); focus(); } } });
  const bar = galleryBar(model, { clear: () => { pick([]); focus(); }, jump, size: (n) => save(model, { size: n }) });
  const detail = galleryDetail(() => shut(), (by) => openAt(active + by));
  // A button that goes when it is pressed leaves the focus to the pictures.
  const focus = () => box.focus({ preventScroll: true });
  const filterError = problem();
  el.append(bar.head, bar.controls, filterError, box, empty, failed, again, detail.box);

  let top = 0, expected = 0, active = 0, anchor = 0, live = true, flying = 0, view = -1, opened = false, down = 1;
  const cells = [];
  const size = () => model.get("size"), matches = () => model.get("matches");
  const side = () => { const n = size() * Math.min(2, window.devicePixelRatio || 1); return n <= 112 ? 112 : n <= 224 ? 224 : 448; };
  const columns = () => Math.max(1, Math.floor(((box.clientWidth || 600) - GAP) / (size() + GAP)));
  const rowHigh = () => size() + CAPTION + GAP;
  const full = () => Math.ceil(matches() / columns()) * rowHigh() + GAP;
  const longest = () => Math.max(0, full() - box.clientHeight);
  const scaled = () => full() > TALLEST;
  const reach = () => Math.max(1, Math.min(full(), TALLEST) - box.clientHeight);

  // top is the true position in pixels; the scroll bar follows it, or it follows the scroll bar.
  function go(to) {
    to = Math.max(0, Math.min(longest(), to));
    down = to >= top ? 1 : -1;
    top = to;
    expected = scaled() ? (top / longest()) * reach() : top;
    box.scrollTop = expected;
    expected = box.scrollTop;
    draw();
  }
  box.addEventListener("scroll", () => {
    if (Math.abs(box.scrollTop - expected) < 1.5) return;
    expected = box.scrollTop;
    const to = scaled() ? Math.min(1, expected / reach()) * longest() : expected;
    down = to >= top ? 1 : -1;
    top = to;
    draw();
  }, { signal });
  box.addEventListener("wheel", (event) => {
    if (!scaled() || event.ctrlKey || !event.deltaY) return;
    event.preventDefault();
    go(top + event.deltaY * (event.deltaMode === 1 ? 20 : event.deltaMode === 2 ? box.clientHeight : 1));
  }, { signal, passive: false });

  // After a change of size or width the same pictures stay in sight.
  let lead = 0, fit = "";
  function refit() {
    const now = `${columns()}/${rowHigh()}`, kept = lead;
    const moved = fit && fit !== now;
    fit = now;
    go(moved ? Math.floor(kept / columns()) * rowHigh() : top);
  }

  function inSight() {
    const n = columns(), first = Math.floor(top / rowHigh()) * n;
    return [first, Math.min(matches(), first + (Math.ceil(box.clientHeight / rowHigh()) + 1) * n)];
  }

  function cell(slot) {
    while (cells.length <= slot) {
      const picture = h("img", { class: "lnb-gallery-img", alt: "", draggable: "false" }), why = h("span", { class: "lnb-gallery-why" });
      const words = h("span", { class: "lnb-cut" }), row = h("small");
      const at = h("div", { class: "lnb-gallery-cell", role: "option", id: `${name}-${cells.length}` }, h("div", { class: "lnb-gallery-pic" }, picture, why), h("div", { class: "lnb-gallery-cap" }, words, row));
      layer.append(at);
      cells.push({ at, picture, why, words, row });
    }
    return cells[slot];
  }

  function draw() {
    const [first, last] = inSight(), n = columns(), picked = model.get("picked"), used = new Set();
    if (fit === `${n}/${rowHigh()}`) lead = first;
    const wide = (box.clientWidth - GAP * (n + 1)) / n;
    const slots = (Math.ceil(box.clientHeight / rowHigh()) + 2) * n;
    pane.style.height = `${Math.min(full(), TALLEST)}px`;
    for (let i = first; i < last; i += 1) {
      const slot = i % slots, it = seen.get(i), { at, picture, why, words, row } = cell(slot);
      used.add(slot);
      seen.touch(i);
      at.hidden = false;
      at.dataset.index = i;
      at.style.cssText = `width:${wide}px;height:${size() + CAPTION}px;transform:translate(${GAP + (i % n) * (wide + GAP)}px,${GAP + Math.floor(i / n) * rowHigh() - top}px)`;
      at.setAttribute("aria-selected", inRanges(picked, i));
      at.setAttribute("aria-posinset", i + 1);
      at.setAttribute("aria-setsize", matches());
      at.classList.toggle("lnb-gallery-active", i === active);
      at.dataset.state = !it ? "waiting" : it.url ? "shown" : "broken";
      const named = it ? [it.row === null ? `picture ${count(i + 1)}` : `row ${count(it.row)}`, it.label === "-" ? "" : it.label] : [`picture ${count(i + 1)}`, "loading"];
      at.setAttribute("aria-label", [...named, it?.why].filter(Boolean).join(": "));
      at.title = it ? [...named, it.size, it.why].filter(Boolean).join(" · ") : "";
      if (picture.getAttribute("src") !== (it?.url || null)) { if (it?.url) picture.src = it.url; else picture.removeAttribute("src"); }
      picture.alt = it?.url ? named.filter(Boolean).join(": ") : "";
      picture.hidden = !it?.url;
      picture.classList.toggle("lnb-px", Boolean(it?.px));
      say(why, it && !it.url ? it.why : "");
      say(words, it ? (it.label === "-" ? "" : it.label) : "");
      say(row, it ? (it.row === null ? "" : count(it.row)) : "");
    }
    cells.forEach(({ at }, slot) => { if (!used.has(slot)) { at.hidden = true; at.dataset.state = "unused"; } });
    if (active >= first && active < last) box.setAttribute("aria-activedescendant", `${name}-${active % slots}`);
    else box.removeAttribute("aria-activedescendant");
    later();
  }

  // Ask for what is in sight and missing; once that is there, for one screen ahead.
  const later = throttle(() => need(), 40);
  async function need() {
    if (signal?.aborted || !live || !again.hidden || !matches() || beginning()) return;
    const [first, last] = inSight(), want = side(), missing = [];
    const lacks = (i) => { const it = seen.get(i); return !it || (it.side < want && it.url && !it.px); };
    for (let i = first; i < last; i += 1) if (lacks(i)) missing.push(i);
    const ahead = down > 0 ? [last, Math.min(matches(), 2 * last - first)] : [Math.max(0, 2 * first - last), first];
    if (!missing.length) for (let i = ahead[0]; i < ahead[1]; i += 1) if (lacks(i)) missing.push(i);
    if (!missing.length) return;
    const mine = ++flying, key = `${view}/${want}/${missing[0]}/${missing.length}`;
    if (need.key === key) return;
    need.key = key;
    try {
      const { body, buffers } = await ask("page", { client, view, indices: missing, side: want }, () => mine === flying);
      if (signal?.aborted) return;
      if (body.view === view && body.items.length) { seen.add(body.items, buffers[0], want); seen.trim(); draw(); }
      if (mine === flying) { need.key = ""; need(); }
    } catch (error) { if (mine === flying) { need.key = ""; fault(error); } }
  }
  function fault(error) { failed.show(error ?? {}); again.hidden = !error; }

  // Choosing: click one, shift a range, ctrl or cmd one more or less.
  function pick(ranges) { if (live) save(model, { picked: ranges }); }
  function move(to) {
    active = Math.max(0, Math.min(matches() - 1, to));
    const y = Math.floor(active / columns()) * rowHigh();
    if (y < top) go(y); else if (y + rowHigh() + GAP > top + box.clientHeight) go(y + rowHigh() + GAP - box.clientHeight); else draw();
  }
  const span = () => [[Math.min(anchor, active), Math.max(anchor, active)]];
  box.addEventListener("click", (event) => {
    const at = event.target.closest(".lnb-gallery-cell");
    if (!at) return;
    move(Number(at.dataset.index));
    const picked = model.get("picked");
    if (event.shiftKey) return pick(span());
    anchor = active;
    if (event.ctrlKey || event.metaKey) return pick(flipped(picked, active));
    pick(picked.length === 1 && picked[0][0] === active && picked[0][1] === active ? [] : [[active, active]]);
  }, { signal });
  box.addEventListener("dblclick", (event) => { if (event.target.closest(".lnb-gallery-cell")) openAt(active); }, { signal });
  box.addEventListener("keydown", (event) => {
    const n = columns(), page = Math.max(1, Math.floor(box.clientHeight / rowHigh())) * n, mod = event.ctrlKey || event.metaKey;
    const to = { ArrowRight: active + 1, ArrowLeft: active - 1, ArrowDown: Math.min(active + n, Math.max(active, matches() - 1)), ArrowUp: active - n < 0 ? active : active - n, PageDown: active + page, PageUp: active - page, Home: 0, End: matches() - 1 }[event.key];
    if (to !== undefined && !event.altKey) { move(to); if (event.shiftKey) pick(span()); else anchor = active; }
    else if (event.key === " ") { pick(flipped(model.get("picked"), active)); anchor = active; }
    else if (event.key === "Enter") openAt(active);
    else if (event.key === "a" && mod && matches()) pick([[0, matches() - 1]]);
    else if (event.key === "Escape" && model.get("picked").length) pick([]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }, { signal });

  async function jump(row) {
    try { const { body } = await ask("find", { client, row }); move(body.index); anchor = active; go(Math.floor(active / columns()) * rowHigh()); focus(); } catch (error) { fault(error); }
  }

  async function openAt(index) {
    if (!matches() || !live) return;
    move(index);
    const at = active, it = seen.get(at), words = [it?.row == null ? `Picture ${count(at + 1)}` : `Row ${count(it.row)}`, it && it.label !== "-" ? it.label : ""].filter(Boolean).join(" · ");
    detail.title(at, matches(), words);
    detail.wait();
    if (!opened) { opened = true; detail.box.hidden = false; el.classList.add("lnb-gallery-open"); detail.shut.focus(); }
    try {
      const { body, buffers } = await ask("one", { client, view, index: at });
      if (opened && at === active) detail.show(body, buffers[0], words);
    } catch (error) { if (opened && at === active) detail.error.show(error); }
  }
  function shut() { opened = false; detail.box.hidden = true; el.classList.remove("lnb-gallery-open"); detail.free(); focus(); }

  // On a slow store the first page comes after the cell has ended.
  function arrive() {
    const items = model.get("first_items");
    if (!items.length || seen.get(items[0].i)) return;
    seen.add(items, model.get("first"), 224);
    draw();
  }
  const beginning = () => model.get("busy") && !model.get("first_items").length;
  follow(model, ["view", "first"], () => {
    const fresh = view !== -1 && view !== model.get("view");
    if (view === model.get("view")) { arrive(); return; }
    view = model.get("view");
    seen.clear();
    seen.add(model.get("first_items"), model.get("first"), 224);
    need.key = "";
    if (fresh) { active = anchor = 0; if (opened) shut(); }
    fault();
    go(fresh ? 0 : top);
  }, signal);
  follow(model, ["total", "matches", "where", "chosen", "classes", "picked", "size", "busy", "problem"], () => {
    bar.draw();
    const gone = live ? {} : { message: "disconnected: the kernel behind this gallery is gone", hint: "run the cell again to go on" };
    filterError.show(live ? model.get("problem") : gone);
    const none = !matches();
    box.hidden = none;
    empty.hidden = !none;
    say(empty, model.get("total") ? "No image matches. Change or clear the filter." : "This table is empty.");
    el.toggleAttribute("aria-busy", model.get("busy"));
    refit();
  }, signal);
  connection(model, signal, (now) => { live = now; bar.off(!now); filterError.show(now ? model.get("problem") : { message: "disconnected: the kernel behind this gallery is gone", hint: "run the cell again to go on" }); });

  const watch = new ResizeObserver(() => refit());
  watch.observe(box);
  return () => { watch.disconnect(); seen.clear(); detail.free(); };
}
PARTS.gallery = render_gallery;
