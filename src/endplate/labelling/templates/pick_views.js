// The pick page: three linked views of the CT, and the points in them. What a click does is told by `onClick` and `onMoved`.
"use strict";

const REACH_PX = 12; // how near to a point a press takes hold of it
const DRAG_PX = 5; // a press that moves less is a click
const NEAR_MM = 6; // points no further from the plane are drawn whole
const SPINE_MM = 110; // so much is seen across a sagittal or coronal view at zoom 1
const HIGH_MM = 350; // and no more than so much of a long scan along it
const AXIAL_MM = 180; // and in an axial one
const ZOOMS = [0.2, 0.28, 0.4, 0.55, 0.75, 1, 1.4, 2, 2.8, 4];
const WHEEL_PX = 30; // a touchpad's way for one plane; a mouse wheel's notch is always one
const LOW_SCAN_MM = 160; // a scan lower than this has room beside it, not over it

const $ = (id) => document.getElementById(id);
const page = JSON.parse($("page-data").textContent);
const list = new PickPoints.PointList(page.levels, page.ct_fingerprint);
const size = page.shape;
const spacing = [0, 1, 2].map((c) => Math.hypot(page.affine[0][c], page.affine[1][c], page.affine[2][c]));
const state = {
  cross: [...page.start], // fractional voxel
  centre: [...page.start], // middle of the views, voxel
  zoom: ZOOMS.indexOf(1),
  window: page.windows[0].range,
  level: "", // none until one is chosen
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
    this.wheel = 0;
    this.listen();
  }

  // Screen pixels of one mm where the whole image is seen, and at a zoom.
  get whole() {
    return Math.min(
      this.canvas.width / (size[this.across] * spacing[this.across]),
      this.canvas.height / (size[this.up] * spacing[this.up]),
    );
  }

  scaleAt(zoom) {
    const near = this.axis === 2
      ? Math.min(this.canvas.width, this.canvas.height) / AXIAL_MM
      : Math.min(this.canvas.height / Math.min(HIGH_MM, size[this.up] * spacing[this.up]), this.canvas.width / SPINE_MM);
    return Math.max(this.whole, near * zoom);
  }

  // Screen pixels of one mm, and the voxel in the middle of the view: no empty space where there is image to show.
  get frame() {
    const scale = this.scaleAt(ZOOMS[state.zoom]);
    const middle = [...state.centre];
    for (const [axis, pixels] of [[this.across, this.canvas.width], [this.up, this.canvas.height]]) {
      const half = pixels / 2 / (scale * spacing[axis]);
      const [low, high] = [half - 0.5, size[axis] - 0.5 - half];
      middle[axis] = low >= high ? (size[axis] - 1) / 2 : Math.min(high, Math.max(low, middle[axis]));
    }
    return { scale, middle };
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
    this.drawCross(pen, ratio);
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

  // Open in its middle, so that it does not hide what it points at.
  drawCross(pen, ratio) {
    const [x, y] = this.toScreen(state.cross);
    const gap = 14 * ratio;
    pen.strokeStyle = "rgba(120, 210, 255, 0.75)";
    pen.lineWidth = ratio;
    pen.beginPath();
    for (const [x0, y0, x1, y1] of [
      [x, 0, x, y - gap], [x, y + gap, x, this.canvas.height], [0, y, x - gap, y], [x + gap, y, this.canvas.width, y],
    ]) {
      pen.moveTo(x0, y0);
      pen.lineTo(x1, y1);
    }
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
    // A finger on a point moves the point; elsewhere it may scroll the page.
    canvas.addEventListener("touchstart", (event) => {
      if (event.touches.length === 1 && this.pointAt(this.pixel(event.touches[0])) !== null) event.preventDefault();
    }, { passive: false });
    canvas.addEventListener("wheel", (event) => this.turn(event), { passive: false });
    canvas.addEventListener("keydown", (event) => this.key(event));
    this.slider.addEventListener("input", () => {
      const moved = [...state.cross];
      moved[this.axis] = Number(this.slider.value);
      crossTo(moved);
    });
  }

  // The wheel turns planes; on a page that scrolls only in the view that was clicked, or nobody would get past it.
  turn(event) {
    const scrolls = document.documentElement.scrollHeight > window.innerHeight + 1;
    if (scrolls && document.activeElement !== this.canvas) return;
    event.preventDefault();
    const notch = event.deltaMode !== 0 || Math.abs(event.deltaY) >= WHEEL_PX;
    this.wheel = notch ? WHEEL_PX * Math.sign(event.deltaY) : this.wheel + event.deltaY;
    if (Math.abs(this.wheel) < WHEEL_PX) return;
    const by = this.wheel < 0 ? 1 : -1;
    this.wheel = 0;
    if (event.ctrlKey || event.metaKey) zoomBy(by, this.toVoxel(this.pixel(event)));
    else step(this.axis, by);
  }

  press(event) {
    if (event.button !== 0) return;
    this.canvas.focus({ preventScroll: true });
    const at = this.pixel(event);
    const point = event.shiftKey ? null : this.pointAt(at);
    this.held = { point, at, moved: false, from: null, middle: this.frame.middle };
    if (point !== null) {
      state.selected = point.level;
      this.held.from = PickPoints.toVoxel(page.affine, point.ras);
    }
    this.canvas.setPointerCapture(event.pointerId);
  }

  move(event) {
    const at = this.pixel(event);
    readOut(this.toVoxel(at));
    const held = this.held;
    if (held === null) return;
    const [dx, dy] = [at[0] - held.at[0], at[1] - held.at[1]];
    if (!held.moved && Math.hypot(dx, dy) < DRAG_PX * (window.devicePixelRatio || 1)) return;
    held.moved = true;
    if (held.point === null) {
      const { scale } = this.frame;
      const along = dx / (scale * spacing[this.across]);
      state.centre[this.across] = held.middle[this.across] + (this.flip ? along : -along);
      state.centre[this.up] = held.middle[this.up] + dy / (scale * spacing[this.up]);
    } else {
      // The depth of a point that is moved stays its own; only what the view shows changes.
      held.voxel = this.toVoxel(at);
      held.voxel[this.axis] = held.from[this.axis];
      state.cross = clamp(held.voxel);
    }
    redraw();
  }

  release(event) {
    const held = this.held;
    this.held = null;
    if (held === null) return;
    if (held.point !== null) {
      if (held.moved) onMoved(held.point.level, held.voxel);
      else jumpTo(held.point.level);
    } else if (!held.moved) {
      onClick(this.toVoxel(this.pixel(event)), event.shiftKey);
    } else {
      // What was dragged stays where it is seen.
      state.centre = this.frame.middle;
    }
  }

  key(event) {
    const by = event.shiftKey ? 10 : 1;
    const turns = {
      ArrowLeft: [this.across, this.flip ? by : -by],
      ArrowRight: [this.across, this.flip ? -by : by],
      ArrowUp: [this.up, by],
      ArrowDown: [this.up, -by],
      PageUp: [this.axis, by],
      PageDown: [this.axis, -by],
    };
    if (event.key in turns && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      step(...turns[event.key]);
    } else if (event.key === "Enter") {
      event.preventDefault();
      onClick(state.cross, false);
    }
  }
}

function clamp(voxel) {
  return voxel.map((c, axis) => Math.min(size[axis] - 1, Math.max(0, c)));
}

function isInside(voxel) {
  return voxel.every((c, axis) => c >= -0.5 && c <= size[axis] - 0.5);
}

// Median HU of the voxels round a place, as the command looks at a point.
function huNear(voxel) {
  const found = [];
  const [i, j, k] = clamp(voxel).map(Math.round);
  for (let c = Math.max(0, k - 1); c <= Math.min(size[2] - 1, k + 1); c += 1) {
    for (let b = Math.max(0, j - 1); b <= Math.min(size[1] - 1, j + 1); b += 1) {
      for (let a = Math.max(0, i - 1); a <= Math.min(size[0] - 1, i + 1); a += 1) {
        found.push(page.hu_of_code[state.volume[a + size[0] * (b + size[1] * c)]]);
      }
    }
  }
  return found.sort((a, b) => a - b)[found.length >> 1];
}

// Move the crosshair; zoomed views follow it once it leaves them.
function crossTo(voxel) {
  state.cross = clamp(voxel);
  const left = views.some((view) => {
    const [x, y] = view.toScreen(state.cross);
    return x < 0 || y < 0 || x > view.canvas.width || y > view.canvas.height;
  });
  if (left) state.centre = [...state.cross];
  redraw();
}

function step(axis, by) {
  const moved = [...state.cross];
  moved[axis] += by;
  crossTo(moved);
}

// Zoom about a voxel that stays where it is seen, else about the crosshair.
function zoomBy(by, about = state.cross) {
  const next = Math.min(ZOOMS.length - 1, Math.max(0, state.zoom + by));
  if (by < 0 && views.every((view) => view.scaleAt(ZOOMS[state.zoom]) <= view.whole)) return;
  const ratio = ZOOMS[state.zoom] / ZOOMS[next];
  state.centre = about.map((c, axis) => c + (state.centre[axis] - c) * ratio);
  state.zoom = next;
  redraw();
}

function readOut(voxel) {
  if (!isInside(voxel) || state.volume === null) {
    $("readout").textContent = "outside the image";
    return;
  }
  const [i, j, k] = clamp(voxel).map(Math.round);
  const [x, y, z] = PickPoints.toWorld(page.affine, voxel);
  const hu = page.hu_of_code[state.volume[i + size[0] * (j + size[1] * k)]];
  $("readout").textContent = `${x.toFixed(1)}, ${y.toFixed(1)}, ${z.toFixed(1)} mm RAS, about ${hu} HU`;
}

let drawing = false;
function redraw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    views.forEach((view) => view.draw());
    readOut(state.cross);
  });
}

const views = VIEWS.map((view) => new View(view));
