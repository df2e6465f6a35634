// The motion of the last seconds: one row for each part of the face, on one scale.

const LEFT = 44, RIGHT = 10, TOP = 20, BOTTOM = 22, GAP = 8, LEAST_TOP = 1;

export class Curves {
  constructor(canvas) {
    this.canvas = canvas;
    this.parts = [];
    this.spanS = 10;
    this.clear();
    new ResizeObserver(() => this.draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  clear() {
    this.t = []; this.hidden = []; this.values = this.parts.map(() => []);
    this.events = [];
    this.nowS = 0;
  }

  setParts(parts, spanS) {
    this.parts = parts;
    this.spanS = spanS;
    this.clear();
  }

  push(moment) {
    if (moment.time_s < this.nowS) this.clear();  // the stream began anew
    this.nowS = moment.time_s;
    this.t.push(...moment.t);
    this.hidden.push(...moment.hidden);
    moment.curves.forEach((curve, row) => this.values[row].push(...curve));
    let old = 0;
    while (old < this.t.length && this.t[old] < this.nowS - this.spanS) old += 1;
    for (const list of [this.t, this.hidden, ...this.values]) list.splice(0, old);
    this.events = this.events.filter((event) => event.offset_s > this.nowS - this.spanS);
    this.draw();
  }

  mark(event) {
    this.events.push(event);
    this.draw();
  }

  draw() {
    const canvas = this.canvas, scale = devicePixelRatio || 1;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (!width || !height) return;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    const ink = canvas.getContext("2d");
    ink.scale(scale, scale);
    const style = getComputedStyle(canvas);
    const colour = (name) => style.getPropertyValue(name).trim();
    const endS = Math.max(this.nowS, this.spanS), fromS = endS - this.spanS;
    const x = (s) => LEFT + Math.min(Math.max((s - fromS) / this.spanS, 0), 1) * (width - LEFT - RIGHT);
    const floor = height - BOTTOM;
    ink.font = "11px " + style.fontFamily;
    this.#hatch(ink, x, floor, colour("--line"));
    for (const event of this.events) this.#event(ink, x, floor, event, colour);
    this.#names(ink, x, colour);
    this.#rows(ink, x, floor, colour);
    this.#axis(ink, x, floor, fromS, endS, colour);
  }

  #hatch(ink, x, floor, colour) {
    ink.strokeStyle = colour;
    ink.lineWidth = 1;
    let first = -1;
    for (let i = 0; i <= this.t.length; i += 1) {
      if (this.hidden[i] && first < 0) first = i;
      if (first < 0 || this.hidden[i]) continue;
      const left = x(this.t[Math.max(first - 1, 0)]), right = x(this.t[i - 1]);
      first = -1;
      ink.save();
      ink.beginPath();
      ink.rect(left, TOP, right - left, floor - TOP);
      ink.clip();
      ink.beginPath();
      for (let at = left - (left % 7) - floor; at < right; at += 7) {
        ink.moveTo(at, floor);
        ink.lineTo(at + floor, 0);
      }
      ink.stroke();
      ink.restore();
    }
  }

  #event(ink, x, floor, event, colour) {
    const micro = event.type === "micro_expression";
    const [left, apex, right] = [x(event.onset_s), x(event.apex_s), x(event.offset_s)];
    ink.strokeStyle = ink.fillStyle = colour(micro ? "--micro" : "--macro");
    ink.globalAlpha = 0.25;
    if (micro) ink.fillRect(left, TOP, right - left, floor - TOP);
    ink.globalAlpha = 1;
    ink.lineWidth = micro ? 2 : 1;
    ink.setLineDash(micro ? [] : [4, 3]);
    ink.beginPath();
    ink.moveTo(apex, TOP - 4);
    ink.lineTo(apex, floor);
    if (!micro) ink.rect(left, TOP, right - left, floor - TOP);
    ink.stroke();
    ink.setLineDash([]);
  }

  // The newest first; one that would run into another is left out.
  #names(ink, x, colour) {
    ink.fillStyle = colour("--ink");
    ink.textAlign = "center";
    let freeTo = x(Infinity) + RIGHT;
    for (const event of [...this.events].sort((a, b) => b.apex_s - a.apex_s)) {
      const name = String(event.label || event.type.split("_")[0]).replaceAll("_", " ");
      const half = ink.measureText(name).width / 2;
      const at = Math.min(x(event.apex_s), x(Infinity) + RIGHT - half - 2);
      if (at + half >= freeTo) continue;
      ink.fillText(name, at, TOP - 8);
      freeTo = at - half - 6;
    }
  }

  #rows(ink, x, floor, colour) {
    const known = this.values.flat().filter((value) => value !== null);
    const top = Math.max(LEAST_TOP, 1.05 * known.reduce((a, b) => Math.max(a, b), 0));
    const step = (floor - TOP) / Math.max(this.parts.length, 1);
    this.parts.forEach((name, row) => {
      const base = TOP + (row + 1) * step, high = step - GAP;
      ink.strokeStyle = colour("--line");
      ink.lineWidth = 1;
      ink.beginPath();
      ink.moveTo(LEFT, base);
      ink.lineTo(x(Infinity), base);
      ink.stroke();
      ink.strokeStyle = colour("--motion");
      ink.lineWidth = 1.3;
      ink.beginPath();
      let down = false;
      this.values[row].forEach((value, i) => {
        if (value === null) { down = false; return; }
        const y = base - (Math.min(value, top) / top) * high;
        if (down) ink.lineTo(x(this.t[i]), y); else ink.moveTo(x(this.t[i]), y);
        down = true;
      });
      ink.stroke();
      ink.textAlign = "right";
      ink.fillStyle = colour("--soft");
      ink.fillText(top.toFixed(1) + " %", LEFT - 5, base - high + 8);
      ink.textAlign = "left";
      this.#label(ink, name, LEFT + 6, base - high + 9, colour);
    });
  }

  #label(ink, text, x, y, colour) {
    ink.lineWidth = 4;
    ink.lineJoin = "round";
    ink.strokeStyle = colour("--card");
    ink.strokeText(text, x, y);
    ink.fillStyle = colour("--ink");
    ink.fillText(text, x, y);
  }

  #axis(ink, x, floor, fromS, endS, colour) {
    ink.fillStyle = colour("--soft");
    ink.textAlign = "center";
    for (let s = 2 * Math.ceil(fromS / 2); s <= endS; s += 2) {
      if (x(s) > LEFT + 8 && x(s) < x(Infinity) - 10) ink.fillText(s + " s", x(s), floor + 15);
    }
  }
}
