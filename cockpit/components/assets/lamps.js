// Shape, mark and icon of the four states. Colour is never alone: each has a shape, a word and a place of its own.
import { make, setAttribute, svg } from "./dom.js";

export const STATES = ["green", "yellow", "red", "not_live"];
const SHAPES = {
  green: [["circle", { cx: 12, cy: 12, r: 9, fill: "currentColor" }]],
  yellow: [
    ["path", { d: "M12 2.5 22.5 21.5H1.5Z", fill: "currentColor" }],
    ["path", { d: "M12 9v6M12 17.4v1.8", stroke: "var(--mark)", "stroke-width": 2.2, fill: "none" }],
  ],
  red: [
    ["path", { d: "M7.6 1.5h8.8l6.1 6.1v8.8l-6.1 6.1H7.6l-6.1-6.1V7.6Z", fill: "currentColor" }],
    ["path", { d: "M7.5 12h9", stroke: "var(--mark)", "stroke-width": 3.2, fill: "none" }],
  ],
  not_live: [
    ["circle", { cx: 12, cy: 12, r: 9, fill: "none", stroke: "currentColor", "stroke-width": 2.4, "stroke-dasharray": "4 3.1" }],
    ["path", { d: "M7 17 17 7", stroke: "currentColor", "stroke-width": 2.4, fill: "none" }],
  ],
};
export const MARKS = { green: "●", yellow: "▲", red: "■", not_live: "◌" };
const ICON_COLOURS = { green: "#2e7d32", yellow: "#e59a00", red: "#b71c1c", not_live: "#5d656d" };
const ICON_SHAPES = {
  green: '<circle cx="8" cy="8" r="6"/>',
  yellow: '<path d="M8 1 15.5 15H.5Z"/>',
  red: '<rect x="1.5" y="1.5" width="13" height="13"/>',
  not_live: '<path d="M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1Zm0 3a4 4 0 1 1 0 8 4 4 0 0 1 0-8Z"/>',
};

// One state's shape, for a line of a list.
export function lamp(state, size) {
  return svg(SHAPES[state], size);
}

// All four in their fixed places; the one that holds is lit.
export function buildLamps(size) {
  const row = make("span", "lamps");
  row.setAttribute("aria-hidden", "true");
  for (const state of STATES) {
    const place = make("span", "lamp");
    place.dataset.lamp = state;
    place.append(lamp(state, size));
    row.append(place);
  }
  return row;
}

export function light(row, state) {
  for (const place of row.children) setAttribute(place, "data-lit", place.dataset.lamp === state);
}

// The tab's title and its small icon, of the whole document.
export function showInTab(state, title) {
  const wanted = `${MARKS[state]} ${title}`;
  if (document.title !== wanted) document.title = wanted;
  let icon = document.querySelector('link[rel~="icon"]');
  if (!icon) {
    icon = make("link");
    icon.rel = "icon";
    document.head.append(icon);
  }
  const picture = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16" fill="${ICON_COLOURS[state]}">${ICON_SHAPES[state]}</svg>`;
  const href = `data:image/svg+xml,${encodeURIComponent(picture)}`;
  if (icon.getAttribute("href") !== href) icon.setAttribute("href", href);
}
