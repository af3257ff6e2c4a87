// Tables of the present, or of the journal: drawn from columns and rows of text. Numbers right-aligned, units in the
// head. `source` names a table of the live page; without it, `data.table` is drawn as it was sent.
//
// A row whose key stays is the same element from tick to tick, and only cells whose text changed are touched: what
// somebody reads, has scrolled to or has selected stays where it is.
import { component, make, say, setAttribute, setText, subscribe } from "./live.js";

const AT_ONCE = 150; // rows: what fills a screen several times over, and is drawn in a moment

export function makeTable(root, label) {
  const frame = make("section", "frame");
  const caption = make("h3", "caption");
  const name = make("span", "name");
  const aside = make("span", "aside num");
  caption.append(name, aside);
  const empty = make("p", "empty");
  const scroll = make("div", "scroll");
  scroll.tabIndex = 0;
  scroll.setAttribute("role", "region");
  if (label) scroll.setAttribute("aria-label", label);
  const table = make("table");
  const head = make("thead");
  const body = make("tbody");
  table.append(head, body);
  scroll.append(table);
  frame.append(caption, empty, scroll);
  root.append(frame);
  return { frame, name, aside, empty, scroll, head, body, told: null, columns: "", lines: new Map(), order: null, rest: 0 };
}

// `options`: `onLink(column, text, key)` for cells that are links, `selected` the key of the row that is looked at.
export function drawTable(parts, told, options = {}) {
  if (!told) return;
  if (told !== parts.told) {
    const columns = JSON.stringify(told.columns);
    if (columns !== parts.columns) {
      parts.columns = columns;
      parts.lines.clear();
      parts.body.replaceChildren();
      parts.order = null;
      drawHead(parts, told, options);
    }
    parts.told = told;
    setText(parts.name, told.title);
    setText(parts.aside, told.aside ?? "");
    setText(parts.empty, told.rows.length === 0 ? told.empty : "");
    if (!parts.scroll.getAttribute("aria-label") || parts.named) {
      parts.named = true;
      parts.scroll.setAttribute("aria-label", told.title);
    }
    parts.scroll.hidden = told.rows.length === 0;
    drawRows(parts, told, options);
  }
  for (const [key, line] of parts.lines) setAttribute(line.row, "data-selected", key === options.selected);
}

function drawHead(parts, told, options) {
  parts.frame.dataset.first = told.columns[0].name;
  const row = make("tr");
  for (const column of told.columns) {
    const cell = make("th", column.align === "right" ? "right" : "");
    cell.scope = "col";
    const label = column.sort ? make("button", "sort", column.label) : make("span", "", column.label);
    if (column.sort) label.append(make("span", "way"));
    if (column.unit) label.append(make("span", "unit", column.unit));
    if (column.sort) {
      label.type = "button";
      label.onclick = () => sortBy(parts, column.name, options);
    }
    cell.dataset.column = column.name;
    cell.append(label);
    row.append(cell);
  }
  parts.head.replaceChildren(row);
}

// Up, down, and at the third click as they came.
function sortBy(parts, name, options) {
  const before = parts.order && parts.order.name === name ? parts.order : null;
  parts.order = !before ? { name, down: false } : before.down ? null : { name, down: true };
  for (const cell of parts.head.querySelectorAll("th")) {
    const way = parts.order && parts.order.name === cell.dataset.column ? (parts.order.down ? "descending" : "ascending") : null;
    setAttribute(cell, "aria-sort", way);
    const mark = cell.querySelector(".way");
    if (mark) setText(mark, way === "ascending" ? "▲" : way === "descending" ? "▼" : "");
  }
  drawRows(parts, parts.told, options);
}

function ordered(parts, told) {
  if (!parts.order) return told.rows;
  const index = told.columns.findIndex((column) => column.name === parts.order.name);
  const isNumber = told.columns[index].align === "right";
  const value = (row) => (isNumber ? number(row.cells[index]) : row.cells[index]);
  const sign = parts.order.down ? -1 : 1;
  return [...told.rows].sort((one, other) => {
    const [a, b] = [value(one), value(other)];
    if (!isNumber) return sign * a.localeCompare(b);
    if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b); // unknown stays at the end
    return sign * (a - b);
  });
}

const AGES = { ms: 0.001, s: 1, min: 60, h: 3600, d: 86400 };

// `−1,234.5` -> -1234.5; `5 min` -> 300; what is no number (a dash) -> NaN.
function number(text) {
  const [size, unit] = text.split("\n")[0].replace("\u2212", "-").replaceAll(",", "").split(" ");
  return Number.parseFloat(size) * (AGES[unit] ?? 1);
}

// A long table is on screen with its first rows; the rest follows a piece with each frame.
function drawRows(parts, told, options) {
  cancelAnimationFrame(parts.rest);
  const rows = ordered(parts, told);
  const upTo = Math.min(rows.length, parts.lines.size + AT_ONCE);
  placeRows(parts, rows.slice(0, upTo), told.columns, options);
  if (upTo < rows.length) parts.rest = requestAnimationFrame(() => drawRows(parts, told, options));
}

function placeRows(parts, rows, columns, options) {
  const used = new Set();
  let next = parts.body.firstChild;
  rows.forEach((row, place) => {
    let key = row.key ?? `#${place}`;
    while (used.has(key)) key += "'";
    used.add(key);
    let line = parts.lines.get(key);
    if (!line) {
      line = { row: make("tr"), cells: [], texts: [] };
      parts.lines.set(key, line);
    }
    drawRow(line, row, columns, key, options);
    if (line.row === next) next = next.nextSibling;
    else parts.body.insertBefore(line.row, next);
  });
  for (const [key, line] of parts.lines) {
    if (used.has(key)) continue;
    line.row.remove();
    parts.lines.delete(key);
  }
}

function drawRow(line, row, columns, key, options) {
  setAttribute(line.row, "data-tone", row.tone ?? null);
  setAttribute(line.row, "data-selected", key === options.selected);
  row.cells.forEach((text, index) => {
    if (line.texts[index] === text) return;
    line.texts[index] = text;
    const column = columns[index];
    if (!line.cells[index]) {
      const cell = make(index === 0 ? "th" : "td", column.align === "right" ? "right num" : column.wrap ? "wrap" : "");
      if (index === 0) cell.scope = "row";
      line.cells[index] = cell;
      line.row.append(cell);
    }
    const cell = line.cells[index];
    if (column.link && options.onLink && text) {
      const link = make("button", "link", text);
      link.type = "button";
      link.onclick = () => options.onLink(column.name, text, key);
      cell.replaceChildren(link);
    } else if (column.two_lines && text.includes("\n")) {
      const [first, ...rest] = text.split("\n");
      cell.replaceChildren(make("span", "", first), make("span", "second", rest.join(" ")));
    } else if (column.badge && text) cell.replaceChildren(make("span", "badge", text));
    else setText(cell, text);
  });
}

// A table of the present says that it is one no more as soon as the page's light does.
function showStale(parts, link, words) {
  const dead = link.verdict().state === "not_live";
  setAttribute(parts.frame, "data-stale", dead);
  if (!parts.stale) {
    parts.stale = make("span", "stale");
    parts.aside.before(parts.stale);
  }
  setText(parts.stale, dead ? say(words, "table_stale") : "");
}

export function run(context) {
  return component(context, {
    mount({ parentElement, data, setTriggerValue }) {
      const parts = makeTable(parentElement.querySelector(".bf"));
      parts.ask = setTriggerValue;
      parts.onLink = (name, value, key) => parts.ask("follow", { name, value, key });
      if (data.source) {
        parts.stop = subscribe(data, {
          onPage: (page) => drawTable(parts, page.tables[data.source]),
          onTick: (link) => showStale(parts, link, data.words),
        });
      } else drawTable(parts, data.table, { onLink: parts.onLink, selected: data.selected });
      return parts;
    },
    update(parts, { data, setTriggerValue }) {
      parts.ask = setTriggerValue;
      if (!data.source) drawTable(parts, data.table, { onLink: parts.onLink, selected: data.selected });
    },
  });
}
