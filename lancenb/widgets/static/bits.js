// Small parts of panels: the code line and the button that asks twice.
function render_code({ model, el }) {
  root(model, el, "code");
  const code = h("code", { class: "lnb-code-text", tabindex: "0", role: "textbox", "aria-readonly": "true", "aria-label": "the same in Python" });
  const button = h("button", { type: "button", class: "lnb-button lnb-quiet", text: "Copy", "aria-label": "Copy the Python line" });
  const heard = h("span", { class: "lnb-aloud", role: "status" });
  let timer = null;
  button.addEventListener("click", async () => {
    const word = (await copy(model.get("code"))) ? "Copied" : "Select and copy";
    clearTimeout(timer);
    say(button, word);
    say(heard, word);
    timer = setTimeout(() => { say(button, "Copy"); say(heard, ""); }, 2000);
  });
  el.append(code, button, heard);
  follow(model, ["code"], () => { say(code, model.get("code")); el.toggleAttribute("hidden", !model.get("code")); });
}

function render_confirm({ model, el, signal }) {
  root(model, el, "confirm", { keys: true });
  const button = h("button", { type: "button", class: "lnb-button" });
  const heard = h("span", { class: "lnb-aloud", role: "status" });
  let timer = null;
  button.addEventListener("click", () => model.send({ do: "click", armed: model.get("armed") }));
  const disarm = () => { if (model.get("armed")) model.send({ do: "disarm" }); };
  el.addEventListener("keydown", (event) => { if (event.key === "Escape" && model.get("armed")) { event.stopPropagation(); disarm(); } });
  el.append(button, heard);
  follow(model, ["text", "question", "armed", "disabled"], () => {
    const armed = model.get("armed");
    say(button, armed ? model.get("question") : model.get("text"));
    say(heard, armed ? "press again to confirm, Escape to keep everything as it is" : "");
    button.classList.toggle("lnb-danger", armed);
    button.disabled = model.get("disabled");
    clearTimeout(timer);
    if (armed) timer = setTimeout(disarm, 1000 * model.get("patience"));
  }, signal);
  signal?.addEventListener("abort", () => clearTimeout(timer));
}

// The box behind the line is the next element; CSS hides it by the state noted here.
function render_fold({ model, el, signal }) {
  root(model, el, "folder", { role: "presentation" });
  const button = h("button", { type: "button", class: "lnb-fold-button" });
  button.addEventListener("click", () => save(model, { opened: !model.get("opened") }));
  el.append(button);
  follow(model, ["opened", "label"], () => {
    say(button, model.get("label"));
    button.setAttribute("aria-expanded", String(model.get("opened")));
    el.toggleAttribute("data-open", model.get("opened"));
  }, signal);
}
PARTS.fold = render_fold;
PARTS.code = render_code;
PARTS.confirm = render_confirm;
