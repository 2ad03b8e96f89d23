// The active cell of the grid: the grid itself has the focus and names the cell (activedescendant),
// because rows come and go while scrolling. Row -1 is the head, place -1 the row numbers.
function gridKeys(grid, view) {
  const act = {
    ArrowDown: (r, c) => [r + 1, c], ArrowUp: (r, c) => [r - 1, c], ArrowRight: (r, c) => [r, c + 1], ArrowLeft: (r, c) => [r, c - 1],
    PageDown: (r, c) => [Math.max(0, r) + view.perPage(), c], PageUp: (r, c) => [Math.max(0, r - view.perPage()), c],
    Home: (r, c, far) => (far ? [0, 0] : [r, 0]), End: (r, c, far) => (far ? [view.rows() - 1, view.places() - 1] : [r, view.places() - 1]),
  };
  grid.addEventListener("keydown", (event) => {
    const [row, place] = view.at(), far = event.ctrlKey || event.metaKey;
    if (far && event.key.toLowerCase() === "c") {
      if (String(document.getSelection())) return;
      view.copy();
    } else if (event.altKey) return;
    else if (event.shiftKey && row === -1 && (event.key === "ArrowLeft" || event.key === "ArrowRight")) view.widen(event.key === "ArrowRight" ? 16 : -16);
    else if (act[event.key]) view.go(...act[event.key](row, place, far), event.shiftKey);
    else if (event.key === "Enter") { if (row === -1) view.sort(place); else view.open(); }
    else if (event.key === " ") { if (row === -1) view.open(); else view.select(event.shiftKey); }
    else if (event.key === "Escape" && view.isOpen()) view.close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
}

// Rows of a table of any length in a box of limited height. Browsers draw at most some millions of
// pixels, so beyond that small moves scroll by rows and large ones by share.
function scroller(box, body, height, rows, draw) {
  const MOST = 6e6;
  let top = 0, last = 0, settle = null;
  const real = () => rows() * height(), drawn = () => Math.min(real(), MOST);
  const view = () => Math.max(0, box.clientHeight - body.offsetTop);
  const end = () => Math.max(0, real() - view());
  const room = () => Math.max(1, drawn() - view());
  const scaled = () => real() > MOST;
  const share = () => (scaled() ? Math.round((top / Math.max(1, end())) * room()) : top);
  box.addEventListener("scroll", () => {
    const now = box.scrollTop, moved = now - last;
    last = now;
    if (!scaled()) top = now;
    else if (now <= 0) top = 0;
    else if (now >= room() - 1) top = end();
    else top = Math.abs(moved) <= 2 * view() ? Math.max(0, Math.min(end(), top + moved)) : (now / room()) * end();
    draw();
    clearTimeout(settle);
    if (scaled()) settle = setTimeout(() => { if (Math.abs(box.scrollTop - share()) > 2) put(top); }, 400);
  });
  function put(goal) {
    top = Math.max(0, Math.min(end(), goal));
    box.scrollTop = last = share();
    last = box.scrollTop;
    draw();
  }
  return {
    size() { body.style.height = `${drawn()}px`; if (top > end()) put(end()); },
    // First and last row in sight, and where a row stands inside the body.
    range: () => [Math.floor(top / height()), Math.min(rows() - 1, Math.ceil((top + view()) / height()))],
    place: (row) => row * height() + (scaled() ? box.scrollTop - top : 0),
    perPage: () => Math.max(1, Math.floor(view() / height()) - 1),
    put,
    show(row) {
      const from = row * height();
      if (from < top) put(from);
      else if (from + height() > top + view()) put(from + height() - view());
    },
    first: () => Math.floor(top / height()),
    stop: () => clearTimeout(settle),
  };
}

// Drag the right edge of a head to make its column wider.
function resizable(edge, start, move, done) {
  edge.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    event.stopPropagation();
    const from = event.clientX, wide = start();
    edge.setPointerCapture(event.pointerId);
    edge.onpointermove = (e) => move(wide + e.clientX - from);
    edge.onpointerup = () => { edge.onpointermove = edge.onpointerup = null; done(); };
  });
  edge.addEventListener("click", (event) => event.stopPropagation());
}
