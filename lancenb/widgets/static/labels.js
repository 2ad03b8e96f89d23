// Words as chips: type and press Enter; Backspace in the empty field takes the last one away.
let labelFields = 0;
function render_labels({ model, el, signal }) {
  root(model, el, "labels", { keys: true });
  const id = `lnb-labels-${labelFields++}`;
  const label = h("label", { class: "lnb-labels-name", for: id });
  const input = h("input", { id, type: "text", class: "lnb-labels-input", list: `${id}-list`, spellcheck: "false", autocomplete: "off" });
  const list = h("datalist", { id: `${id}-list` }), heard = h("span", { class: "lnb-aloud", role: "status" });
  const box = h("div", { class: "lnb-labels-box", on: { click: (event) => { if (event.target === box) input.focus(); } } }, input);
  el.append(label, box, list, heard);
  const set = (words, said) => { save(model, { value: words }); say(heard, said); };
  const add = (text) => {
    const words = text.split(",").map((word) => word.trim()).filter(Boolean);
    input.value = "";
    const all = [...new Set([...model.get("value"), ...words])];
    if (words.length) set(all, `${words.join(", ")} added`);
  };
  const remove = (word) => set(model.get("value").filter((other) => other !== word), `${word} removed`);
  const chipOf = (word) => h("span", { class: "lnb-chip lnb-label", data: { word } }, h("span", { class: "lnb-cut", text: word, title: word }),
    h("button", { type: "button", class: "lnb-label-off", text: "×", "aria-label": `Remove ${word}`, on: { click: () => { remove(word); input.focus(); } } }));
  // The field stays in the page, and a chip while its word does.
  const drawChips = (words) => {
    const old = new Map([...box.querySelectorAll(".lnb-label")].map((chip) => [chip.dataset.word, chip]));
    hold(box, [...words.map((word) => old.get(word) ?? chipOf(word)), input]);
  };
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if ((event.key === "Enter" || event.key === ",") && input.value.trim()) { event.preventDefault(); add(input.value); }
    else if (event.key === "Backspace" && !input.value && model.get("value").length) remove(model.get("value").at(-1));
    if (["Enter", ",", "Backspace"].includes(event.key)) event.stopPropagation();
  });
  input.addEventListener("change", () => add(input.value));
  follow(model, ["value", "options", "description", "placeholder"], () => {
    say(label, model.get("description"));
    label.hidden = !model.get("description");
    const words = model.get("value");
    input.placeholder = words.length ? "" : model.get("placeholder");
    drawChips(words);
    list.replaceChildren(...model.get("options").map((value) => h("option", { value })));
  }, signal);
}
PARTS.labels = render_labels;
