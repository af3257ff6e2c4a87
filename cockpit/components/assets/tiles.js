// The four numbers of the page, each with the limit it must be read against.
import { component, make, setAttribute, setText, subscribe } from "./live.js";

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
    setText(part.label, told.label);
    setText(part.value, told.value);
    setText(part.unit, told.unit);
    setText(part.note, told.note);
    setAttribute(part.track, "data-empty", told.used_pct === null);
    part.bar.style.width = `${Math.min(100, told.used_pct ?? 0)}%`;
  });
}

export function run(context) {
  return component(context, {
    mount({ parentElement, data }) {
      const grid = make("section", "tiles");
      grid.setAttribute("aria-label", "Key figures");
      parentElement.querySelector(".bf").append(grid);
      const parts = { grid, tiles: [] };
      parts.stop = subscribe(data, {
        onPage: (page) => draw(parts, page.tiles),
        onTick: (link) => setAttribute(grid, "data-stale", link.verdict().state === "not_live"),
      });
      return parts;
    },
  });
}
