"""What the driver asks of JupyterLab's own application object, as JavaScript."""

NB = "const app = window.jupyterapp, nb = app.shell.currentWidget;"
READY = f"""() => {{ if (!window.jupyterapp?.shell?.currentWidget) return false; {NB}
  const c = nb.context; return !!(c?.isReady && c.sessionContext.isReady
    && c.sessionContext.session?.kernel?.connectionStatus === "connected"); }}"""
IDLE = f"""async ({{quiet, limit}}) => {{ {NB}
  const end = Date.now() + limit; let since = Date.now();
  while (Date.now() < end) {{
    if (nb.context.sessionContext.session?.kernel?.status !== "idle") since = Date.now();
    if (Date.now() - since >= quiet) return true;
    await new Promise(r => setTimeout(r, 40)); }}
  return false; }}"""
RUN = f"""async ({{cell, limit}}) => {{ {NB}
  if (cell !== null) {{ nb.content.deselectAll(); nb.content.activeCellIndex = cell; }}
  const name = cell === null ? "notebook:run-all-cells" : "notebook:run-cell";
  const run = app.commands.execute(name);
  const late = new Promise(r => setTimeout(() => r(false), limit));
  return await Promise.race([run.then(() => true), late]); }}"""
START = f"""code => {{ {NB}
  nb.context.sessionContext.session.kernel.requestExecute({{code, store_history: false}}); }}"""
ASK = f"""async code => {{ {NB} let text = "";
  const kernel = nb.context.sessionContext.session.kernel;
  const f = kernel.requestExecute({{code, store_history: false}}, true);
  f.onIOPub = m => {{ text += m.content.text ?? (m.content.traceback ?? []).join("\\n"); }};
  const r = await f.done; return {{status: r.content.status, text}}; }}"""
ERRORS = f"""() => {{ {NB} const bad = [];
  nb.content.widgets.forEach((c, i) => {{ for (const o of c.model.outputs?.toJSON() ?? [])
    if (o.output_type === "error") bad.push(`cell ${{i}}: ${{o.ename}}: ${{o.evalue}}`); }});
  return bad; }}"""
RESTART = f"async () => {{ {NB} await nb.context.sessionContext.session.kernel.restart(); }}"
SHUTDOWN = f"async () => {{ {NB} await nb.context.sessionContext.shutdown(); }}"
SAVE = f"async () => {{ {NB} await app.commands.execute('docmanager:save'); }}"
TALL = """() => { const e = document.querySelector(".jp-WindowedPanel-outer");
  if (!e) return document.documentElement.scrollHeight;
  return e.scrollHeight + e.getBoundingClientRect().top + 40; }"""
