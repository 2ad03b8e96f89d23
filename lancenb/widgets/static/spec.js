// A text box for sources: what is typed travels as a question, so that nothing secret becomes state.
let specs = 0;

function render_spec({ model, el, signal }) {
  root(model, el, "spec", { keys: true });
  const mark = `lnb-spec-${Date.now().toString(36)}-${specs++}`, ask = asker(model, signal);
  const label = h("label", { class: "lnb-spec-label", for: `${mark}-box` });
  const box = h("input", { type: "text", id: `${mark}-box`, list: `${mark}-list`, spellcheck: "false", autocomplete: "off", autocapitalize: "off", "aria-describedby": `${mark}-said` });
  const list = h("datalist", { id: `${mark}-list` });
  const said = h("div", { class: "lnb-said", id: `${mark}-said`, role: "status", "aria-live": "polite" });
  el.append(label, box, list, said);

  let sent = null, timer = null, asked = 0, turn = 0;
  async function tell(commit) {
    clearTimeout(timer);
    if (!commit && box.value === sent) return;
    sent = box.value;
    asked += 1;
    try {
      const { body } = await ask("draft", { text: sent, commit, who: mark, turn: turn++ });
      if (sent === box.value) list.replaceChildren(...body.options.map(([value, words]) => h("option", { value, label: `${value}  ${words}` })));
    } catch { /* the line below the box already says what is known */ }
    asked -= 1;
    show();
  }
  box.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(() => tell(false), 180); });
  // Whoever leaves the box has said what they mean, before any button hears of it.
  box.addEventListener("change", () => { if (box.value !== model.get("value") || box.value !== sent) tell(true); });
  box.addEventListener("focus", () => { if (!list.children.length) tell(false); });
  box.addEventListener("blur", () => setTimeout(show, 0));
  box.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key !== "Enter" || event.isComposing) return;
    event.preventDefault();
    tell(true);
    model.send({ do: "submit" });
  });

  // What stands in the box while somebody writes, or is on its way, is theirs; then it is the public form.
  function show() {
    if (document.activeElement === box || asked) return;
    if (box.value !== model.get("value")) box.value = sent = model.get("value");
  }
  follow(model, ["value", "said", "tone", "description", "placeholder", "disabled"], () => {
    say(label, model.get("description"));
    show();
    box.placeholder = model.get("placeholder");
    box.disabled = model.get("disabled");
    say(said, model.get("said"));
    said.dataset.tone = model.get("tone");
    box.setAttribute("aria-invalid", model.get("tone") === "bad");
  }, signal);
  signal?.addEventListener("abort", () => clearTimeout(timer));
}
PARTS.spec = render_spec;
