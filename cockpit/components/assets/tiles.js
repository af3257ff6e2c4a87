// The four numbers of the page, each with the limit it must be read against.
import { component, make, say, setAttribute, setText, subscribe } from "./live.js";

function tile() {
  const node = make("div", "tile");
  const parts = {
    node,
    label: make("div", "label"),
    value: make("span", "value num"),
    unit: make("span", "unit"),
    note: make("div", "note num"),
    track: make("div", "track"),
    bar: make("div", "bar"),
  };
  const line = make("div", "line");
  line.append(parts.value, parts.unit);
  parts.track.append(parts.bar);
  node.append(parts.label, line, parts.note, parts.track);
  return parts;
}

function draw(parts, tiles) {
  while (parts.tiles.length < tiles.length) {
    const added = tile();
    parts.tiles.push(added);
    parts.grid.append(added.node);
  }
  tiles.forEach((told, index) => {
    const part = parts.tiles[index];
    part.node.dataset.name = told.name;
    part.node.dataset.tone = told.tone;
    part.name = told.label;
    setText(part.value, told.value);
    setText(part.unit, told.unit);
    setText(part.note, told.note);
    setAttribute(part.track, "data-empty", told.used_pct === null);
    part.bar.style.width = `${Math.min(100, told.used_pct ?? 0)}%`;
  });
}

// A figure says of itself that it is old: whoever looks at a tile need not look at the light as well.
function label(parts, link, words) {
  const dead = link.verdict().state === "not_live";
  setAttribute(parts.grid, "data-stale", dead);
  parts.tiles.forEach((part) => setText(part.label, dead ? say(words, "tile_stale", { name: part.name }) : part.name));
}

export function run(context) {
  return component(context, {
    mount({ parentElement, data }) {
      const grid = make("section", "tiles");
      grid.setAttribute("aria-label", say(data.words, "key_figures"));
      parentElement.querySelector(".bf").append(grid);
      const parts = { grid, tiles: [] };
      parts.stop = subscribe(data, {
        onPage: (page) => draw(parts, page.tiles),
        onTick: (link) => label(parts, link, data.words),
      });
      return parts;
    },
  });
}
