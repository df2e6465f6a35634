// The motion curve of a clip with its marks: an SVG that is drawn anew whenever something changes.

const NS = "http://www.w3.org/2000/svg";
const WIDTH = 600, HEIGHT = 120, TOP = 18, BELOW = 25;
export const KEYS = ["onset", "apex", "offset"];

function element(name, attributes, text = "") {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text) made.textContent = text;
  return made;
}

/** Place in `index` of a frame number, or of the one next to it. */
export function placeOf(index, number) {
  let best = 0;
  index.forEach((own, place) => {
    if (Math.abs(own - number) < Math.abs(index[best] - number)) best = place;
  });
  return best;
}

/** x of a place, 0..WIDTH. */
function across(pictures, place) {
  const times = pictures.time_s, span = times[times.length - 1] - times[0];
  return span > 0 ? (WIDTH * (times[place] - times[0])) / span : 0;
}

/** Place whose time is nearest to a share, 0..1, of the curve's width. */
export function placeAt(pictures, share) {
  let best = 0;
  pictures.time_s.forEach((_, place) => {
    const away = (at) => Math.abs(across(pictures, at) - share * WIDTH);
    if (away(place) < away(best)) best = place;
  });
  return best;
}

function line(pictures, top) {
  let path = "";
  pictures.motion.forEach((value, place) => {
    if (value === null) return;
    const y = HEIGHT - ((HEIGHT - TOP) * value) / top;
    path += `${path ? "L" : "M"}${across(pictures, place).toFixed(1)} ${y.toFixed(1)}`;
  });
  return path;
}

/** The curve as SVG. `keys`, `coded`: frame numbers by name; `place`: the frame shown; `chosen`: a mark's name or "". */
export function drawCurve(pictures, keys, coded, place, chosen) {
  const measured = pictures.motion.filter((value) => value !== null);
  const top = Math.max(...measured, 0.5);
  const said = measured.length
    ? `How far the face has moved since the onset that was shown: ${Math.max(...measured).toFixed(2)} percent of the eye distance at most`
    : "No motion could be measured: no face was found, or the clip is too short";
  const svg = element("svg", {
    class: "curve", viewBox: `-14 0 ${WIDTH + 28} ${HEIGHT + BELOW}`, role: "img", "aria-label": said,
  });
  const at = (number) => across(pictures, placeOf(pictures.index, number));
  const left = at(keys.onset), right = at(keys.offset);
  svg.append(
    element("rect", { x: left, y: TOP, width: Math.max(right - left, 0), height: HEIGHT - TOP }),
    element("path", { d: `M0 ${HEIGHT}H${WIDTH}` }),
    element("path", { class: "motion", d: line(pictures, top) }),
  );
  for (const name of KEYS) {
    if (coded[name] !== null) {
      svg.append(element("path", { class: "coded", d: `M${at(coded[name])} ${HEIGHT - 5}v10` }));
    }
    if (keys[name] === null) continue;
    const x = at(keys[name]), is = name === chosen;
    const anchor = { onset: "end", apex: "middle", offset: "start" }[name];
    const inside = { onset: Math.max(x, 40), apex: Math.min(Math.max(x, 20), WIDTH - 20), offset: Math.min(x, WIDTH - 40) }[name];
    svg.append(
      element("path", { class: `mark ${name}${is ? " chosen" : ""}`, d: `M${x} ${TOP}V${HEIGHT}` }),
      element("text", {
        x: inside, y: name === "apex" ? TOP - 5 : HEIGHT + 18, "text-anchor": anchor, class: is ? "chosen-name" : "",
      }, name),
    );
  }
  const now = across(pictures, place);
  svg.append(
    element("path", { class: "now", d: `M${now} ${TOP - 2}V${HEIGHT}` }),
    element("circle", { class: "knob", cx: now, cy: HEIGHT, r: 4 }),
  );
  if (!measured.length) {
    svg.append(element("text", { x: WIDTH / 2, y: HEIGHT / 2, "text-anchor": "middle" }, "no motion could be measured"));
  }
  return svg;
}
