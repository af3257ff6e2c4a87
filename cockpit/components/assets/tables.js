// Tables of the present, or of the journal: drawn from columns and rows of text. Numbers right-aligned, units in the
// head. `source` names a table of the live page; without it, `data.table` is drawn as it was sent.
import { component, make, setAttribute, subscribe } from "./live.js";

function drawTable(parts, told, onLink) {
  const key = JSON.stringify(told);
  if (key === parts.drawn) return;
  parts.drawn = key;
  parts.caption.replaceChildren(make("span", "name", told.title), make("span", "aside num", told.aside ?? ""));
  parts.empty.textContent = told.rows.length === 0 ? told.empty : "";
  parts.scroll.hidden = told.rows.length === 0;
  const head = make("tr");
  for (const column of told.columns) {
    const cell = make("th", column.align === "right" ? "right" : "", column.label);
    if (column.unit) cell.append(make("span", "unit", column.unit));
    cell.scope = "col";
    head.append(cell);
  }
  parts.head.replaceChildren(head);
  parts.body.replaceChildren(
    ...told.rows.map((row) => {
      const line = make("tr");
      setAttribute(line, "data-tone", row.tone ?? null);
      row.cells.forEach((text, index) => {
        const column = told.columns[index];
        const cell = make("td", column.align === "right" ? "right num" : column.wrap ? "wrap" : "");
        if (column.link && onLink && text) {
          const link = make("button", "link", text);
          link.type = "button";
          link.onclick = () => onLink(column.name, text);
          cell.append(link);
        } else if (column.badge && text) {
          cell.append(make("span", "badge", text));
        } else cell.textContent = text;
        line.append(cell);
      });
      return line;
    }),
  );
}

function build(root) {
  const frame = make("section", "frame");
  const caption = make("h3", "caption");
  const empty = make("p", "empty");
  const scroll = make("div", "scroll");
  scroll.tabIndex = 0;
  const table = make("table");
  const head = make("thead");
  const body = make("tbody");
  table.append(head, body);
  scroll.append(table);
  frame.append(caption, empty, scroll);
  root.append(frame);
  return { frame, caption, empty, scroll, head, body, drawn: null };
}

export function run(context) {
  return component(context, {
    mount({ parentElement, data, setTriggerValue }) {
      const parts = build(parentElement.querySelector(".bf"));
      parts.ask = setTriggerValue;
      if (data.source) {
        parts.frame.setAttribute("aria-label", data.source);
        parts.stop = subscribe(data, {
          onPage: (page) => drawTable(parts, page.tables[data.source]),
          onTick: (link) => setAttribute(parts.frame, "data-stale", link.verdict().state === "not_live"),
        });
      } else drawTable(parts, data.table, (name, value) => parts.ask("follow", { name, value }));
      return parts;
    },
    update(parts, { data, setTriggerValue }) {
      parts.ask = setTriggerValue;
      if (!data.source) drawTable(parts, data.table, (name, value) => parts.ask("follow", { name, value }));
    },
  });
}
