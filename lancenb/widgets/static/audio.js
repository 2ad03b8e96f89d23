// Playing one clip: its bytes travel only when asked for, in pieces, and the browser plays them.
function audioPlayer(ask, signal) {
  const sound = h("audio", { controls: true, preload: "metadata", class: "lnb-au-player" });
  const wave = h("div", { class: "lnb-au-wave" }), facts = h("p", { class: "lnb-au-facts" }), state = h("p", { class: "lnb-au-state", role: "status" }), error = problem();
  const box = h("div", { class: "lnb-au" }, wave, sound, state, facts, error);
  let url = null, run = 0;

  function drop() {
    run++;
    sound.pause();
    sound.removeAttribute("src");
    if (url) URL.revokeObjectURL(url);
    url = null;
  }
  // Peaks are pairs of lowest and highest sample between -1 and 1.
  function drawWave(peaks, label) {
    const wide = 480, high = 56, middle = high / 2, n = peaks.length;
    const path = peaks.map(([low, top], i) => {
      const x = (((i + 0.5) * wide) / n).toFixed(1);
      return `M${x} ${(middle - top * middle - 0.4).toFixed(1)}V${(middle - low * middle + 0.4).toFixed(1)}`;
    }).join("");
    const needle = svg("path", { class: "lnb-au-needle", d: `M0 0V${high}` });
    wave.replaceChildren(svg("svg", { viewBox: `0 0 ${wide} ${high}`, role: "img", "aria-label": label, preserveAspectRatio: "none" }, svg("path", { class: "axis", d: `M0 ${middle}H${wide}` }), svg("path", { class: "lnb-au-line", d: path, "stroke-width": (wide / n) * 0.7 }), needle));
    sound.ontimeupdate = () => needle.setAttribute("transform", `translate(${sound.duration ? (wide * sound.currentTime) / sound.duration : 0} 0)`);
    wave.onclick = (event) => {
      const at = wave.getBoundingClientRect();
      if (sound.duration) sound.currentTime = (sound.duration * (event.clientX - at.left)) / at.width;
    };
  }
  // clip: {title, facts, peaks, mime, nbytes, problem}; where: the arguments that name it.
  async function load(clip, where) {
    drop();
    const mine = run;
    error.show(clip.problem ? { message: clip.problem, hint: clip.hint } : {});
    say(facts, clip.facts);
    wave.hidden = !clip.peaks.length;
    if (clip.peaks.length) drawWave(clip.peaks, `waveform of ${clip.title}`);
    sound.hidden = Boolean(clip.problem);
    sound.setAttribute("aria-label", clip.title);
    if (clip.problem) { say(state, ""); return; }
    const parts = [];
    let got = 0;
    try {
      while (got < clip.nbytes) {
        say(state, `Loading ${bytes(got)} of ${bytes(clip.nbytes)} …`);
        const { buffers } = await ask("sound", { ...where, start: got });
        if (mine !== run || !buffers.length || !buffers[0].byteLength) return;
        parts.push(buffers[0]);
        got += buffers[0].byteLength;
      }
    } catch (wrong) {
      if (mine === run) { error.show(wrong); say(state, ""); }
      return;
    }
    url = URL.createObjectURL(new Blob(parts, { type: clip.mime }));
    sound.src = url;
    say(state, "");
  }
  sound.addEventListener("error", () => { if (url) error.show({ message: "this browser cannot play the clip", hint: "its bytes are unchanged: rows() gives them to Python" }); });
  signal?.addEventListener("abort", drop);
  return { box, load, drop };
}

// The player as a widget: a list of clips by row, one of them loaded.
function render_audio({ model, el, signal }) {
  root(model, el, "audio", { keys: true });
  const ask = asker(model, signal), player = audioPlayer(ask, signal);
  const title = h("span", { class: "lnb-title" }), chips = h("span", { class: "lnb-tv-chips" });
  const back = h("button", { type: "button", class: "lnb-button", text: "Previous" }), next = h("button", { type: "button", class: "lnb-button", text: "Next" });
  const input = h("input", { type: "number", class: "lnb-tv-input lnb-au-row", min: "0", "aria-label": "Row" });
  const of = h("span", { class: "lnb-dim" }), empty = h("p", { class: "lnb-empty", text: "The table has no rows." });
  const tools = h("div", { class: "lnb-buttons" }, back, h("label", { class: "lnb-au-label" }, "Row ", input), of, next);
  el.append(h("div", { class: "lnb-head" }, title, chips), tools, player.box, empty);

  const go = (row) => save(model, { row: Math.max(0, Math.min(model.get("total") - 1, Math.round(row) || 0)) });
  back.addEventListener("click", () => go(model.get("row") - 1));
  next.addEventListener("click", () => go(model.get("row") + 1));
  // A number half typed stays, whatever is drawn meanwhile.
  let writing = false;
  input.addEventListener("input", () => { writing = true; });
  input.addEventListener("change", () => { go(Number(input.value)); input.value = model.get("row"); });
  for (const done of ["change", "blur"]) input.addEventListener(done, () => { writing = false; });
  let shown = null;
  async function draw() {
    const total = model.get("total"), row = model.get("row");
    say(title, model.get("title"));
    chips.replaceChildren(...model.get("chips").map((text) => h("span", { class: "lnb-chip", text })));
    say(of, `of ${count(total)}`);
    if (!writing) input.value = row;
    input.max = Math.max(0, total - 1);
    back.disabled = row <= 0;
    next.disabled = row >= total - 1;
    // at the end of the rows a button that was pressed is disabled and would lose the focus
    if ([back, next].some((each) => each.disabled && each === document.activeElement)) input.focus();
    empty.hidden = total > 0;
    tools.hidden = player.box.hidden = !total;
    if (!total || shown === row) return;
    shown = row;
    try {
      const { body } = await ask("clip", { row });
      if (shown === row) player.load(body, { row });
    } catch (wrong) {
      if (shown === row) player.load({ title: `row ${row}`, facts: "", peaks: [], nbytes: 0, problem: wrong.message, hint: wrong.hint }, { row });
    }
  }
  follow(model, ["title", "chips", "row", "total"], draw, signal);
}
PARTS.audio = render_audio;
