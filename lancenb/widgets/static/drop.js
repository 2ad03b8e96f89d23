// Files of the browser's machine to the kernel: dropped or chosen, in pieces, each one acknowledged.
const PIECE = 512 * 1024;
let drops = 0;

function render_drop({ model, el, signal }) {
  root(model, el, "drop");
  const mark = `lnb-drop-${Date.now().toString(36)}-${drops++}`;
  const input = h("input", { type: "file", multiple: true, class: "lnb-aloud", id: mark, tabindex: "-1", "aria-hidden": "true" });
  const pick = h("button", { type: "button", class: "lnb-button", text: "Choose files", on: { click: () => input.click() } });
  const words = h("span", { class: "lnb-drop-words" }), heard = h("span", { class: "lnb-aloud", role: "status" });
  const clear = h("button", { type: "button", class: "lnb-button lnb-quiet", text: "Remove", on: { click: stop } });
  const part = h("i"), bar = h("div", { class: "lnb-bar", role: "progressbar", "aria-label": "upload", "aria-valuemin": "0", "aria-valuemax": "100" }, part);
  el.append(h("div", { class: "lnb-drop-zone" }, pick, input, words, clear), bar, heard);

  let turn = 0, waiting = null, back = false;
  model.on("msg:custom", (message) => { if (message?.up !== undefined && waiting?.id === message.up) { const go = waiting.go; waiting = null; go(message); } });
  // A kernel that slept over a message gets it again; Python takes nothing twice.
  const answer = (content, buffers) => new Promise((go) => {
    const call = waiting = { id: content.id, go };
    const again = () => { if (waiting === call) { model.send(content, undefined, buffers); setTimeout(again, 4000); } };
    again();
  });
  signal?.addEventListener("abort", () => { turn += 1; waiting = null; });

  function stop() { turn += 1; waiting = null; model.send({ up: "clear", id: model.get("batch") }); back = true; }

  async function send(files) {
    const listed = [...files], mine = ++turn, id = `${mark}-${mine}`;
    if (!listed.length || model.get("disabled")) return;
    let reply = await answer({ up: "begin", id, files: listed.map((file) => ({ name: file.name, size: file.size })) });
    for (let n = 0; reply.ok && n < listed.length; n++) {
      for (let at = 0; reply.ok && at < listed[n].size; at += PIECE) {
        if (mine !== turn) return;
        let piece = null;
        try { piece = await listed[n].slice(at, at + PIECE).arrayBuffer(); } catch { model.send({ up: "broken", id, name: listed[n].name }); return; }
        if (mine === turn) reply = await answer({ up: "piece", id, n, at }, [piece]);
      }
    }
  }

  input.addEventListener("change", () => { send(input.files); input.value = ""; });
  const over = (on) => (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    event.stopPropagation();
    el.classList.toggle("lnb-over", on);
  };
  el.addEventListener("dragenter", over(true));
  el.addEventListener("dragover", over(true));
  el.addEventListener("dragleave", (event) => { if (!el.contains(event.relatedTarget)) over(false)(event); });
  el.addEventListener("drop", (event) => { over(false)(event); if (event.defaultPrevented) send(event.dataTransfer.files); });

  follow(model, ["state", "fraction", "said", "disabled"], () => {
    const state = model.get("state"), share = Math.round(100 * model.get("fraction"));
    el.dataset.state = state;
    say(words, model.get("said"));
    if (state !== "sending") say(heard, model.get("said"));
    pick.disabled = model.get("disabled") || state === "sending";
    // the button that was pressed is about to go: the focus stays in the zone
    if (back && !pick.disabled) { back = false; pick.focus(); }
    clear.disabled = model.get("disabled") && state !== "sending";
    clear.hidden = state !== "sending" && state !== "done";
    say(clear, state === "sending" ? "Cancel upload" : "Remove");
    bar.hidden = state !== "sending";
    bar.setAttribute("aria-valuenow", share);
    part.style.width = `${share}%`;
  }, signal);
}
PARTS.drop = render_drop;
