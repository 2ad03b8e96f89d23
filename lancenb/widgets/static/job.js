// The job card: state, progress, what is left, cancel, and errors in one sentence.
const WORDS = { idle: "ready", running: "running", done: "done", failed: "failed", cancelled: "cancelled", disconnected: "disconnected" };
const LOST = "the kernel behind this panel is gone; run the cell again to go on";
const AWAY = "the kernel cannot be reached; the panel follows again when it can";

function render_job({ model, el, signal }) {
  root(model, el, "job");
  const state = h("span", { class: "lnb-state" }, h("i", { class: "lnb-dot", "aria-hidden": "true" }), h("span"));
  const name = h("span", { class: "lnb-job-name" }), percent = h("span", { class: "lnb-job-percent" });
  const stop = h("button", { type: "button", class: "lnb-button lnb-job-cancel", text: "Cancel", on: { click: cancel } });
  const part = h("i"), bar = h("div", { class: "lnb-bar", role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100" }, part);
  const detail = h("div", { class: "lnb-job-detail" }), heard = h("div", { class: "lnb-aloud", role: "status", "aria-live": "polite" });
  const error = problem();
  el.append(h("div", { class: "lnb-row" }, state, name, percent, stop), bar, detail, heard, error);

  let live = true, lost = false, spoken = 0, timer = null, again = null;

  // Kernels with subshells now and then sleep over a message until the next one comes, so that a
  // request to stop is repeated until it is heard.
  function cancel() {
    if (!live || model.get("state") !== "running" || model.get("cancelling")) return;
    stop.disabled = true;
    model.send({ do: "cancel" });
    clearTimeout(again);
    again = setTimeout(cancel, 1000);
  }

  // Screen readers hear a change of state at once and progress every few seconds.
  function speak(text, now) {
    clearTimeout(timer);
    const wait = now ? 0 : Math.max(0, spoken + 5000 - Date.now());
    timer = setTimeout(() => { spoken = Date.now(); say(heard, text); }, wait);
  }

  function draw() {
    const value = live ? model.get("state") : "disconnected", share = model.get("fraction");
    const running = value === "running", known = share !== null && share !== undefined;
    const changed = el.dataset.state !== value, said = Math.round(100 * (share ?? 0));
    el.dataset.state = value;
    el.toggleAttribute("data-form", value === "failed" && !model.get("name"));
    say(state.lastChild, running && model.get("cancelling") ? "cancelling" : WORDS[value]);
    say(name, model.get("name"));
    name.title = model.get("name");
    say(percent, known && value !== "idle" ? `${said} %` : "");
    bar.classList.toggle("lnb-bar-open", running && !known);
    bar.setAttribute("aria-label", `${model.get("name") || "job"} progress`);
    if (known) bar.setAttribute("aria-valuenow", said); else bar.removeAttribute("aria-valuenow");
    part.style.width = `${said}%`;
    say(detail, live ? model.get("detail") : lost ? LOST : AWAY);
    detail.title = detail.textContent;
    stop.hidden = !running;
    if (!running) clearTimeout(again);
    stop.disabled = model.get("cancelling");
    error.show(live ? { message: model.get("error"), hint: model.get("hint"), trace: model.get("traceback") } : {});
    speak([model.get("name"), WORDS[value], known && running ? `${said} percent` : ""].filter(Boolean).join(", "), changed);
  }

  connection(model, signal, (now, gone) => {
    [live, lost] = [now, gone];
    el.closest(".lnb-panel")?.toggleAttribute("data-offline", !live);
    if (el.dataset.state) draw();
  });
  follow(model, ["state", "fraction", "name", "detail", "cancelling", "error", "hint", "traceback"], draw, signal);
  signal?.addEventListener("abort", () => { clearTimeout(timer); clearTimeout(again); });
}
PARTS.job = render_job;
