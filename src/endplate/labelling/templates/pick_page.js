// The pick page: what clicks, keys and buttons do, and where the points are kept.
"use strict";

const MIDDLE = "Click in the middle of its vertebral body.";

// Say something in the line under the tools; `refused` where nothing was done.
function say(words, refused = false) {
  $("status").textContent = words;
  $("status").className = refused ? "refused" : "";
}

// Why no point can stand at a voxel, in words; null where one can.
function refusalOf(voxel) {
  if (!isInside(voxel)) return "outside the image";
  if (huNear(voxel) < page.air_hu) return "in air or lung";
  return null;
}

function onClick(voxel, crossOnly) {
  if (!isInside(voxel)) {
    say("That is outside the image: nothing was set.", true);
    return;
  }
  if (!crossOnly && state.level !== "") {
    setPoint(state.level, voxel, "set");
    return;
  }
  crossTo(voxel);
  if (!crossOnly) say("No level is chosen: nothing was set. Choose the level first.", true);
}

function onMoved(level, voxel) {
  setPoint(level, voxel, "moved");
}

function setPoint(level, voxel, what) {
  const why = refusalOf(voxel);
  if (why !== null) {
    say(`That is ${why}: ${level} was not ${what}. ${MIDDLE}`, true);
    redraw();
    return;
  }
  if (what === "set") crossTo(voxel);
  const had = list.get(level);
  list.set(level, PickPoints.toWorld(page.affine, voxel));
  state.saved = false;
  state.selected = level;
  let words = `${level} ${had !== null && what === "set" ? "set anew" : what}.`;
  if (what === "set") {
    nextLevel();
    words += state.level === "" ? " No level is chosen now: choose one to set more, or save." : ` Next: ${state.level}.`;
  }
  const dense = huNear(voxel) > page.dense_hu;
  if (dense) words = `${words} It lies in metal, cement or dense bone: spongy bone beside it is better.`;
  say(words, dense);
  changed();
}

function nextLevel() {
  state.level = list.nextLevel() ?? "";
}

function jumpTo(level) {
  const point = list.get(level);
  if (point === null) return;
  state.selected = level;
  crossTo(PickPoints.toVoxel(page.affine, point.ras));
  changed();
}

function act(name, level) {
  if (name === "confirm") list.confirm(level);
  if (name === "delete") list.remove(level);
  if (name !== "show") {
    state.saved = false;
    if (name === "delete") state.level = level;
    else nextLevel();
    say(name === "delete" ? `${level} deleted. The next click sets ${level}.` : `${level} confirmed.`);
  }
  if (name === "delete") changed();
  else jumpTo(level);
}

function travel(back) {
  if (back ? list.undo() : list.redo()) {
    state.saved = false;
    nextLevel();
    say(`${back ? "Undone" : "Done again"}.${state.level === "" ? "" : ` Next: ${state.level}.`}`);
    changed();
  }
}

function changed() {
  $("level").value = state.level;
  fillTable();
  warn();
  keep();
  redraw();
}

function actButton(name, level, words) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = words;
  button.setAttribute("aria-label", `${name[0].toUpperCase()}${name.slice(1)} ${level}`);
  button.addEventListener("click", () => act(name, level));
  return button;
}

function fillTable() {
  const rows = list.ordered().map((point) => {
    const row = document.createElement("tr");
    row.className = point.level === state.selected ? "selected" : "";
    const head = document.createElement("th");
    head.scope = "row";
    head.append(actButton("show", point.level, point.level));
    row.title = `${point.ras.map((c) => c.toFixed(1)).join(", ")} mm RAS`;
    const kind = document.createElement("td");
    kind.className = point.proposed ? "proposed" : "";
    if (point.proposed) {
      const told = document.createElement("span");
      told.textContent = page.told[point.level] ?? "";
      kind.append("proposed ", actButton("confirm", point.level, "Confirm"), told);
    } else {
      kind.textContent = "set";
    }
    const doing = document.createElement("td");
    doing.append(actButton("delete", point.level, "✕"));
    row.append(head, kind, doing);
    return row;
  });
  $("points").replaceChildren(...rows);
  $("none").hidden = rows.length > 0;
  $("count").textContent = `Points (${rows.length})`;
  $("save").disabled = list.points.length === 0;
  $("undo").disabled = list.past.length === 0;
  $("redo").disabled = list.future.length === 0;
}

function warn() {
  const warnings = [];
  const wrong = list.outOfOrder();
  if (wrong.length > 0) warnings.push(`${wrong.join(", ")}: does not lie below the level above it. Check the names.`);
  if (list.proposedCount > 0) {
    warnings.push(
      list.proposedCount === 1
        ? "One point is only proposed: not used until confirmed."
        : `${list.proposedCount} points are only proposed: not used until confirmed.`,
    );
  }
  $("warnings").textContent = warnings.join(" ");
}

// Kept in this browser, so that a reload loses nothing; only levels and coordinates. A page that was made anew with
// other points begins with those.
const STORE = `endplate-points-${page.ct_fingerprint}`;
const MADE_WITH = JSON.stringify(page.points);
let saves = 0;

function keep() {
  try {
    localStorage.setItem(STORE, JSON.stringify({ made_with: MADE_WITH, saves, document: list.toDocument() }));
  } catch {
    return; // no storage here: the file is the only place
  }
}

function restore() {
  let kept = null;
  try {
    kept = JSON.parse(localStorage.getItem(STORE));
  } catch {
    return false;
  }
  saves = Number.isInteger(kept?.saves) ? kept.saves : 0;
  if (kept?.made_with !== MADE_WITH || list.refusal(kept.document) !== null) return false;
  if (JSON.stringify(kept.document) === JSON.stringify(list.toDocument())) return false;
  list.load(kept.document);
  return true;
}

// Another name at every save: a browser that finds the name taken would choose its own, and the old file would be used.
function save() {
  saves += 1;
  const name = `points-${page.ct_fingerprint.slice(0, 8)}${saves > 1 ? `-${saves}` : ""}.json`;
  const text = `${JSON.stringify(list.toDocument(), null, 1)}\n`;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  state.saved = true;
  keep();
  say(`Saved in your downloads. Next: endplate label CT --points ${name} --out labels.nii.gz`);
}

async function load(file) {
  let why = "This is no points file of this page.";
  try {
    why = list.load(JSON.parse(await file.text()));
  } catch {
    why = "The file is not JSON.";
  }
  say(why ?? "Points loaded.", why !== null);
  if (why === null) {
    state.saved = true;
    nextLevel();
    changed();
  }
}

function chooseWindow(at) {
  state.window = page.windows[at].range;
  state.greys = PickPoints.greys(page.hu_of_code, state.window);
  document.querySelectorAll("[data-window]").forEach((button) => {
    button.setAttribute("aria-pressed", String(Number(button.dataset.window) === at));
  });
  redraw();
}

function chooseLevel(level) {
  state.level = level;
  $("level").value = level;
  say(level === "" ? "No level is chosen: a click moves the crosshair only." : `${level}: ${MIDDLE.toLowerCase()}`);
}

function stepLevel(by) {
  const at = page.levels.indexOf(state.level);
  if (at < 0) say("Choose a level first.", true);
  else chooseLevel(page.levels[Math.min(page.levels.length - 1, Math.max(0, at + by))]);
}

function onKey(event) {
  if (event.defaultPrevented) return;
  const typing = ["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName) && event.target.type !== "range";
  const command = event.ctrlKey || event.metaKey;
  const key = event.key.toLowerCase();
  if (command && key === "z") { event.preventDefault(); travel(!event.shiftKey); }
  else if (command && key === "y") { event.preventDefault(); travel(false); }
  else if (command && key === "s") { event.preventDefault(); if (list.points.length > 0) save(); }
  else if (typing || command || event.altKey) return;
  else if (["1", "2", "3"].includes(key)) chooseWindow(Number(key) - 1);
  else if (key === "[") stepLevel(-1);
  else if (key === "]") stepLevel(1);
  else if (key === "escape") chooseLevel("");
  else if (key === "+" || key === "=") zoomBy(1);
  else if (key === "-") zoomBy(-1);
  else if ((key === "delete" || key === "backspace") && state.selected !== null && list.get(state.selected)) {
    event.preventDefault();
    act("delete", state.selected);
  } else if (event.target === document.body && key !== "enter") views[0].key(event); // no view was clicked yet
}

async function unpack() {
  const packed = Uint8Array.from(atob($("planes").textContent.trim()), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  if (bytes.length !== size[0] * size[1] * size[2]) throw new Error("the images are not whole");
  return PickPoints.fromDifferences(bytes, size[0]);
}

function listen() {
  $("level").append(new Option("choose", ""), ...page.levels.map((level) => new Option(level, level)));
  $("level").addEventListener("change", () => chooseLevel($("level").value));
  document.querySelectorAll("[data-window]").forEach((button) => {
    button.addEventListener("click", () => chooseWindow(Number(button.dataset.window)));
  });
  $("undo").addEventListener("click", () => travel(true));
  $("redo").addEventListener("click", () => travel(false));
  $("zoom-in").addEventListener("click", () => zoomBy(1));
  $("zoom-out").addEventListener("click", () => zoomBy(-1));
  $("save").addEventListener("click", save);
  $("load").addEventListener("change", () => {
    if ($("load").files.length > 0) load($("load").files[0]);
    $("load").value = "";
  });
  document.addEventListener("keydown", onKey);
  const watch = new ResizeObserver(() => views.forEach((view) => view.draw()));
  views.forEach((view) => watch.observe(view.canvas));
  window.addEventListener("beforeunload", (event) => { if (!state.saved) event.preventDefault(); });
}

async function begin() {
  // A scan of a few bodies is wider than high: its views stand beside each other over the whole width.
  document.body.dataset.layout = size[2] * spacing[2] < LOW_SCAN_MM ? "low" : "high";
  listen();
  try {
    state.volume = await unpack();
  } catch {
    say("The images cannot be shown: this browser is too old, or the file is not whole. Use a current browser.", true);
    return;
  }
  chooseWindow(0);
  list.load({ ...list.toDocument(), points: page.points });
  const restored = restore();
  list.past = [];
  if (list.points.length > 0) {
    nextLevel();
    jumpTo(list.ordered()[Math.floor(list.points.length / 2)].level);
  }
  if (restored) say("Your points of last time are here again.");
  else say(page.ends.length > 0 ? page.ends[0] : `Choose a level. ${MIDDLE}`);
  changed();
  document.body.dataset.ready = "true";
}

begin();
