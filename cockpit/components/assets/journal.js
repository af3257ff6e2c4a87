// The journal: a page of it, how many operations match in all, and a word when there are newer ones.
//
// What is being read never moves by itself: new lines are only announced, and shown when they are asked for.
import { component, make, query, say, setText, subscribe } from "./live.js";
import { drawTable, makeTable } from "./tables.js";

const COUNT_EVERY_MS = 1500; // a busy desk writes many lines a second; one count at a time is enough
const UNNUMBERED_EVERY_MS = 10000;
const GIVE_UP_MS = 30000;

function build(root, data) {
  const bar = make("div", "journal-bar");
  const count = make("span", "count num");
  count.setAttribute("role", "status");
  const fresh = make("button", "pill");
  fresh.type = "button";
  fresh.hidden = true;
  const exports = make("span", "exports");
  bar.append(count, fresh, exports);
  root.append(bar);
  const table = makeTable(root);
  const pager = make("nav", "pager");
  pager.setAttribute("aria-label", data.texts.pages);
  const buttons = {};
  for (const way of ["newest", "newer", "older"]) {
    buttons[way] = make("button", "turn", data.texts[way]);
    buttons[way].type = "button";
    pager.append(buttons[way]);
  }
  const twins = make("div", "twins muted");
  root.append(pager, twins);
  return { count, fresh, exports, twins, table, pager, buttons, counting: false, again: false, seenSeq: null, counted: null };
}

function draw(parts, data, ask) {
  parts.data = data;
  parts.ask = ask;
  drawTable(parts.table, data.table, {
    onLink: (name, value, key) => parts.ask("follow", { name, value, key }),
    selected: data.selected,
  });
  for (const [way, button] of Object.entries(parts.buttons)) {
    button.disabled = !data.turns[way];
    button.onclick = () => parts.ask("turn", { way });
  }
  drawExports(parts, data);
  parts.pager.hidden = !Object.values(data.turns).some(Boolean);
  parts.fresh.hidden = true;
  parts.fresh.onclick = () => parts.ask("turn", { way: "newest" });
  if (data.total !== null) showTotal(parts, data.total);
  else if (parts.counted !== data.filter) setText(parts.count, data.texts.counting);
  parts.counted = data.filter;
  count(parts);
}

function drawExports(parts, data) {
  parts.exports.replaceChildren();
  if (data.exports.length > 0) parts.exports.append(make("span", "muted", data.texts.export));
  for (const each of data.exports) {
    const link = make("a", "export", each.label);
    link.href = each.href;
    link.download = "";
    parts.exports.append(link);
  }
  parts.twins.replaceChildren();
  for (const [label, words] of [[data.texts.shell, data.shell.page], [data.texts.shell_export, data.shell.export]]) {
    const line = make("p", "twin");
    line.append(make("span", "", label), make("code", "", words));
    parts.twins.append(line);
  }
}

function showTotal(parts, total) {
  const shown = parts.data.table.rows.length.toLocaleString("en-US");
  setText(parts.count, say(parts.data.texts, "count", { shown, total: total.toLocaleString("en-US") }));
}

// Counting is the server's, and beside the page's script: a long journal keeps nobody waiting.
async function count(parts) {
  if (parts.counting) {
    parts.again = true;
    return;
  }
  parts.counting = true;
  parts.again = false;
  const { data } = parts;
  const asking = new AbortController();
  const timer = setTimeout(() => asking.abort(), GIVE_UP_MS);
  try {
    const address = `/api/operations/count?${query(data)}&${data.filter}&newer_than=${data.newest_seq}`;
    const answer = await fetch(address, { cache: "no-store", signal: asking.signal });
    const told = await answer.json();
    if (data === parts.data) show(parts, told);
  } catch {
    if (data === parts.data && data.total === null) setText(parts.count, data.texts.count_failed);
  }
  clearTimeout(timer);
  setTimeout(() => {
    parts.counting = false;
    if (parts.again && !parts.gone) count(parts);
  }, COUNT_EVERY_MS);
}

function show(parts, told) {
  const { data } = parts;
  if (!told.ok) {
    setText(parts.count, told.error ?? data.texts.count_failed);
    return;
  }
  if (data.total === null) showTotal(parts, told.total);
  parts.fresh.hidden = told.newer === 0;
  const newer = `${told.newer.toLocaleString("en-US")}${told.is_newer_bounded ? "+" : ""}`;
  setText(parts.fresh, say(data.texts, "newer_lines", { n: newer }));
}

export function run(context) {
  return component(context, {
    mount({ parentElement, data, setTriggerValue }) {
      const parts = build(parentElement.querySelector(".bf"), data);
      draw(parts, data, setTriggerValue);
      const stop = subscribe(data, {
        onPage: (page) => {
          // A desk that does not say its journal's number is asked again after a while.
          const seq = page.journal_seq ?? `${Math.floor(Date.now() / UNNUMBERED_EVERY_MS)}`;
          if (seq === parts.seenSeq) return;
          parts.seenSeq = seq;
          if (seq !== parts.data.newest_seq) count(parts);
        },
      });
      parts.stop = () => {
        parts.gone = true;
        stop();
      };
      return parts;
    },
    update(parts, { data, setTriggerValue }) {
      draw(parts, data, setTriggerValue);
    },
  });
}
