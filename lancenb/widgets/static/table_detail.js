// The pane below the grid: one value whole, one picture, one clip, or the figures of a column.
function bigBars(facts) {
  const picture = miniBars(facts.bars, `distribution from ${facts.min} to ${facts.max}`, 480, 120);
  picture.classList.add("lnb-tv-big");
  return h("figure", {}, picture, h("div", { class: "lnb-tv-ends" }, h("span", { text: facts.min ?? "" }), h("span", { text: facts.max ?? "" })));
}
function topList(facts) {
  const known = Math.max(1, facts.rows - facts.nulls), most = facts.top[0][1];
  return h("div", { class: "lnb-bars", role: "group", "aria-label": "most frequent values" }, ...facts.top.flatMap(([text, times]) => [
    h("span", { text: oneLine(text) || "empty text", title: text }),
    h("span", { class: "lnb-share", "aria-hidden": "true" }, h("i", { style: { width: `${((100 * times) / most).toFixed(1)}%` } })),
    h("span", { text: `${count(times)} (${((100 * times) / known).toFixed(1)} %)` }),
  ]));
}
function factList(pairs) {
  return h("dl", { class: "lnb-stats" }, ...pairs.map(([name, value]) => h("div", {}, h("dt", { text: name }), h("dd", { text: visible(String(value)) }))));
}

function detailPane(model, ask, keep, signal, close) {
  const title = h("strong", { class: "lnb-tv-heading" }), kind = h("small", { class: "lnb-dim" });
  const tick = (name, text) => {
    const input = h("input", { type: "checkbox" });
    input.addEventListener("change", () => keep({ [name]: input.checked }));
    return h("label", { class: "lnb-tv-tick" }, input, text);
  };
  const wrap = tick("wrap", "Wrap"), mono = tick("mono", "Monospace");
  const take = h("button", { type: "button", class: "lnb-button lnb-quiet", text: "Copy" });
  const shut = h("button", { type: "button", class: "lnb-button lnb-quiet", text: "Close", "aria-label": "Close the pane" });
  const body = h("div", { class: "lnb-tv-body2" }), more = h("button", { type: "button", class: "lnb-button", text: "Show more" }), note = h("p", { class: "lnb-tv-note", role: "status" });
  const error = problem(), player = audioPlayer(ask, signal);
  const pane = h("section", { class: "lnb-tv-detail", hidden: true }, h("div", { class: "lnb-tv-bar" }, title, kind, h("span", { class: "lnb-grow" }), wrap, mono, take, shut), error, body, h("div", { class: "lnb-buttons" }, more, note));
  let text = null, run = 0, where = null, urls = [];

  shut.addEventListener("click", close);
  pane.addEventListener("keydown", (event) => { if (event.key === "Escape") { event.stopPropagation(); close(); } });
  take.addEventListener("click", async () => { say(note, (await copy(text?.textContent ?? "")) ? "Copied." : "Select the text to copy it."); });
  more.addEventListener("click", () => fetchText(false));

  function begin(heading, type) {
    run++;
    player.drop();
    urls.forEach((url) => URL.revokeObjectURL(url));
    urls = [];
    text = null;
    error.show();
    say(title, oneLine(heading));
    say(kind, type);
    pane.setAttribute("aria-label", heading);
    for (const tool of [wrap, mono, take, more]) tool.hidden = true;
    say(note, "");
    return run;
  }
  function dress() {
    wrap.firstChild.checked = model.get("wrap");
    mono.firstChild.checked = model.get("mono");
    text?.classList.toggle("lnb-tv-wrapped", model.get("wrap"));
    text?.classList.toggle("lnb-tv-mono", model.get("mono"));
  }
  async function fetchText(fresh) {
    const mine = run;
    try {
      const { body: found, buffers } = await ask("value", { ...where, start: fresh ? 0 : text.dataset.got | 0 });
      if (mine !== run) return;
      if (fresh) lay(found, buffers); else text.append(visible(found.text));
      if (text) progress(found);
    } catch (wrong) {
      if (mine === run) { body.replaceChildren(); error.show(wrong); }
    }
  }
  function progress(found) {
    const got = found.start + found.taken;
    text.dataset.got = got;
    // the button that was pressed is about to go: the focus stays in the pane
    if (got >= found.length && document.activeElement === more) text.focus({ preventScroll: true });
    more.hidden = got >= found.length;
    say(note, got < found.length ? `First ${count(got)} of ${count(found.length)} characters.` : "");
  }
  function lay(found, buffers) {
    const parts = [];
    if (found.facts.length) parts.push(factList(found.facts));
    if (found.clip) {
      parts.unshift(player.box);
      player.load(found.clip, where);
    }
    if (found.picture) {
      const url = URL.createObjectURL(new Blob([buffers[0]], { type: found.picture }));
      urls.push(url);
      parts.unshift(h("img", { class: "lnb-tv-picture", src: url, alt: title.textContent }));
    }
    if (found.spark.length) parts.push(h("div", { class: "lnb-tv-vecbox" }, vectorSketch(found.spark, 480, 80)));
    if (found.text !== null) {
      text = h("pre", { class: "lnb-tv-text", tabindex: "0", "aria-label": "the whole value", text: visible(found.text) });
      parts.push(found.text === "" ? h("p", { class: "lnb-dim", text: "empty text" }) : text);
      wrap.hidden = mono.hidden = take.hidden = false;
      dress();
    } else text = null;
    body.replaceChildren(...parts);
  }
  return {
    pane,
    dress,
    drop() { begin("", ""); body.replaceChildren(); },
    value(row, number, place, column) {
      begin(`row ${count(number)} · ${column.name}`, column.type);
      where = { row, column: place, epoch: model.get("epoch") };
      return fetchText(true);
    },
    column(column, facts) {
      begin(`column ${column.name}`, column.type);
      if (!facts) {
        body.replaceChildren(h("p", { class: "lnb-dim", text: column.fit ? "Figures are being measured." : "Payloads and nested values are not measured: rows() gives them to Python." }));
        return;
      }
      const drawn = h("div", { class: "lnb-duo" }, facts.bars.length > 0 && bigBars(facts), facts.top.length > 0 && topList(facts));
      drawn.hidden = !drawn.childElementCount;
      body.replaceChildren(factList(figures(facts)), drawn);
    },
  };
}
