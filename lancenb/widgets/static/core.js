// Helpers shared by every part. Text goes in by textContent only; nothing here builds markup from data.
const PARTS = {};
const SVG = "http://www.w3.org/2000/svg";

// fill(element, {class, text, on: {click}, data: {state}, aria-..., any attribute or property}, ...children)
function fill(element, props, kids) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") element.setAttribute("class", value);
    else if (name === "text") element.textContent = value;
    else if (name === "on") for (const [event, act] of Object.entries(value)) element.addEventListener(event, act);
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name === "style") for (const [key, v] of Object.entries(value)) element.style.setProperty(key, v);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...kids.filter((kid) => kid !== null && kid !== undefined && kid !== false));
  return element;
}

// h("button", {class: "lnb-button", text: "Go", on: {click: go}})
function h(tag, props, ...kids) { return fill(document.createElement(tag), props, kids); }

// svg("path", {d: "..."}): attributes only, so colours come from CSS classes
function svg(tag, props, ...kids) { return fill(document.createElementNS(SVG, tag), props, kids); }

// Write text only where it changed, so that screen readers and selections are left alone.
function say(element, text) { if (element.textContent !== text) element.textContent = text; }

// Let a box hold these elements in this order. Those that are in it stay in the page: what is taken out and put
// back loses the focus with the keys that come next, half-typed words, and a click or a drag begun on it.
function hold(box, wanted) {
  for (const kid of [...box.children]) if (!wanted.includes(kid)) kid.remove();
  wanted.forEach((kid, i) => { if (box.children[i] !== kid) box.insertBefore(kid, box.children[i] ?? null); });
}

// Make an element look like a fresh one, so that what is drawn again can stay in the page: see hold(). It keeps
// its own listeners, those of the fresh one are lost.
const QUIET = "data-lm-suppress-shortcuts";
function renew(old, fresh) {
  for (const { name } of [...old.attributes]) if (name !== QUIET && !fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  const kids = [...fresh.childNodes];
  kids.forEach((kid, i) => {
    const was = old.childNodes[i];
    if (!was) old.append(kid);
    else if (was.nodeName !== kid.nodeName) was.replaceWith(kid);
    else if (kid.nodeType === Node.ELEMENT_NODE) renew(was, kid);
    else if (was.data !== kid.data) was.data = kid.data;
  });
  while (old.childNodes.length > kids.length) old.lastChild.remove();
}

// Root of a part: class, accessible name, and Lab's own shortcuts kept out where keys are handled.
function root(model, el, name, { keys = false, role = "group" } = {}) {
  el.classList.add("lnb", "lnb-view", `lnb-${name}`);
  el.setAttribute("role", role);
  // JupyterLab looks for its shortcuts from the focused element upwards: the mark must be there too.
  if (keys) {
    el.setAttribute(QUIET, "true");
    el.addEventListener("focusin", (e) => e.target.setAttribute(QUIET, "true"));
  }
  const label = () => el.setAttribute("aria-label", model.get("label") || name);
  model.on("change:label", label);
  label();
  unhold(model.widget_manager);
  return el;
}

// A model keeps its changes to itself until the kernel has said that the last one was heard. ipykernel 7.4
// never says so of changes that come while a cell awaits, and the model stays mute for good. What was kept
// for two seconds is sent all the same: for every widget of the page, because a form is made of many.
const watched = globalThis[Symbol.for("lancenb.unhold")] ??= new WeakSet();
function unhold(manager) {
  if (!manager?._models || watched.has(manager)) return;
  watched.add(manager);
  const held = new WeakMap(), heard = { content: { execution_state: "idle" } };
  const look = (model) => {
    if (!(model?._pending_msgs > 0) || !model._msg_buffer) return void held.delete(model);
    held.set(model, (held.get(model) ?? 0) + 1);
    if (held.get(model) <= 2) return;
    held.delete(model);
    model._pending_msgs = 1;
    model._handle_status(heard);
  };
  const timer = setInterval(() => {
    if (manager.isDisposed) return clearInterval(timer);
    for (const model of Object.values(manager._models)) Promise.resolve(model).then(look, () => {});
  }, 1000);
}

// Draw once now and once per frame after any of the named traits changed.
function follow(model, names, draw, signal) {
  let due = 0;
  const later = () => { if (!due) due = requestAnimationFrame(() => { due = 0; draw(); }); };
  for (const name of names) model.on(`change:${name}`, later);
  signal?.addEventListener("abort", () => cancelAnimationFrame(due));
  draw();
}

// Set a trait from the front end.
function save(model, values) {
  for (const [name, value] of Object.entries(values)) model.set(name, value);
  model.save_changes();
}

// Run fn at most once per ms, the last call always included.
function throttle(fn, ms) {
  let timer = null, last = 0;
  return (...args) => {
    clearTimeout(timer);
    const wait = Math.max(0, last + ms - Date.now());
    timer = setTimeout(() => { last = Date.now(); fn(...args); }, wait);
  };
}

// asker(model, signal) -> ask(name, args, still): Promise<{body, buffers}>; rejects with {message, hint}.
// Python answers with the method _answer_<name>(**args) of the View. A question that is no longer wanted,
// as still() says, is not asked again.
function asker(model, signal, seconds = 60) {
  const waiting = new Map(), mark = Math.random().toString(36).slice(2);
  let next = 0;
  model.on("msg:custom", (message, buffers) => {
    const call = waiting.get(message?.id);
    if (!call) return;
    waiting.delete(message.id);
    call.end();
    if (message.error !== undefined) call.no({ message: message.error, hint: message.hint ?? "" });
    else call.yes({ body: message.body, buffers: buffers ?? [] });
  });
  signal?.addEventListener("abort", () => { for (const call of waiting.values()) call.end(); waiting.clear(); });
  return (name, args = {}, still = () => true) => new Promise((yes, no) => {
    const id = `${mark}-${next++}`;
    const late = () => { waiting.delete(id); no({ message: "the kernel does not answer", hint: "it may be busy: wait for the running cell, or interrupt it" }); };
    // Kernels with subshells now and then sleep over a message until the next one comes: ask again.
    // A page that is closed, or whose kernel is gone, sends nothing more: a timer must not throw there.
    const gone = () => signal?.aborted || model.get("layout")?.comm_live === false || model.widget_manager?.kernel?.isDisposed === true;
    const put = () => { if (!gone()) try { model.send({ ask: name, id, args }); } catch (error) { console.debug("lancenb", error); } };
    const timers = [setTimeout(late, 1000 * seconds), ...[2000, 8000].map((ms) => setTimeout(() => { if (still()) put(); }, ms))];
    waiting.set(id, { yes, no, end: () => timers.forEach(clearTimeout) });
    put();
  });
}

// connection(model, signal, tell): tell(live, lost) now and at every change. Not live and not lost: the
// kernel cannot be reached for now; lost: it restarted or ended, and what this view showed is gone for good.
// Hosts tell it in two ways: models lose their comm (on a restart by hand), and the kernel object of
// JupyterLab, Notebook and Voila reports crashes, shutdowns and broken connections.
function connection(model, signal, tell) {
  const kernel = model.widget_manager?.kernel, END = ["restarting", "autorestarting", "terminating", "dead"];
  let lost = false, known = "";
  const look = (own) => {
    lost ||= (own ?? model.get("layout"))?.comm_live === false || kernel?.isDisposed === true || END.includes(kernel?.status);
    const live = !lost && (kernel?.connectionStatus ?? "connected") !== "disconnected";
    if (`${live} ${lost}` === known) return;
    known = `${live} ${lost}`;
    tell(live, lost);
  };
  const changed = () => look();
  const news = ["statusChanged", "connectionStatusChanged", "disposed"].map((name) => kernel?.[name]).filter((each) => each?.connect);
  for (const each of news) each.connect(changed);
  signal?.addEventListener("abort", () => { for (const each of news) each.disconnect(changed); });
  model.on("comm_live_update", function () { look(this?.model); });
  look();
}

// Arrow keys, Home and End move the focus among the items; one item is in the tab order.
function roving(box, items, { columns = () => 1, move = () => {} } = {}) {
  const to = (index) => {
    const all = items();
    if (!all.length) return;
    const goal = Math.max(0, Math.min(all.length - 1, index));
    all.forEach((item, i) => { item.tabIndex = i === goal ? 0 : -1; });
    all[goal].focus();
    move(goal, all[goal]);
  };
  box.addEventListener("keydown", (event) => {
    const all = items(), at = all.indexOf(document.activeElement);
    if (at < 0 || event.altKey || event.ctrlKey || event.metaKey) return;
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns(), ArrowUp: -columns(), Home: -at, End: all.length - 1 - at }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    to(at + step);
  });
  return to;
}

// Numbers for people.
function count(n) { return Math.round(n).toLocaleString("en-US"); }
function bytes(n) {
  if (n === null || n === undefined) return "?";
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (n < (unit === "B" ? 999.5 : 999.95)) return unit === "B" ? `${Math.round(n)} B` : `${n.toFixed(1)} ${unit}`;
    n /= 1000;
  }
  return `${n.toFixed(1)} TB`;
}
function short(x) {
  if (!Number.isFinite(x)) return String(x);
  const a = Math.abs(x);
  return a !== 0 && (a < 1e-3 || a >= 1e6) ? x.toExponential(2) : String(Number(x.toPrecision(4)));
}

// Bytes traits and buffers arrive as DataViews at any offset: copy once to get aligned numbers.
function numbers(view, Kind = Float32Array) {
  return new Kind(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}

// Copy text; falls back to a selection where the clipboard is closed (plain http, frames).
async function copy(text) {
  try { await navigator.clipboard.writeText(text); return true; } catch { /* closed: below */ }
  const area = h("textarea", { "aria-hidden": "true", style: { position: "fixed", opacity: "0" } });
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

// The one look of an error inside a part: a sentence, a hint, folded details.
function problem() {
  const word = h("p", { class: "lnb-problem-text" }), hint = h("p", { class: "lnb-hint" });
  const pre = h("pre", { class: "lnb-trace", tabindex: "0", "aria-label": "details of the error" });
  const fold = h("details", { class: "lnb-fold" }, h("summary", { text: "Details" }), pre);
  const box = h("div", { class: "lnb-problem", role: "alert", hidden: true }, word, hint, fold);
  box.show = ({ message = "", hint: what = "", trace = "" } = {}) => {
    box.hidden = !message;
    say(word, message);
    say(hint, what);
    hint.hidden = !what;
    say(pre, trace);
    fold.hidden = !trace;
  };
  return box;
}
