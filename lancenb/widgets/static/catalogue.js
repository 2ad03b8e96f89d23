// The catalogue: search box, kind, refresh, and a listbox; arrows move, Enter or a click chooses.
const KINDS = [["", "all kinds"], ["images", "images"], ["weights", "weights"], ["table", "tables"], ["text", "text"]];

function render_catalogue({ model, el, signal }) {
  root(model, el, "catalogue", { keys: true });
  const search = h("input", { type: "search", class: "lnb-input", placeholder: "Search", "aria-label": "Search the catalogue", spellcheck: "false" });
  const kinds = h("select", { class: "lnb-input", "aria-label": "Kind" }, ...KINDS.map(([value, text]) => h("option", { value, text })));
  const again = h("button", { type: "button", class: "lnb-button lnb-quiet", text: "Refresh", "aria-label": "Refresh the catalogue", on: { click: () => model.send({ do: "refresh" }) } });
  const box = h("div", { class: "lnb-list", role: "listbox", "aria-label": "Artefacts" });
  const empty = h("p", { class: "lnb-empty" });
  const heard = h("div", { class: "lnb-list-foot", role: "status" });
  const error = problem();
  el.append(search, h("div", { class: "lnb-row" }, kinds, again), error, box, empty, heard);

  // What is typed stands in the box until it is asked, also when the focus has gone on.
  let owed = false;
  const asked = throttle(() => { owed = false; save(model, { query: search.value }); }, 200);
  const ask = () => { owed = true; asked(); };
  search.addEventListener("input", ask);
  search.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "ArrowDown" && options().length) { event.preventDefault(); goto(at()); }
    if (event.key === "Escape" && search.value) { search.value = ""; ask(); }
  });
  kinds.addEventListener("change", () => save(model, { of_kind: kinds.value }));

  const options = () => [...box.children];
  const at = () => Math.max(0, options().findIndex((each) => each.tabIndex === 0));
  const goto = roving(box, options);
  const choose = (option) => option && save(model, { selected: option.dataset.name });
  box.addEventListener("click", (event) => choose(event.target.closest("[role=option]")));
  box.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    event.stopPropagation();
    choose(document.activeElement.closest("[role=option]"));
  });

  function option({ name, kind, tags, about }) {
    return h("div", { class: "lnb-option", role: "option", tabindex: "-1", data: { name }, title: about || name },
      h("span", { class: "lnb-option-name", text: name }), h("span", { class: "lnb-chip", text: kind }),
      tags.length ? h("span", { class: "lnb-option-tags", text: tags.join(", ") }) : null);
  }

  function fillList() {
    const focused = box.contains(document.activeElement) ? document.activeElement.dataset.name : null;
    const old = new Map(options().map((each) => [each.dataset.name, each]));
    hold(box, model.get("items").map((item) => {
      const was = old.get(item.name), fresh = option(item);
      if (was) renew(was, fresh);
      return was ?? fresh;
    }));
    mark();
    if (focused !== null && !box.contains(document.activeElement)) (options().find((each) => each.dataset.name === focused) ?? search).focus();
  }

  function mark() {
    const chosen = model.get("selected"), all = options();
    const goal = Math.max(0, all.findIndex((each) => each.dataset.name === chosen));
    all.forEach((each, i) => {
      each.setAttribute("aria-selected", String(each.dataset.name === chosen));
      each.tabIndex = i === goal ? 0 : -1;
    });
  }

  function words() {
    const shown = model.get("items").length, total = model.get("total"), busy = model.get("busy");
    const narrowed = model.get("query").trim() || model.get("of_kind"), wrong = model.get("error");
    if (!owed && document.activeElement !== search) search.value = model.get("query");
    kinds.value = model.get("of_kind");
    error.show({ message: wrong, hint: model.get("hint") });
    box.hidden = !shown;
    empty.hidden = shown > 0 || Boolean(wrong);
    say(empty, busy ? "Reading the catalogue …" : narrowed ? "Nothing matches. Try fewer words, or all kinds." : "Nothing here yet. Download or convert something to begin.");
    say(heard, wrong || (!shown && !total) ? "" : shown < total ? `${count(shown)} of ${count(total)}; search to narrow` : `${count(total)} artefact${total === 1 ? "" : "s"}`);
  }

  follow(model, ["items"], fillList, signal);
  follow(model, ["selected"], mark, signal);
  follow(model, ["items", "total", "busy", "error", "hint", "query", "of_kind"], words, signal);
}
PARTS.catalogue = render_catalogue;
