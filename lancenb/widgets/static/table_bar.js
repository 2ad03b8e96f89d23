// What stands around the grid: the filter, the figures' progress, the line of Python.
function filterBar(model, id, keep) {
  const input = h("input", { type: "text", id: `${id}-where`, class: "lnb-tv-input lnb-tv-sql", spellcheck: "false", autocomplete: "off", autocapitalize: "off", placeholder: "e.g. width > 100 AND label = 3", "aria-describedby": `${id}-problem` });
  const apply = h("button", { type: "submit", class: "lnb-button", text: "Apply" }), clear = h("button", { type: "button", class: "lnb-button lnb-quiet", text: "Clear" });
  const tools = h("span", { class: "lnb-tv-tools" }), error = problem();
  const form = h("form", { class: "lnb-tv-filter", role: "search", "aria-label": "filter rows" }, h("label", { for: input.id, text: "Filter (SQL)" }), input, apply, clear, tools);
  error.id = `${id}-problem`;
  const ask = (event) => { event.preventDefault(); keep({ asked: input.value.trim() }); };
  form.addEventListener("submit", ask);
  clear.addEventListener("click", () => { input.value = ""; keep({ asked: "" }); input.focus(); });
  // Hosts may keep Enter from submitting a form, so it is heard here too.
  input.addEventListener("keydown", (event) => { if (event.key === "Enter" && !event.isComposing) { event.stopPropagation(); ask(event); } });
  input.addEventListener("keydown", (event) => { if (event.key === "Escape" && input.value !== model.get("asked")) { input.value = model.get("asked"); event.stopPropagation(); } });
  let known = null;
  function draw() {
    // Words half typed stay, whatever is asked meanwhile; Escape fetches what is asked.
    const writing = document.activeElement === input && input.value.trim() !== (known ?? "");
    if (known !== model.get("asked")) { known = model.get("asked"); if (!writing) input.value = known; }
    const wrong = model.get("problem");
    error.show(wrong);
    input.setAttribute("aria-invalid", String(wrong.about === "filter"));
    clear.hidden = !model.get("asked") && !input.value;
  }
  input.addEventListener("input", () => { clear.hidden = !input.value; });
  return { form, error, tools, draw };
}

function figureStrip(model, ask) {
  const note = h("span", { class: "lnb-tv-note", role: "status" }), fill = h("i"), bar = h("div", { class: "lnb-bar lnb-tv-progress", role: "progressbar", "aria-label": "measuring columns", "aria-valuemin": "0", "aria-valuemax": "100" }, fill);
  const all = h("button", { type: "button", class: "lnb-button lnb-quiet", text: "All rows", "aria-label": "Measure all rows" });
  const stop = h("button", { type: "button", class: "lnb-button lnb-quiet", text: "Cancel", "aria-label": "Cancel measuring" });
  const box = h("div", { class: "lnb-row lnb-tv-strip2" }, bar, note, all, stop);
  all.addEventListener("click", () => ask("measure", { whole: true }).catch(() => {}));
  stop.addEventListener("click", () => { stop.disabled = true; ask("cancel").catch(() => {}); });
  function draw() {
    const { state = "", rows = 0, total = 0, fraction = 0, message = "" } = model.get("measuring"), busy = state === "running";
    const part = rows < total ? `Figures from the first ${count(rows)} of ${count(total)} rows` : `Figures from all ${count(rows)} rows`;
    say(note, busy ? `Measuring ${count(total)} rows` : state === "failed" ? visible(message) : state ? part : "");
    bar.hidden = stop.hidden = !busy;
    stop.disabled = false;
    all.hidden = busy || !state || (rows >= total && state === "done");
    fill.style.width = `${Math.round(100 * fraction)}%`;
    bar.setAttribute("aria-valuenow", Math.round(100 * fraction));
    box.hidden = !state;
  }
  return { box, draw };
}

function codeLine(model) {
  const text = h("code", { class: "lnb-code-text", tabindex: "0", role: "textbox", "aria-readonly": "true", "aria-label": "the same in Python" });
  const take = h("button", { type: "button", class: "lnb-button lnb-quiet", text: "Copy", "aria-label": "Copy the Python line" });
  take.addEventListener("click", async () => {
    say(take, (await copy(model.get("code"))) ? "Copied" : "Select and copy");
    setTimeout(() => say(take, "Copy"), 2000);
  });
  follow(model, ["code"], () => say(text, model.get("code")));
  return h("div", { class: "lnb-code" }, text, take);
}
