// A figure's twin in text: the table that the server made, or for lines their newest points.
import { make } from "./dom.js";

const MOST_ROWS = 120;

// Lines of one time axis as a table, newest first.
export function tableOf(figure, words) {
  const lines = figure.data.filter((trace) => trace.mode === "lines");
  const columns = [{ label: words.time, unit: figure.layout.meta?.zone }, ...lines.map((line) => ({ label: line.name, unit: line.meta === "drawdown_pct" ? "%" : "USD", align: "right" }))];
  const rows = [];
  for (let at = (lines[0]?.x.length ?? 0) - 1; at >= 0 && rows.length < MOST_ROWS; at -= 1) {
    if (lines[0].y[at] === null) continue; // a gap in the line
    rows.push({ cells: [lines[0].x[at].replace("T", " ").slice(0, 19), ...lines.map((line) => number(line.y[at]))] });
  }
  return { columns, rows };
}

function number(value) {
  if (value === null || value === undefined) return "–";
  return value.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 }).replace("-", "−");
}

export function drawTwin(root, table, label) {
  root.tabIndex = 0;
  root.setAttribute("role", "region");
  root.setAttribute("aria-label", label);
  const drawn = JSON.stringify(table);
  if (root.drawn === drawn) return;
  root.drawn = drawn;
  const head = make("tr");
  for (const column of table.columns) {
    const cell = make("th", column.align === "right" ? "right" : "", column.label);
    cell.scope = "col";
    if (column.unit) cell.append(make("span", "unit", column.unit));
    head.append(cell);
  }
  const rows = table.rows.map((row) => {
    const line = make("tr");
    row.cells.forEach((text, index) => line.append(make("td", table.columns[index].align === "right" ? "right" : "", text)));
    return line;
  });
  const drawnTable = make("table");
  const thead = make("thead");
  const body = make("tbody");
  thead.append(head);
  body.append(...rows);
  drawnTable.append(thead, body);
  root.replaceChildren(drawnTable);
}
