// Equity above, drawdown below, drawn by Plotly.react on one node that lives as long as the page: with `uirevision`
// the operator's zoom survives every tick. The figure comes from /api/equity; the newest point from the stream.
import { component, make, query, setText, subscribe } from "./live.js";

const FETCH_EVERY_MS = 2000;
let library = null;

function plotly() {
  if (window.Plotly) return Promise.resolve(window.Plotly);
  if (!library) {
    library = new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = new URL("./plotly.min.js", import.meta.url).href;
      script.onload = () => resolve(window.Plotly);
      script.onerror = () => {
        library = null;
        reject(new Error("the chart's library could not be loaded"));
      };
      document.head.append(script);
    });
  }
  return library;
}

// The figure names colours by role; the theme says what they are.
function painted(figure, style) {
  const read = (name, fallback) => style.getPropertyValue(name).trim() || fallback;
  const dark = luminance(read("--st-background-color", "#ffffff")) < 0.4;
  const roles = {
    ink: read("--st-text-color", "#1b1f23"),
    paper: read("--st-secondary-background-color", "#ffffff"),
    grid: dark ? "#2f363d" : "#e4e7ea",
    line: dark ? "#9fb8d1" : "#37506b",
    fill: dark ? "rgba(170,180,190,0.28)" : "rgba(90,100,110,0.24)",
    edge: dark ? "#aab4be" : "#59636d",
    limit: dark ? "#ff8a80" : "#b71c1c",
    font: read("--st-font", "sans-serif"),
    fillmark: dark ? "#e7eaed" : "#1b1f23",
  };
  return JSON.parse(JSON.stringify(figure), (_key, value) =>
    typeof value === "string" && value.startsWith("role:") ? roles[value.slice(5)] : value,
  );
}

function luminance(colour) {
  const probe = document.createElement("canvas").getContext("2d");
  probe.fillStyle = colour;
  const hex = probe.fillStyle.slice(1);
  const [r, g, b] = [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

// The live point follows the history's last one; it is replaced, never collected.
function withPoint(figure, point) {
  if (!point) return figure;
  const last = figure.data[0].x.at(-1);
  if (last !== undefined && point.x <= last) return figure;
  const data = figure.data.map((trace) => {
    const value = point[trace.meta];
    if (value === undefined || value === null) return trace;
    return { ...trace, x: [...trace.x, point.x], y: [...trace.y, value] };
  });
  return { ...figure, data };
}

async function load(parts) {
  if (parts.loading || performance.now() - parts.loadedAt < FETCH_EVERY_MS) return;
  parts.loading = true;
  parts.loadedAt = performance.now();
  const version = parts.page.history_version;
  try {
    const answer = await fetch(`/api/equity?${query(parts.data)}`);
    if (answer.ok) {
      parts.figure = await answer.json();
      parts.version = version;
    }
  } catch {
    // The light says that the server is gone; the chart keeps what it has.
  }
  parts.loading = false;
  await draw(parts);
}

async function draw(parts) {
  if (!parts.figure || parts.gone || document.hidden) return;
  const figure = parts.figure;
  setText(parts.empty, figure.empty ?? "");
  parts.plot.hidden = Boolean(figure.empty);
  if (figure.empty) return;
  const Plotly = await plotly().catch((error) => setText(parts.empty, error.message));
  if (!Plotly || parts.gone) return;
  const ready = painted(withPoint(figure, parts.page ? parts.page.point : null), getComputedStyle(parts.root));
  // On a phone the tool bar would lie on the legend; two fingers zoom there.
  const config = window.innerWidth < 700 ? { ...ready.config, displayModeBar: false } : ready.config;
  await Plotly.react(parts.plot, ready.data, ready.layout, config);
}

export function run(context) {
  return component(context, {
    mount({ parentElement, data }) {
      const root = parentElement.querySelector(".bf");
      const frame = make("section", "bf-chart");
      frame.setAttribute("aria-label", "Equity and drawdown");
      const empty = make("p", "bf-empty");
      const plot = make("div", "bf-plot");
      frame.append(empty, plot);
      root.append(frame);
      const parts = { root, plot, empty, data, figure: null, page: null, version: null, loading: false, loadedAt: -FETCH_EVERY_MS, gone: false };
      const leave = subscribe(data, {
        onPage: (page) => {
          parts.page = page;
          if (page.history_version !== parts.version) load(parts);
          draw(parts);
        },
      });
      parts.stop = () => {
        parts.gone = true;
        leave();
        if (window.Plotly) window.Plotly.purge(plot);
      };
      return parts;
    },
    update(parts) {
      draw(parts); // the theme may have changed
    },
  });
}
