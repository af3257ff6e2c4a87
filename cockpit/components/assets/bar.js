// The light as a bar: lamps, word, what stands, the reasons with their numbers, and how old all of it is.
import { ageWords, make, say, setAttribute, setText, subscribe } from "./live.js";
import { buildLamps, light as lightUp, showInTab } from "./lamps.js";

const SHOWN = { wide: 3, phone: 1 };
const phone = matchMedia("(max-width: 700px)");

export function buildBar(root, words) {
  const bar = make("section", "light");
  bar.setAttribute("aria-label", words.light_label);
  const lamps = buildLamps(26);
  const word = make("strong", "word");
  word.setAttribute("role", "status");
  const [headline, standing, reasons] = [make("span", "headline"), make("ul", "standing"), make("ul", "reasons")];
  const more = make("button", "more");
  more.type = "button";
  const top = make("div", "top");
  top.append(word, headline);
  const said = make("div", "said");
  said.append(top, standing, reasons, more);
  const mode = make("span", "mode");
  const facts = make("div", "facts");
  const fact = Object.fromEntries(["checked", "session", "posture", "feeds", "market"].map((name) => [name, make("span", `num ${name}`)]));
  facts.append(...Object.values(fact));
  const side = make("div", "side");
  const [whose, desk] = [make("div", "whose"), make("span", "desk-name")];
  whose.append(desk, mode);
  side.append(whose, facts);
  const stop = make("div", "stop-place");
  bar.append(lamps, said, side, stop);
  root.append(bar);
  const parts = { bar, lamps, word, headline, standing, reasons, more, desk, mode, fact, stop, all: false, drawn: {}, last: null };
  more.onclick = () => {
    parts.all = !parts.all;
    if (parts.last) draw(parts, parts.last.link, parts.last.data);
  };
  return parts;
}

function drawReasons(parts, reasons, words) {
  const count = parts.all ? reasons.length : Math.min(reasons.length, phone.matches ? SHOWN.phone : SHOWN.wide);
  const shown = reasons.slice(0, count);
  const key = JSON.stringify([parts.all, shown.map((reason) => [reason.code, reason.text, reason.remedy, reason.href])]);
  if (key !== parts.drawn.reasons) {
    parts.drawn.reasons = key;
    // What to do stands behind the worst one; behind each when all are asked for.
    parts.reasons.replaceChildren(...shown.map((reason, place) => reasonLine(reason, words, parts.all || place === 0)));
  }
  shown.forEach((reason, index) => setText(parts.reasons.children[index].querySelector(".measure"), reason.measured));
  const hidden = reasons.length - count;
  parts.more.hidden = hidden === 0 && !parts.all;
  setText(parts.more, hidden > 0 ? say(words, "more", { count: hidden }) : words.fewer);
  setAttribute(parts.more, "aria-expanded", String(parts.all));
  if (reasons.length <= 1) parts.all = false;
}

function reasonLine(reason, words, withRemedy) {
  const item = make("li");
  item.dataset.code = reason.code;
  item.dataset.severity = reason.severity;
  const text = make(reason.href ? "a" : "span", "text", reason.text);
  if (reason.href) {
    text.href = reason.href;
    text.title = words.runbook;
    if (reason.code !== "login") text.target = "_blank";
    text.rel = "noopener";
  }
  item.append(text, make("span", "measure num"));
  if (withRemedy && reason.remedy) item.append(make("span", "remedy", `→ ${reason.remedy}`));
  return item;
}

// A word that the light says in large already is not said again.
function drawStanding(parts, standing, large) {
  const key = JSON.stringify([standing, large]);
  if (key === parts.drawn.standing) return;
  parts.drawn.standing = key;
  parts.standing.replaceChildren(
    ...standing.map((each) => {
      const item = make("li");
      item.dataset.code = each.code;
      if (each.word !== large) item.append(make("strong", "", each.word));
      item.append(make("span", "", each.text));
      return item;
    }),
  );
}

// The oldest quote's age grows here; quotes beyond their limit are named, and one that must be there and is not.
function feedWords(feeds, olderMs, words) {
  const gone = feeds.filter((each) => each.age_ms === null && each.limit_ms !== null);
  if (gone.length > 0) return gone.map((each) => say(words, "no_quote", { symbol: each.symbol })).join(" · ");
  const aged = feeds.filter((each) => each.age_ms !== null).map((each) => ({ ...each, age: each.age_ms + olderMs }));
  if (aged.length === 0) return "";
  const late = aged.filter((each) => each.limit_ms !== null && each.age > each.limit_ms);
  if (late.length === 0) return say(words, "oldest_quote", { age: ageWords(Math.max(...aged.map((each) => each.age))) });
  return late.map((each) => say(words, "late_quote", { symbol: each.symbol, age: ageWords(each.age), limit: ageWords(each.limit_ms) })).join(" · ");
}

// Without a server Streamlit lays a dialog over the page and makes all below it inert. What to type in a shell must
// stay readable, and copyable, above that.
function raise(host, lost) {
  setAttribute(host, "data-lost", lost);
  if (!lost) return;
  host.removeAttribute("inert");
  host.removeAttribute("aria-hidden");
}

export function draw(parts, link, data) {
  const { words } = data;
  parts.last = { link, data };
  const told = link.verdict();
  const page = link.page;
  if (parts.drawn.state !== told.state) {
    parts.drawn.state = told.state;
    parts.bar.dataset.state = told.state;
    lightUp(parts.lamps, told.state);
  }
  if (data.host) raise(data.host, !told.linked);
  setText(parts.word, told.word);
  setText(parts.headline, told.headline);
  drawStanding(parts, told.standing ?? [], told.word);
  drawReasons(parts, told.reasons, words);
  const known = page !== null && told.linked && !told.connecting;
  const dated = known && told.age_ms !== null && told.age_ms !== undefined;
  setText(parts.fact.checked, dated ? say(words, "checked", { age: ageWords(told.age_ms) }) : "");
  const live = known && told.state !== "not_live";
  setText(parts.fact.session, live ? page.session : "");
  setText(parts.fact.posture, live && told.posture ? say(words, "posture", { posture: told.posture }) : "");
  setText(parts.fact.feeds, live ? feedWords(told.feeds ?? [], link.olderMs(), words) : "");
  setText(parts.fact.market, live ? page.market_time : "");
  setText(parts.desk, data.desk);
  setText(parts.mode, page ? `${page.mode.word}${page.mode.account ? ` ${page.mode.account}` : ""}` : "");
  setAttribute(parts.mode, "data-kind", page ? page.mode.kind : null);
  setAttribute(parts.bar, "data-kind", page ? page.mode.kind : null);
  parts.mode.hidden = !page;
  if (page && data.onLight) data.onLight();
  if (!data.tab || data.tab()) showInTab(told.state, tabTitle(told, page, data));
}

// `PAUSED (2) · LIVE · demo · Bifrost`, behind its mark.
export function tabTitle(told, page, data) {
  const count = told.reasons.length > 0 && told.state !== "green" ? ` (${told.reasons.length})` : "";
  const standing = (told.standing ?? []).map((each) => each.word).filter((word) => word !== told.word);
  const money = page && page.mode.kind === "live" ? [page.mode.word] : [];
  return [`${told.word}${count}`, ...standing, ...money, page ? page.desk : data.desk, "Bifrost"].join(" · ");
}

// Draw a desk's light into `parts` from now on. Gives back what ends it.
export function follow(parts, data) {
  return subscribe(data, { onTick: (link) => draw(parts, link, data) });
}
