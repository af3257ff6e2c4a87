// The page's one link to the server: a single event stream per desk, shared by every component.
//
// A component must never show a value as live on its own judgement; it asks `verdict()`. Ages are measured from the
// moment a message arrived, so the browser's clock may be wrong; both clocks of the browser are asked and the larger
// age counts, because the monotonic one stands still while a laptop sleeps. A message that was long on its way is
// older by that: the fastest message ever seen tells how far the two clocks are apart.

const SILENT_MS = 3000;
const TICK_MS = 250;

class Link {
  constructor(address) {
    this.address = address;
    this.page = null;
    this.readers = new Set();
    this.source = null;
    this.timer = null;
    this.clocksApart = Infinity;
    this.lateMs = 0;
    this.mark();
  }

  mark() {
    this.heardPerf = performance.now();
    this.heardWall = Date.now();
  }

  silentMs() {
    return Math.max(performance.now() - this.heardPerf, Date.now() - this.heardWall, 0);
  }

  add(reader) {
    this.readers.add(reader);
    if (!this.timer) this.timer = setInterval(() => this.tick(), TICK_MS);
    if (!this.source) this.open();
    if (this.page && reader.onPage) reader.onPage(this.page);
    if (reader.onTick) reader.onTick(this);
    return () => this.remove(reader);
  }

  remove(reader) {
    this.readers.delete(reader);
    // Streamlit unmounts and mounts again within one run; only a link nobody came back for is closed.
    setTimeout(() => {
      if (this.readers.size > 0) return;
      if (this.source) this.source.close();
      if (this.timer) clearInterval(this.timer);
      this.source = this.timer = null;
    }, 2000);
  }

  open() {
    this.mark();
    const source = new EventSource(`/api/events?${this.address}`);
    this.source = source;
    source.addEventListener("page", (event) => {
      this.page = JSON.parse(event.data);
      this.mark();
      const apart = this.heardWall - this.page.made_ms;
      this.clocksApart = Math.min(this.clocksApart, apart);
      this.lateMs = apart - this.clocksApart;
      for (const reader of this.readers) {
        if (reader.onPage) reader.onPage(this.page);
        if (reader.onTick) reader.onTick(this);
      }
    });
    source.onerror = () => {
      // The browser retries by itself unless the answer was not a stream at all.
      if (source.readyState === EventSource.CLOSED && this.source === source) {
        this.source = null;
        setTimeout(() => {
          if (!this.source && this.readers.size > 0) this.reopen();
        }, 1000);
      }
    };
  }

  reopen() {
    const perf = this.heardPerf;
    const wall = this.heardWall;
    this.open();
    this.heardPerf = perf; // an attempt is no sign of life
    this.heardWall = wall;
  }

  tick() {
    for (const reader of this.readers) if (reader.onTick) reader.onTick(this);
  }

  // What the light says, with the two ages that only the browser knows.
  verdict() {
    const silent = this.silentMs();
    if (!this.page) {
      if (silent <= SILENT_MS) return { state: "not_live", word: "CONNECTING", linked: true, reasons: [], headline: "" };
      return lost(silent);
    }
    if (silent > SILENT_MS) return lost(silent);
    const light = this.page.light;
    const ageMs = light.age_ms === null ? null : light.age_ms + silent + this.lateMs;
    if (light.state !== "not_live" && ageMs !== null && ageMs > light.age_limit_ms) {
      return {
        ...light,
        state: "not_live",
        word: "NOT LIVE",
        linked: true,
        age_ms: ageMs,
        headline: "The daemon's snapshot has stopped",
        reasons: [
          {
            code: "snapshot_old",
            text: `Snapshot ${ageWords(ageMs)} old`,
            measured: ageWords(ageMs),
            limit: ageWords(light.age_limit_ms),
            runbook: "runbook: snapshot_old",
          },
        ],
      };
    }
    return { ...light, linked: true, age_ms: ageMs };
  }
}

function lost(silent) {
  return {
    state: "not_live",
    word: "NOT LIVE",
    linked: false,
    age_ms: null,
    headline: "This page has lost the cockpit's server",
    reasons: [
      {
        code: "page_link_lost",
        text: `Nothing heard for ${ageWords(silent)}`,
        measured: ageWords(silent),
        limit: ageWords(SILENT_MS),
        runbook: "runbook: page_link_lost",
      },
    ],
  };
}

const links = new Map();

// `data` is what Streamlit gave the element: its desk, language and time zone choose the stream.
export function subscribe(data, reader) {
  const address = query(data);
  if (!links.has(address)) links.set(address, new Link(address));
  return links.get(address).add(reader);
}

// The part of an address that says which desk is meant and for whom its texts are made.
export function query(data) {
  return new URLSearchParams({ desk: data.desk, lang: data.lang, tz: data.tz }).toString();
}

export function ageWords(ms) {
  if (ms === null || ms === undefined) return "–";
  const s = Math.max(0, ms) / 1000;
  if (s < 10) return `${s.toFixed(1)} s`;
  if (s < 120) return `${s.toFixed(0)} s`;
  if (s < 7200) return `${(s / 60).toFixed(0)} min`;
  if (s < 172800) return `${(s / 3600).toFixed(0)} h`;
  return `${(s / 86400).toFixed(0)} d`;
}

// --- drawing without markup: every text from the server becomes a text node, never HTML ---

export function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined && text !== null) node.textContent = text;
  return node;
}

export function setText(node, text) {
  const wanted = text ?? "";
  if (node.textContent !== wanted) node.textContent = wanted;
}

export function setAttribute(node, name, value) {
  if (value === null || value === false) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
  } else if (node.getAttribute(name) !== String(value)) {
    node.setAttribute(name, String(value));
  }
}

const SVG = "http://www.w3.org/2000/svg";

export function svg(shapes, size = 20) {
  const node = document.createElementNS(SVG, "svg");
  node.setAttribute("viewBox", "0 0 24 24");
  node.setAttribute("width", size);
  node.setAttribute("height", size);
  node.setAttribute("aria-hidden", "true");
  for (const [tag, attributes] of shapes) {
    const shape = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) shape.setAttribute(name, value);
    node.append(shape);
  }
  return node;
}

// A component's frame: `mount` runs once per element, `update` at every later run with new data.
// Returns what Streamlit wants back: the cleanup of the unmount.
const mounted = new WeakMap();

export function component(context, { mount, update }) {
  const root = context.parentElement;
  let state = mounted.get(root);
  if (!state) {
    state = mount(context);
    mounted.set(root, state);
  } else if (update) {
    update(state, context);
  }
  return () => {
    if (state.stop) state.stop();
    mounted.delete(root);
  };
}
