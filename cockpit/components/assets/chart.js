// One element for every figure, drawn by Plotly.react on one node that lives as long as the page: with `uirevision`
// the operator's zoom and selection survive every tick, until another range is chosen. The figure comes from
// /api/figure/<source>; of the equity later only what is new is fetched, and the newest point comes from the stream.
import { isTouch, zoomByTouch } from "./pinch.js";
import { painted, plotly, themeOf } from "./plot.js";
import { component, make, query, say, setAttribute, setText, subscribe } from "./live.js";
import { drawTwin, tableOf } from "./twin.js";

const EVERY_MS = { equity: 2000 };
const OTHERS_EVERY_MS = 30_000;
const AGAIN_MS = 1500;
const NARROW_WEEKS = 14;
const MOST_POINTS = 12_000; // a page that is open for days begins its figure anew beyond that

function address(parts) {
  const asked = new URLSearchParams(query(parts.data));
  if (parts.data.path) {
    for (const [name, value] of parts.data.asked) asked.append(name, value);
    return `${parts.data.path}?${asked}`;
  }
  asked.set("range", parts.range);
  const figure = parts.figure;
  if (figure && figure.newest_us && figure.base && figure.data[0].x.length < MOST_POINTS) {
    asked.set("since", figure.newest_us);
    asked.set("base", figure.base);
  }
  return `/api/figure/${parts.data.source}?${asked}`;
}

// Points from `patch.from` on give way to the patch's; times of one zone compare as text.
function patched(figure, answer) {
  const data = figure.data.map((trace, index) => {
    const fresh = answer.patch.data[index];
    if (!fresh) return trace;
    let keep = trace.x.length;
    while (keep > 0 && trace.x[keep - 1] >= answer.patch.from) keep -= 1;
    const joined = { ...trace, x: trace.x.slice(0, keep).concat(fresh.x), y: trace.y.slice(0, keep).concat(fresh.y) };
    if (trace.text) joined.text = trace.text.slice(0, keep).concat(fresh.text ?? []);
    return joined;
  });
  return { ...figure, data, alt: answer.alt, newest_us: answer.newest_us };
}

// The live point follows the history's last one; it is replaced, never collected.
function withPoint(figure, point) {
  if (!point || !figure.data.length || figure.data[0].meta !== "equity_usd") return figure;
  const last = figure.data[0].x.at(-1);
  if (last !== undefined && point.x <= last) return figure;
  const isGap = Date.parse(point.x) - Date.parse(last) > (figure.gap_ms ?? Infinity);
  const data = figure.data.map((trace) => {
    const value = point[trace.meta];
    if (value === undefined || value === null) return trace;
    const depth = trace.meta === "drawdown_pct" ? -Math.abs(value) : value;
    const [breakX, breakY] = isGap ? [[point.x], [null]] : [[], []];
    return { ...trace, x: [...trace.x, ...breakX, point.x], y: [...trace.y, ...breakY, depth] };
  });
  return { ...figure, data };
}

async function load(parts) {
  const every = EVERY_MS[parts.data.source] ?? OTHERS_EVERY_MS;
  if (parts.loading || !parts.seen || performance.now() - parts.loadedAt < every) return;
  parts.loading = true;
  parts.loadedAt = performance.now();
  const version = parts.page ? parts.page.history_version : null;
  const range = parts.range;
  const asked = JSON.stringify(parts.data.asked);
  try {
    const reply = await fetch(address(parts));
    if (reply.ok) {
      const answer = await reply.json();
      if (range === parts.range && asked === JSON.stringify(parts.data.asked)) take(parts, answer, version);
    } else if (parts.data.path) setText(parts.empty, (await reply.json()).error);
    else if (!parts.figure) setText(parts.empty, parts.words.failed);
  } catch {
    // The light says that the server is gone; the chart keeps what it has.
    if (!parts.figure) setText(parts.empty, parts.words.failed);
    if (parts.data.path) soon(parts, AGAIN_MS * 4); // no page ticks for it
  }
  parts.loading = false;
  if (range !== parts.range || asked !== JSON.stringify(parts.data.asked)) soon(parts, 0);
  await draw(parts);
}

function take(parts, answer, version) {
  if (answer.reading) {
    setText(parts.empty, say(parts.words, "reading", answer.reading));
    soon(parts, AGAIN_MS);
    return;
  }
  parts.figure = answer.patch ? patched(parts.figure, answer) : answer;
  parts.version = version;
}

function soon(parts, ms) {
  parts.loadedAt = -Infinity;
  setTimeout(() => {
    if (!parts.gone) load(parts);
  }, ms);
}

// A phone has room for three dates below a figure, and for a few weeks of a calendar: the newest.
function narrowed(ready, isCalendar) {
  if (ready.layout.xaxis?.nticks) ready.layout.xaxis.nticks = 3;
  const heat = ready.data[0].type === "heatmap" ? ready.data[0] : null;
  if (!heat) return;
  heat.showscale = false;
  const weeks = heat.x.length;
  if (isCalendar && weeks > NARROW_WEEKS) ready.layout.xaxis.range = [weeks - NARROW_WEEKS - 0.5, weeks - 0.5];
}

// One drawing at a time: plotly's own are asynchronous and must not overlap on one node.
async function draw(parts) {
  if (parts.drawing) {
    parts.drawAgain = true;
    return;
  }
  parts.drawing = true;
  do {
    parts.drawAgain = false;
    await drawOnce(parts);
  } while (parts.drawAgain && !parts.gone);
  parts.drawing = false;
}

function tell(parts, figure) {
  setText(parts.empty, figure.empty ?? "");
  setText(parts.note, figure.note ?? "");
  setText(parts.title, figure.title);
  setAttribute(parts.frame, "aria-label", figure.title);
  setAttribute(parts.plot, "aria-label", figure.alt);
  parts.toggle.hidden = Boolean(figure.empty);
  parts.frame.style.minHeight = figure.empty ? "" : `${parts.data.height ?? 300}px`;
  parts.plot.hidden = Boolean(figure.empty) || parts.asTable;
  parts.twin.hidden = Boolean(figure.empty) || !parts.asTable;
}

async function drawOnce(parts) {
  if (!parts.figure || parts.gone || document.hidden) return;
  const figure = parts.figure;
  tell(parts, figure);
  if (figure.empty) return;
  if (parts.asTable) drawTwin(parts.twin, figure.table ?? tableOf(figure, parts.words), figure.title);
  if (parts.asTable || !parts.seen) return;
  const Plotly = await plotly().catch(() => setText(parts.empty, parts.words.no_library));
  if (!Plotly || parts.gone || parts.asTable || parts.figure !== figure) return;
  const style = getComputedStyle(parts.root);
  const point = parts.page ? parts.page.point : null;
  const isNarrow = window.innerWidth < 700;
  const look = [themeOf(style), isNarrow, figure.data[0].meta === "equity_usd" && point ? point.x : ""].join();
  if (parts.drawn === figure && parts.look === look) return; // as it stands there already
  const ready = painted(withPoint(figure, point), style);
  // On a phone the tool bar would lie on the legend.
  const config = isNarrow ? { ...ready.config, displayModeBar: false } : ready.config;
  if (isNarrow) narrowed(ready, parts.data.source === "calendar");
  if (isTouch()) ready.layout.dragmode = false;
  parts.plot.style.height = `${ready.layout.height}px`;
  try {
    await Plotly.react(parts.plot, ready.data, ready.layout, config);
    parts.drawn = figure;
    parts.look = look;
  } catch (error) {
    console.error(`${parts.data.source}: ${error.message ?? error}`);
  }
}

function rangeButtons(parts) {
  const row = make("div", "bf-ranges");
  row.setAttribute("role", "group");
  row.setAttribute("aria-label", parts.words.range);
  const buttons = ["1d", "1w", "1m", "all"].map((name) => {
    const button = make("button", "bf-button", parts.words[name]);
    button.type = "button";
    button.dataset.range = name;
    button.onclick = () => {
      if (parts.range === name) return;
      parts.range = name;
      parts.figure = null;
      mark();
      soon(parts, 0);
    };
    return button;
  });
  const mark = () => {
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.range === parts.range));
  };
  mark();
  row.append(...buttons);
  return row;
}

function build(parts) {
  const head = make("div", "bf-head");
  parts.title = make("h3", "bf-title");
  parts.toggle = make("button", "bf-button bf-toggle", parts.words.show_table);
  parts.toggle.type = "button";
  parts.toggle.hidden = true;
  parts.toggle.onclick = () => {
    parts.asTable = !parts.asTable;
    setText(parts.toggle, parts.asTable ? parts.words.show_figure : parts.words.show_table);
    draw(parts);
  };
  head.append(parts.title);
  if (parts.data.buttons) head.append(rangeButtons(parts));
  head.append(parts.toggle);
  parts.empty = make("p", "bf-empty", parts.words.loading);
  parts.plot = make("div", "bf-plot");
  parts.plot.setAttribute("role", "figure");
  zoomByTouch(parts.plot);
  parts.twin = make("div", "bf-twin");
  parts.twin.hidden = true;
  parts.note = make("p", "bf-note");
  parts.frame.append(head, parts.empty, parts.plot, parts.twin, parts.note);
}

export function run(context) {
  return component(context, {
    mount({ parentElement, data }) {
      const root = parentElement.querySelector(".bf");
      const frame = make("section", "bf-chart");
      const words = data.chart_words;
      const parts = { root, frame, data, words, range: data.range ?? "all", figure: null, page: null, version: null, loading: false, loadedAt: -Infinity, seen: false, asTable: false, gone: false };
      build(parts);
      frame.style.minHeight = `${data.height ?? 300}px`;
      root.append(frame);
      // A figure with an address of its own (of a backtest, a sweep) does not change with the desk's history.
      const leave = data.path ? () => {} : subscribe(data, {
        onPage: (page) => {
          parts.page = page;
          if (page.history_version !== parts.version) load(parts);
          if (data.source === "equity") draw(parts);
        },
      });
      // What is far below the fold is neither fetched nor drawn before it comes near.
      const watch = new IntersectionObserver(
        (entries) => {
          if (parts.seen || !entries.some((entry) => entry.isIntersecting)) return;
          parts.seen = true;
          plotly().catch(() => null); // meanwhile; whoever draws asks again and says what failed
          load(parts);
        },
        { rootMargin: "400px" },
      );
      watch.observe(frame);
      const repaint = () => draw(parts);
      document.addEventListener("visibilitychange", repaint);
      parts.stop = () => {
        parts.gone = true;
        leave();
        watch.disconnect();
        document.removeEventListener("visibilitychange", repaint);
        if (window.Plotly) window.Plotly.purge(parts.plot);
      };
      return parts;
    },
    update(parts, { data }) {
      const range = data.range ?? "all";
      const isOther = JSON.stringify(data.asked) !== JSON.stringify(parts.data.asked);
      parts.data = data;
      if (isOther || (!data.buttons && range !== parts.range)) {
        parts.range = range;
        parts.figure = null;
        soon(parts, 0);
      }
      draw(parts); // the theme may have changed
    },
  });
}
