// The list of events, newest first. Whatever comes from a record becomes text, never markup.

const MOST = 100;
const SHOTS = [["onset", "onset"], ["apex", "apex"], ["offset", "offset"], ["magnified", "apex, magnified"], ["flow", "motion to apex"]];
const words = (name) => String(name).replaceAll("_", " ");

function make(tag, text, className) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  return element;
}

function title(record) {
  if (record.type === "macro_expression") return "macro-expression";
  return (record.label ? words(record.label) : "not labelled") + (record.verdict === "uncertain" ? " (uncertain)" : "");
}

export function said(record) {
  const probability = record.label ? ` ${record.probabilities[record.label].toFixed(2)}` : "";
  return `${record.camera}: ${title(record)}${probability}, ${record.duration_ms.toFixed(0)} ms, apex at ${record.apex_s.toFixed(2)} seconds`;
}

export class Events {
  constructor(list, units) {
    this.list = list;
    this.units = units;
    this.items = new Map();
  }

  // Numbers begin anew with another run on the same address; ids do not.
  has({id}) {
    return this.items.has(id);
  }

  add(said) {
    const item = this.#item(said.number, said.record);
    if (said.fresh) item.classList.add("fresh");
    this.items.set(said.record.id, item);
    this.list.prepend(item);
    if (said.pictures.length) this.picture(said);
    while (this.items.size > MOST) {
      const oldest = this.items.keys().next().value;
      this.items.get(oldest).remove();
      this.items.delete(oldest);
    }
  }

  picture({record, pictures}) {
    const item = this.items.get(record.id);
    if (!item || item.querySelector(".shots")) return;
    const shots = make("div", undefined, "shots");
    for (const [name, caption] of SHOTS) {
      if (!pictures.includes(name)) continue;
      const figure = make("figure"), image = make("img");
      image.loading = "lazy";
      image.alt = name === "flow" ? `Motion from onset to apex, most at ${this.#places(record)}` : `Face, ${caption}`;
      image.src = `/api/events/${encodeURIComponent(record.id)}/${name}.jpg`;
      figure.append(image, make("figcaption", caption));
      shots.append(figure);
    }
    item.append(shots);
  }

  #item(number, record) {
    const micro = record.type === "micro_expression";
    const item = make("li", undefined, micro ? "micro" : "macro");
    item.dataset.id = record.id;
    item.value = number;
    const heading = make("h3");
    heading.append(make("span", `${number}  ${title(record)}`));
    if (micro) heading.append(make("span", "micro-expression", "badge"));
    item.append(heading);
    const times = ["onset_s", "apex_s", "offset_s"].map((name) => record[name].toFixed(2)).join(" – ");
    const clock = new Date(record.onset_wall_time || record.wall_time).toLocaleTimeString();
    item.append(make("p", `${record.camera}, ${clock} · ${times} s · ${record.duration_ms.toFixed(0)}\u00a0ms · strength\u00a0${record.strength.toFixed(1)}`));
    const units = Object.entries(record.sides || {}).map(([unit, side]) =>
      `${unit} ${this.units[unit] || ""}${side === "both" ? "" : `, ${side}`}`.trim());
    item.append(make("p", `${units.length ? units.join("; ") + " · " : ""}most at ${this.#places(record)}`));
    if (record.probabilities) item.append(this.#bars(record.probabilities));
    return item;
  }

  #places(record) {
    const ranked = Object.entries(record.regions).sort((a, b) => b[1] - a[1]);
    return ranked.slice(0, 2).map(([name]) => words(name)).join(" and ");
  }

  #bars(probabilities) {
    const bars = make("div", undefined, "bars");
    for (const [name, value] of Object.entries(probabilities).sort((a, b) => b[1] - a[1]).slice(0, 4)) {
      const track = make("i"), filled = make("b");
      filled.style.width = `${(100 * value).toFixed(1)}%`;
      track.append(filled);
      bars.append(make("span", words(name)), track, make("span", value.toFixed(2)));
    }
    return bars;
  }
}
