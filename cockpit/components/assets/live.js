// The page's one link to the server: a single event stream per desk and reader, shared by everything that ticks.
//
// Nothing may show a value as live on its own judgement; it asks `verdict()`. Ages are measured from the moment a
// message arrived, so the browser's clock may be wrong; both clocks of the browser are asked and the larger age
// counts, because the monotonic one stands still while a laptop sleeps. A message that was long on its way is older
// by that: the fastest message of the last minutes tells how far the two clocks are apart. Of the last minutes only,
// for clocks drift and are set, and a page may stay open for weeks.
import { say } from "./dom.js";

export { component, make, plain, say, setAttribute, setText, svg } from "./dom.js";

const SILENT_MS = 3000;
const TICK_MS = 250;
const RETRY_MS = [400, 8000]; // the first and the longest wait before a new attempt
const STUCK_MS = 6000; // an open stream that says nothing for this long is given up and opened anew
const UNMOUNT_MS = 2000;
const APART_MS = 600_000; // how long the fastest message counts at least; twice as long at most

export class Link {
  constructor(address) {
    this.address = address;
    this.page = null;
    this.readers = new Set();
    this.source = null;
    this.timer = null;
    this.retry = null;
    this.retryMs = RETRY_MS[0];
    this.ended = null; // "login" when the server speaks to this page only after a new login
    this.refused = null; // what else it said instead of a stream
    this.apart = { since: -Infinity, now: Infinity, before: Infinity };
    this.lateMs = 0;
    this.mark();
  }

  mark() {
    this.heardPerf = performance.now();
    this.heardWall = Date.now();
  }

  // How long ago anything was heard.
  silentMs() {
    return Math.max(performance.now() - this.heardPerf, Date.now() - this.heardWall, 0);
  }

  // How much older than it said everything on the page is by now.
  olderMs() {
    return this.silentMs() + this.lateMs;
  }

  add(reader) {
    this.readers.add(reader);
    if (!this.timer) this.timer = setInterval(() => this.tick(), TICK_MS);
    if (!this.source && !this.retry) {
      if (!this.page) this.mark(); // an attempt is no sign of life for a page that once was heard
      this.open();
    }
    if (this.page && reader.onPage) reader.onPage(this.page);
    if (reader.onTick) reader.onTick(this);
    return () => this.remove(reader);
  }

  remove(reader) {
    this.readers.delete(reader);
    // Streamlit unmounts and mounts again within one run; only a link nobody came back for is closed.
    setTimeout(() => {
      if (this.readers.size > 0) return;
      this.close();
      clearInterval(this.timer);
      clearTimeout(this.retry);
      this.timer = this.retry = null;
      if (links.get(this.address) === this) links.delete(this.address);
    }, UNMOUNT_MS);
  }

  open() {
    const source = new EventSource(this.address);
    this.source = source;
    this.openedPerf = performance.now();
    source.addEventListener("page", (event) => this.hear(JSON.parse(event.data)));
    source.addEventListener("ended", (event) => {
      if (JSON.parse(event.data).reason !== "closing") this.ended = "login";
      this.again();
    });
    source.onerror = () => {
      if (this.source === source) this.again();
    };
  }

  close() {
    if (this.source) this.source.close();
    this.source = null;
  }

  // The server sends what changed; what it does not name is as it was, down to the same object.
  hear(parts) {
    this.page = { ...this.page, ...parts };
    this.ended = this.refused = null;
    this.retryMs = RETRY_MS[0];
    this.mark();
    this.lateMs = this.latenessOf(this.heardWall - this.page.made_ms);
    for (const reader of this.readers) {
      if (reader.onPage) reader.onPage(this.page);
      if (reader.onTick) reader.onTick(this);
    }
  }

  latenessOf(apart) {
    const kept = this.apart;
    if (this.heardPerf - kept.since > APART_MS) Object.assign(kept, { since: this.heardPerf, before: kept.now, now: apart });
    kept.now = Math.min(kept.now, apart);
    return apart - Math.min(kept.now, kept.before);
  }

  // Try again later, and a little later still the next time; many pages must not knock in step.
  again() {
    this.close();
    if (this.retry || this.readers.size === 0) return;
    this.askWhy();
    this.retry = setTimeout(() => {
      this.retry = null;
      if (this.readers.size > 0) this.open();
    }, this.retryMs * (0.5 + Math.random() / 2));
    this.retryMs = Math.min(this.retryMs * 2, RETRY_MS[1]);
  }

  // An event stream does not tell its status; the same address asked once does: no login, no such desk, too many pages.
  async askWhy() {
    const asking = new AbortController();
    try {
      const answer = await fetch(this.address, { cache: "no-store", signal: asking.signal });
      // A restarted cockpit knows no session; one that asks nobody to log in begins a new one here.
      const again = answer.status === 401 ? await fetch("/api/session", { cache: "no-store" }) : answer;
      this.ended = again.status === 401 ? "login" : null;
      this.refused = again.ok || this.ended ? null : ((await again.json()).error ?? `answer ${again.status}`);
    } catch {
      this.refused = null; // no server: the silence says it
    }
    asking.abort();
    this.tick();
  }

  tick() {
    if (this.source && this.silentMs() > STUCK_MS && performance.now() - this.openedPerf > STUCK_MS) this.again();
    for (const reader of this.readers) if (reader.onTick) reader.onTick(this);
  }

  // What the light says, with the two ages that only the browser knows.
  verdict() {
    return this.verdictOfLink() ?? judge(this.page.light, this.page.age_ms, this.olderMs(), this.words, this.query);
  }

  // The same where the link itself has the word; null where it is well.
  verdictOfLink() {
    const { words } = this;
    const silent = this.silentMs();
    if (this.ended) return loggedOut(words);
    if (this.refused) return { ...nothing(words), linked: true, headline: this.refused };
    if (!this.page && silent <= SILENT_MS) {
      return { ...nothing(words), word: words.connecting, linked: true, connecting: true };
    }
    return !this.page || silent > SILENT_MS ? lost(words, silent, this.query) : null;
  }
}

// A light that the server judged `olderMs` ago: red or green then, it is not live once its snapshot is too old.
export function judge(light, ageThen, olderMs, words, address) {
  const ageMs = ageThen === null ? null : ageThen + olderMs;
  if (light.state === "not_live" || ageMs === null || ageMs <= light.age_limit_ms) {
    return { ...light, linked: true, age_ms: ageMs };
  }
  const measured = say(words, "measured", { value: ageWords(ageMs), limit: ageWords(light.age_limit_ms) });
  return {
    ...nothing(words),
    linked: true,
    age_ms: ageMs,
    standing: (light.standing ?? []).filter((each) => ["pause", "stop", "flatten"].includes(each.code)),
    headline: words.daemon_silent,
    reasons: [reason("snapshot_old", say(words, "snapshot_old", { age: ageWords(ageMs) }), measured, words, address)],
  };
}

function nothing(words) {
  return {
    state: "not_live", word: words.not_live, linked: false, age_ms: null,
    headline: "", reasons: [], standing: [], posture: "", feeds: [],
  };
}

function lost(words, silent, address) {
  const measured = say(words, "measured", { value: ageWords(silent), limit: ageWords(SILENT_MS) });
  const text = say(words, "nothing_heard", { age: ageWords(silent) });
  return { ...nothing(words), headline: words.server_lost, reasons: [reason("page_link_lost", text, measured, words, address)] };
}

function loggedOut(words) {
  const here = encodeURIComponent(location.pathname + location.search);
  const login = { code: "login", severity: "not_live", text: words.log_in, measured: "", remedy: "", href: `/login?next=${here}` };
  return { ...nothing(words), login: true, headline: words.session_over, reasons: [login] };
}

function reason(code, text, measured, words, address) {
  return { code, severity: "not_live", text, measured, remedy: words[`remedy.${code}`] ?? "", href: `/runbook?${address}#${code}` };
}

const links = new Map();

// A hidden tab's timers nearly stand still; who looks at it again sees the truth at once.
document.addEventListener("visibilitychange", () => links.forEach((link) => link.tick()));

function linkOf(path, data) {
  const address = `${path}?${query(data)}`;
  if (!links.has(address)) links.set(address, new Link(address));
  const link = links.get(address);
  link.words = data.words;
  link.query = query(data);
  return link;
}

// `data` is what Streamlit gave the element: its desk, language and time zone choose the stream.
export function subscribe(data, reader) {
  return linkOf("/api/events", data).add(reader);
}

// The stream of all desks.
export function subscribeFleet(data, reader) {
  return linkOf("/api/fleet/events", data).add(reader);
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
