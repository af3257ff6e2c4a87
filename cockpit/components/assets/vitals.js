// The Health page's tables: asked for again every second and a half, with the age of the last answer ticking beside them.
// What was not heard in time is said to be old, never shown as the present.
import { ageWords, component, make, query, setAttribute, setText } from "./live.js";
import { drawTable, makeTable } from "./tables.js";

const EVERY_MS = 1500;
const LOST_MS = 5000;
const TIMEOUT_MS = 4500;
const OF_SNAPSHOT = new Set(["link", "checks", "limits", "latency"]);

class Vitals {
  constructor(root, data) {
    this.data = data;
    this.frames = new Map();
    this.addresses = {};
    this.grid = make("div", "vitals");
    this.heard = make("p", "heard num");
    this.grid.append(this.heard);
    this.places = new Map();
    // A row of the layout is one table as wide as the page, or two columns of tables that fill up by themselves.
    for (const row of data.layout) {
      for (const names of row) {
        const column = make("div", row.length === 1 ? "column wide" : "column");
        for (const name of names) this.places.set(name, column);
        this.grid.append(column);
      }
    }
    root.append(this.grid);
    this.heardAt = null;
    this.began = performance.now();
    this.problem = "";
    this.asking = false;
    this.tickTimer = setInterval(() => this.tick(), 500);
    this.askTimer = setInterval(() => this.ask(), EVERY_MS);
    this.ask();
    this.tick();
  }

  stop() {
    clearInterval(this.tickTimer);
    clearInterval(this.askTimer);
    this.stopped = true;
  }

  async ask() {
    if (this.asking || document.hidden) return;
    this.asking = true;
    try {
      const answer = await fetch(`/api/vitals?${query(this.data)}`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
      const told = await answer.json();
      if (!answer.ok) throw new Error(told.error ?? String(answer.status));
      if (this.stopped) return;
      this.heardAt = performance.now();
      this.problem = "";
      this.draw(told);
    } catch (error) {
      this.problem = error instanceof TypeError || error.name === "TimeoutError" ? "" : error.message;
    } finally {
      this.asking = false;
      if (!this.stopped) this.tick();
    }
  }

  draw(told) {
    this.addresses = told.addresses;
    for (const [name, place] of this.places) {
      const table = told.tables[name];
      if (!table) continue;
      let parts = this.frames.get(name);
      if (!parts) {
        parts = makeTable(place);
        parts.frame.dataset.table = name;
        this.frames.set(name, parts);
      }
      drawTable(parts, table, { onLink: (_column, code) => this.open(code) });
      setAttribute(parts.frame, "data-old", told.is_old && OF_SNAPSHOT.has(name) ? "" : null);
    }
  }

  open(code) {
    const address = this.addresses[code];
    if (address) window.location.assign(address);
  }

  tick() {
    const silent = performance.now() - (this.heardAt ?? this.began);
    const lost = silent > LOST_MS;
    setAttribute(this.grid, "data-lost", lost ? "" : null);
    setAttribute(this.heard, "data-lost", lost ? "" : null);
    const texts = this.data.texts;
    const words = lost ? texts.lost : this.heardAt === null ? texts.asking : texts.heard;
    setText(this.heard, words.replace("{age}", ageWords(silent)) + (this.problem ? ` · ${this.problem}` : ""));
  }
}

export function run(context) {
  return component(context, {
    mount: ({ parentElement, data }) => new Vitals(parentElement.querySelector(".bf"), data),
  });
}
