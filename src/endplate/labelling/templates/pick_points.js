// The points of the pick page: what is set, in which order, and how they go to and from a file. No page needed.
"use strict";

const PickPoints = (() => {
  const SCHEMA = "endplate/points/1";
  const OPTIONAL = new Set(["T13", "L6"]);

  class PointList {
    // levels: all names from the head down; fingerprint: of the CT that the page shows.
    constructor(levels, fingerprint) {
      this.levels = levels;
      this.fingerprint = fingerprint;
      this.points = [];
      this.past = [];
      this.future = [];
    }

    get(level) {
      return this.points.find((point) => point.level === level) ?? null;
    }

    // Points from the head down.
    ordered() {
      const rank = (point) => this.levels.indexOf(point.level);
      return [...this.points].sort((a, b) => rank(a) - rank(b));
    }

    get proposedCount() {
      return this.points.filter((point) => point.proposed).length;
    }

    // Set or move the point of a level; what a person sets is no longer a proposal.
    set(level, ras) {
      if (!this.levels.includes(level)) throw new Error(`unknown level ${level}`);
      this.#remember();
      const kept = this.points.filter((point) => point.level !== level);
      this.points = [...kept, { level, ras: [...ras], proposed: false }];
    }

    confirm(level) {
      const point = this.get(level);
      if (point === null || !point.proposed) return;
      this.set(level, point.ras);
    }

    remove(level) {
      if (this.get(level) === null) return;
      this.#remember();
      this.points = this.points.filter((point) => point.level !== level);
    }

    // The level that follows the last point set by a person, in the direction in which they go.
    nextLevel() {
      const set = this.points.filter((point) => !point.proposed);
      if (set.length === 0) return null;
      const rank = (point) => this.levels.indexOf(point.level);
      const last = rank(set[set.length - 1]);
      const before = set.length > 1 ? rank(set[set.length - 2]) : last - 1;
      const step = last >= before ? 1 : -1;
      const taken = new Set(set.map((point) => point.level));
      for (let at = last + step; at >= 0 && at < this.levels.length; at += step) {
        const level = this.levels[at];
        if (!OPTIONAL.has(level) && !taken.has(level)) return level;
      }
      return null;
    }

    undo() {
      return this.#travel(this.past, this.future);
    }

    redo() {
      return this.#travel(this.future, this.past);
    }

    // The file as Endplate reads it.
    toDocument() {
      const round = (x) => Math.round(x * 1000) / 1000 + 0;
      const points = this.ordered().map((point) => ({
        level: point.level,
        ras_mm: point.ras.map(round),
        proposed: point.proposed,
      }));
      return { schema: SCHEMA, frame: "RAS", unit: "mm", ct_fingerprint: this.fingerprint, points };
    }

    // Take over a file; says why it cannot, else returns null.
    load(document) {
      const why = this.refusal(document);
      if (why !== null) return why;
      this.#remember();
      this.points = document.points.map((point) => ({
        level: point.level,
        ras: [...point.ras_mm],
        proposed: point.proposed === true,
      }));
      return null;
    }

    refusal(document) {
      if (document === null || typeof document !== "object" || document.schema !== SCHEMA) {
        return "This is no points file of this page.";
      }
      if (document.frame !== "RAS" || document.unit !== "mm" || !Array.isArray(document.points)) {
        return "The points file is damaged.";
      }
      if (document.ct_fingerprint !== this.fingerprint) {
        return "These points were set in another CT. They are not used here.";
      }
      const seen = new Set();
      for (const point of document.points) {
        const level = point?.level;
        const ras = point?.ras_mm;
        if (!this.levels.includes(level)) return "A point is not named after a vertebral level.";
        if (seen.has(level)) return `${level} has two points.`;
        if (!Array.isArray(ras) || ras.length !== 3 || !ras.every(Number.isFinite)) {
          return `The point of ${level} is not three numbers.`;
        }
        seen.add(level);
      }
      return null;
    }

    // Levels whose points stand in the wrong order along the spine (a name lower than its neighbour above).
    outOfOrder() {
      const row = this.ordered();
      const wrong = [];
      for (let at = 1; at < row.length; at += 1) {
        if (row[at].ras[2] >= row[at - 1].ras[2]) wrong.push(row[at].level);
      }
      return wrong;
    }

    #remember() {
      this.past.push(this.points);
      this.future = [];
    }

    #travel(from, to) {
      if (from.length === 0) return false;
      to.push(this.points);
      this.points = from.pop();
      return true;
    }
  }

  // Voxel → RAS mm and back, for an affine given as four rows.
  function toWorld(affine, [i, j, k]) {
    return [0, 1, 2].map((r) => affine[r][0] * i + affine[r][1] * j + affine[r][2] * k + affine[r][3]);
  }

  function toVoxel(affine, ras) {
    const m = affine.map((row) => row.slice(0, 3));
    const d = [0, 1, 2].map((r) => ras[r] - affine[r][3]);
    const minor = (a, b, c, e) => m[a][c] * m[b][e] - m[a][e] * m[b][c];
    const det = m[0][0] * minor(1, 2, 1, 2) - m[0][1] * minor(1, 2, 0, 2) + m[0][2] * minor(1, 2, 0, 1);
    const inverse = [
      [minor(1, 2, 1, 2), -minor(0, 2, 1, 2), minor(0, 1, 1, 2)],
      [-minor(1, 2, 0, 2), minor(0, 2, 0, 2), -minor(0, 1, 0, 2)],
      [minor(1, 2, 0, 1), -minor(0, 2, 0, 1), minor(0, 1, 0, 1)],
    ];
    return inverse.map((row) => (row[0] * d[0] + row[1] * d[1] + row[2] * d[2]) / det);
  }

  // Undo the differences along rows, in place: each byte was stored as the difference to the one before it.
  function fromDifferences(bytes, rowLength) {
    for (let start = 0; start < bytes.length; start += rowLength) {
      for (let at = start + 1; at < start + rowLength; at += 1) bytes[at] = (bytes[at] + bytes[at - 1]) & 255;
    }
    return bytes;
  }

  // Grey of every stored code in a window, from the Hounsfield units of the codes.
  function greys(huOfCode, [low, high]) {
    return Uint8ClampedArray.from(huOfCode, (hu) => (255 * (hu - low)) / (high - low));
  }

  return { PointList, toWorld, toVoxel, fromDifferences, greys };
})();

if (typeof module !== "undefined") module.exports = PickPoints;
