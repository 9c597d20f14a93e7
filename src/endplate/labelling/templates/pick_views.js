// The pick page: three linked views of the CT, and the points in them.
"use strict";

const REACH_PX = 12; // how near to a point a press takes hold of it
const NEAR_MM = 6; // points no further from the plane are drawn whole
const ZOOMS = [1, 1.5, 2, 3, 4, 6];

const $ = (id) => document.getElementById(id);
const page = JSON.parse($("page-data").textContent);
const list = new PickPoints.PointList(page.levels, page.ct_fingerprint);
const size = page.shape;
const spacing = [0, 1, 2].map((c) => Math.hypot(page.affine[0][c], page.affine[1][c], page.affine[2][c]));
const state = {
  cross: size.map((n) => (n - 1) / 2), // fractional voxel
  centre: null, // middle of the zoomed views, voxel
  zoom: 0,
  window: page.windows[0].range,
  level: page.first_level,
  selected: null,
  saved: true,
  volume: null,
  greys: null,
};

// across and up: the voxel axes on the screen; flip: whether an axis runs against the screen's x or up.
const VIEWS = [
  { id: "sagittal", name: "Sagittal", axis: 0, across: 1, up: 2, flip: true, ends: ["A", "P", "S", "I"] },
  { id: "coronal", name: "Coronal", axis: 1, across: 0, up: 2, flip: true, ends: ["R", "L", "S", "I"] },
  { id: "axial", name: "Axial", axis: 2, across: 0, up: 1, flip: true, ends: ["R", "L", "A", "P"] },
];

class View {
  constructor(what) {
    Object.assign(this, what);
    this.canvas = $(this.id);
    this.slider = $(`${this.id}-slice`);
    this.slider.max = size[this.axis] - 1;
    this.plane = document.createElement("canvas");
    this.plane.width = size[this.across];
    this.plane.height = size[this.up];
    this.held = null;
    this.listen();
  }

  // Screen pixels of one mm, and the voxel in the middle of the view.
  get frame() {
    const fit = Math.min(
      this.canvas.width / (size[this.across] * spacing[this.across]),
      this.canvas.height / (size[this.up] * spacing[this.up]),
    );
    const zoom = ZOOMS[state.zoom];
    const middle = state.centre === null ? size.map((n) => (n - 1) / 2) : state.centre;
    return { scale: fit * zoom, middle };
  }

  toScreen(voxel) {
    const { scale, middle } = this.frame;
    const x = (voxel[this.across] - middle[this.across]) * spacing[this.across] * scale;
    const y = (voxel[this.up] - middle[this.up]) * spacing[this.up] * scale;
    return [this.canvas.width / 2 + (this.flip ? -x : x), this.canvas.height / 2 - y];
  }

  toVoxel([px, py]) {
    const { scale, middle } = this.frame;
    const x = (px - this.canvas.width / 2) / (scale * spacing[this.across]);
    const voxel = [...state.cross];
    voxel[this.across] = middle[this.across] + (this.flip ? -x : x);
    voxel[this.up] = middle[this.up] - (py - this.canvas.height / 2) / (scale * spacing[this.up]);
    return voxel;
  }

  draw() {
    const box = this.canvas.getBoundingClientRect();
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [Math.max(1, Math.round(box.width * ratio)), Math.max(1, Math.round(box.height * ratio))];
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    this.fillPlane();
    const pen = this.canvas.getContext("2d");
    pen.fillStyle = "#000";
    pen.fillRect(0, 0, this.canvas.width, this.canvas.height);
    const first = [...state.cross];
    first[this.across] = this.flip ? size[this.across] - 0.5 : -0.5;
    first[this.up] = size[this.up] - 0.5;
    const [left, top] = this.toScreen(first);
    const { scale } = this.frame;
    pen.imageSmoothingEnabled = true;
    const wide = size[this.across] * spacing[this.across] * scale;
    pen.drawImage(this.plane, left, top, wide, size[this.up] * spacing[this.up] * scale);
    this.drawCross(pen);
    for (const point of list.ordered()) this.drawPoint(pen, point, ratio);
    this.drawEnds(pen, ratio);
    this.slider.value = Math.round(state.cross[this.axis]);
  }

  // The plane through the crosshair as an image, first row at the top, turned as it is seen.
  fillPlane() {
    if (state.volume === null) return;
    const strides = [1, size[0], size[0] * size[1]];
    const [n, m] = [size[this.across], size[this.up]];
    const fixed = Math.min(size[this.axis] - 1, Math.max(0, Math.round(state.cross[this.axis])));
    const pen = this.plane.getContext("2d");
    const image = pen.createImageData(n, m);
    const words = new Uint32Array(image.data.buffer);
    const grey = Uint32Array.from(state.greys, (g) => 0xff000000 | (g << 16) | (g << 8) | g);
    for (let row = 0; row < m; row += 1) {
      const start = fixed * strides[this.axis] + (m - 1 - row) * strides[this.up];
      for (let column = 0; column < n; column += 1) {
        const along = this.flip ? n - 1 - column : column;
        words[row * n + column] = grey[state.volume[start + along * strides[this.across]]];
      }
    }
    pen.putImageData(image, 0, 0);
  }

  drawCross(pen) {
    const [x, y] = this.toScreen(state.cross);
    pen.strokeStyle = "rgba(120, 210, 255, 0.75)";
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(x, 0);
    pen.lineTo(x, this.canvas.height);
    pen.moveTo(0, y);
    pen.lineTo(this.canvas.width, y);
    pen.stroke();
  }

  drawPoint(pen, point, ratio) {
    const voxel = PickPoints.toVoxel(page.affine, point.ras);
    const [x, y] = this.toScreen(voxel);
    const near = Math.abs(voxel[this.axis] - state.cross[this.axis]) * spacing[this.axis] <= NEAR_MM;
    pen.save();
    pen.globalAlpha = near ? 1 : 0.45;
    pen.lineWidth = 2 * ratio;
    pen.strokeStyle = point.proposed ? "#ffb347" : "#7dff9b";
    pen.setLineDash(point.proposed ? [4 * ratio, 3 * ratio] : []);
    pen.beginPath();
    pen.arc(x, y, (point.level === state.selected ? 8 : 6) * ratio, 0, 2 * Math.PI);
    pen.stroke();
    pen.setLineDash([]);
    const words = point.proposed ? `${point.level}?` : point.level;
    pen.font = `bold ${13 * ratio}px system-ui, sans-serif`;
    pen.lineWidth = 3 * ratio;
    pen.strokeStyle = "#000";
    pen.strokeText(words, x + 10 * ratio, y + 4 * ratio);
    pen.fillStyle = point.proposed ? "#ffcf8a" : "#c9ffd6";
    pen.fillText(words, x + 10 * ratio, y + 4 * ratio);
    pen.restore();
  }

  drawEnds(pen, ratio) {
    const [w, h] = [this.canvas.width, this.canvas.height];
    pen.font = `bold ${14 * ratio}px system-ui, sans-serif`;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    const gap = 11 * ratio;
    const places = [[gap, h / 2], [w - gap, h / 2], [w / 2, gap], [w / 2, h - gap]];
    this.ends.forEach((letter, at) => {
      pen.lineWidth = 3 * ratio;
      pen.strokeStyle = "#000";
      pen.strokeText(letter, ...places[at]);
      pen.fillStyle = "#ffe680";
      pen.fillText(letter, ...places[at]);
    });
    pen.textAlign = "start";
    pen.textBaseline = "alphabetic";
  }

  pixel(event) {
    const box = this.canvas.getBoundingClientRect();
    const ratio = this.canvas.width / box.width;
    return [(event.clientX - box.left) * ratio, (event.clientY - box.top) * ratio];
  }

  pointAt([x, y]) {
    const reach = REACH_PX * (window.devicePixelRatio || 1);
    const near = list.points
      .map((point) => {
        const [px, py] = this.toScreen(PickPoints.toVoxel(page.affine, point.ras));
        return { point, gap: Math.hypot(px - x, py - y) };
      })
      .filter((each) => each.gap <= reach)
      .sort((a, b) => a.gap - b.gap);
    return near.length > 0 ? near[0].point : null;
  }

  listen() {
    const canvas = this.canvas;
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", (event) => this.release(event));
    canvas.addEventListener("pointercancel", () => { this.held = null; });
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      if (event.ctrlKey) zoomBy(event.deltaY < 0 ? 1 : -1);
      else scroll(this.axis, event.deltaY < 0 ? 1 : -1);
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => this.key(event));
    this.slider.addEventListener("input", () => {
      state.cross[this.axis] = Number(this.slider.value);
      redraw();
    });
  }

  press(event) {
    if (event.button !== 0) return;
    this.canvas.focus();
    const at = this.pixel(event);
    const point = event.shiftKey ? null : this.pointAt(at);
    this.held = { point, at, moved: false, from: null };
    if (point !== null) {
      state.selected = point.level;
      this.held.from = PickPoints.toVoxel(page.affine, point.ras);
      this.canvas.setPointerCapture(event.pointerId);
    }
  }

  move(event) {
    const at = this.pixel(event);
    readOut(this.toVoxel(at));
    const held = this.held;
    if (held === null || held.point === null) return;
    if (!held.moved && Math.hypot(at[0] - held.at[0], at[1] - held.at[1]) < 3) return;
    held.moved = true;
    // The depth of a point that is moved stays its own; only what the view shows changes.
    const voxel = this.toVoxel(at);
    voxel[this.axis] = held.from[this.axis];
    held.voxel = clamp(voxel);
    state.cross = [...held.voxel];
    redraw();
  }

  release(event) {
    const held = this.held;
    this.held = null;
    if (held === null) return;
    if (held.point !== null) {
      if (held.moved) setPoint(held.point.level, held.voxel, "moved");
      else jumpTo(held.point.level);
      return;
    }
    const voxel = clamp(this.toVoxel(this.pixel(event)));
    state.cross = voxel;
    if (event.shiftKey) redraw();
    else setPoint(state.level, voxel, "set");
  }

  key(event) {
    const step = event.shiftKey ? 10 : 1;
    const turns = {
      ArrowLeft: [this.across, this.flip ? step : -step],
      ArrowRight: [this.across, this.flip ? -step : step],
      ArrowUp: [this.up, step],
      ArrowDown: [this.up, -step],
      PageUp: [this.axis, step],
      PageDown: [this.axis, -step],
    };
    if (event.key in turns && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      scroll(...turns[event.key]);
    } else if (event.key === "Enter") {
      event.preventDefault();
      setPoint(state.level, state.cross, "set");
    }
  }
}

function clamp(voxel) {
  return voxel.map((c, axis) => Math.min(size[axis] - 0.5, Math.max(-0.5, c)));
}

function scroll(axis, by) {
  const moved = [...state.cross];
  moved[axis] = Math.min(size[axis] - 1, Math.max(0, moved[axis] + by));
  state.cross = moved;
  redraw();
}

function zoomBy(by) {
  state.zoom = Math.min(ZOOMS.length - 1, Math.max(0, state.zoom + by));
  state.centre = state.zoom === 0 ? null : [...state.cross];
  redraw();
}

// Zoomed views follow the crosshair once it leaves them.
function follow() {
  if (state.centre === null) return;
  for (const view of views) {
    const [x, y] = view.toScreen(state.cross);
    if (x < 0 || y < 0 || x > view.canvas.width || y > view.canvas.height) {
      state.centre = [...state.cross];
      return;
    }
  }
}

function setPoint(level, voxel, what) {
  const had = list.get(level) !== null;
  list.set(level, PickPoints.toWorld(page.affine, voxel));
  state.saved = false;
  state.selected = level;
  const next = list.nextLevel();
  if (what === "set" && next !== null) state.level = next;
  say(`${level} ${had && what === "set" ? "set anew" : what}.${what === "set" && next ? ` Next: ${next}.` : ""}`);
  changed();
}

function jumpTo(level) {
  const point = list.get(level);
  if (point === null) return;
  state.selected = level;
  state.cross = clamp(PickPoints.toVoxel(page.affine, point.ras));
  changed();
}

function act(name, level) {
  if (name === "show") jumpTo(level);
  if (name === "confirm") list.confirm(level);
  if (name === "delete") list.remove(level);
  if (name !== "show") {
    state.saved = false;
    state.level = name === "delete" ? level : (list.nextLevel() ?? state.level);
    say(name === "delete" ? `${level} deleted.` : `${level} confirmed.`);
  }
  changed();
}

function travel(back) {
  if (back ? list.undo() : list.redo()) {
    state.saved = false;
    state.level = list.nextLevel() ?? state.level;
    say(back ? "Undone." : "Done again.");
    changed();
  }
}

function changed() {
  $("level").value = state.level;
  fillTable();
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
    if (point.proposed) kind.append("proposed ", actButton("confirm", point.level, "Confirm"));
    else kind.textContent = "set";
    kind.className = point.proposed ? "proposed" : "";
    const doing = document.createElement("td");
    doing.append(actButton("delete", point.level, "✕"));
    row.append(head, kind, doing);
    return row;
  });
  $("points").replaceChildren(...rows);
  const warnings = [];
  if (list.proposedCount > 0) {
    warnings.push(
      list.proposedCount === 1
        ? "One point is proposed and not confirmed. It is saved as a proposal and not used."
        : `${list.proposedCount} points are proposed and not confirmed. They are saved as proposals and not used.`,
    );
  }
  const wrong = list.outOfOrder();
  if (wrong.length > 0) warnings.push(`${wrong.join(", ")}: does not lie below the level above it. Check the names.`);
  $("warnings").textContent = warnings.join(" ");
  $("save").disabled = list.points.length === 0;
  $("undo").disabled = list.past.length === 0;
  $("redo").disabled = list.future.length === 0;
}

function readOut(voxel) {
  const inside = clamp(voxel).map((c, axis) => Math.min(size[axis] - 1, Math.max(0, Math.round(c))));
  const [x, y, z] = PickPoints.toWorld(page.affine, clamp(voxel));
  const hu = state.volume === null ? "" : page.hu_of_code[state.volume[inside[0] + size[0] * (inside[1] + size[1] * inside[2])]];
  $("readout").textContent = `${x.toFixed(1)}, ${y.toFixed(1)}, ${z.toFixed(1)} mm RAS, about ${hu} HU`;
}

let drawing = false;
function redraw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    follow();
    views.forEach((view) => view.draw());
    readOut(state.cross);
  });
}

function say(words) {
  $("status").textContent = words;
}

// Kept in this browser, so that a reload loses nothing; only levels and coordinates.
const STORE = `endplate-points-${page.ct_fingerprint}`;
function keep() {
  try {
    localStorage.setItem(STORE, JSON.stringify(list.toDocument()));
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
  if (kept === null || kept.points?.length === 0 || list.load(kept) !== null) return false;
  list.past = [];
  return true;
}

function save() {
  const text = `${JSON.stringify(list.toDocument(), null, 1)}\n`;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = "points.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  state.saved = true;
  say("Saved as points.json in your downloads. Next: endplate label CT --points points.json --out labels.nii.gz");
}

async function load(file) {
  let why = "This is no points file of this page.";
  try {
    why = list.load(JSON.parse(await file.text()));
  } catch {
    why = "The file is not JSON.";
  }
  say(why ?? "Points loaded.");
  if (why === null) {
    state.level = list.nextLevel() ?? state.level;
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

function stepLevel(by) {
  const at = page.levels.indexOf(state.level) + by;
  state.level = page.levels[Math.min(page.levels.length - 1, Math.max(0, at))];
  $("level").value = state.level;
  say(`Level: ${state.level}`);
}

function onKey(event) {
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
  else if (key === "+" || key === "=") zoomBy(1);
  else if (key === "-") zoomBy(-1);
  else if ((key === "delete" || key === "backspace") && state.selected !== null && list.get(state.selected)) {
    event.preventDefault();
    act("delete", state.selected);
  }
}

async function unpack() {
  const packed = Uint8Array.from(atob($("planes").textContent.trim()), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  if (bytes.length !== size[0] * size[1] * size[2]) throw new Error("the images are not whole");
  return PickPoints.fromDifferences(bytes, size[0]);
}

const views = VIEWS.map((view) => new View(view));

async function begin() {
  for (const level of page.levels) $("level").append(new Option(level, level));
  $("level").addEventListener("change", () => { state.level = $("level").value; });
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
  window.addEventListener("resize", redraw);
  window.addEventListener("beforeunload", (event) => { if (!state.saved) event.preventDefault(); });
  try {
    state.volume = await unpack();
  } catch {
    say("The images cannot be shown: this browser is too old, or the file is not whole. Use a current browser.");
    return;
  }
  chooseWindow(0);
  const restored = page.points.length === 0 && restore();
  if (page.points.length > 0) {
    list.load({ schema: "endplate/points/1", frame: "RAS", unit: "mm", ct_fingerprint: page.ct_fingerprint, points: page.points });
    list.past = [];
  }
  if (list.points.length > 0) {
    state.level = list.nextLevel() ?? state.level;
    jumpTo(list.ordered()[Math.floor(list.points.length / 2)].level);
  }
  say(restored ? "Your points of last time are here again." : "Choose the level, then click in the middle of its vertebral body.");
  changed();
  document.body.dataset.ready = "true";
}

begin();
