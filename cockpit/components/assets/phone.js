// The light page: light, four figures, STOP and Pause, without Streamlit. It works when every other page is jammed.
import { give, probe } from "./command.js";
import { buildLamps, light as lightUp, showInTab } from "./lamps.js";
import { ageWords, make, plain, say, setAttribute, setText, subscribe } from "./live.js";

const told = document.documentElement.dataset;
const { browser, texts, labels, shell } = JSON.parse(document.getElementById("told").textContent);
const zone = told.tz === "local" ? Intl.DateTimeFormat().resolvedOptions().timeZone : told.tz;
const data = { desk: told.desk, lang: told.lang, tz: zone, words: browser, token: told.token, texts };
const find = (name) => document.getElementById(name);
const [bar, word, headline, standing, reasons, facts, mode] =
  ["light", "word", "headline", "standing", "reasons", "facts", "mode"].map(find);
const lamps = buildLamps(34);
bar.prepend(lamps);
const sending = { stop: 0, pause: 0 };
const PENDING_MS = 5000;
let link = null;

function lines(node, items, line) {
  const key = JSON.stringify(items);
  if (node.dataset.drawn === key) return;
  node.dataset.drawn = key;
  node.replaceChildren(...items.map(line));
}

function reasonLine(reason) {
  const item = make("li");
  const text = make(reason.href ? "a" : "span", "", reason.text);
  if (reason.href) text.href = reason.href;
  item.append(text);
  if (reason.measured) item.append(" ", make("b", "", reason.measured));
  if (reason.remedy) item.append(make("div", "", `→ ${reason.remedy}`));
  return item;
}

function draw(now) {
  link = now;
  const light = now.verdict();
  const { page } = now;
  bar.dataset.state = light.state;
  lightUp(lamps, light.state);
  setText(word, light.word);
  setText(headline, light.headline);
  lines(standing, light.standing ?? [], (each) => {
    const item = make("li");
    item.append(make("b", "", each.word), plain(` ${each.text}`));
    return item;
  });
  lines(reasons, light.reasons, reasonLine);
  const live = light.linked && light.state !== "not_live";
  const dated = light.age_ms !== null && light.age_ms !== undefined;
  setText(facts, [dated ? say(browser, "checked", { age: ageWords(light.age_ms) }) : "", live && page ? page.session : ""].filter(Boolean).join(" · "));
  setText(mode, page ? `${page.mode.word} ${page.mode.account}` : "");
  setAttribute(mode, "data-kind", page ? page.mode.kind : null);
  setAttribute(find("figures"), "data-stale", !live);
  if (page) drawFigures(page);
  for (const name of ["stop", "pause"]) drawButton(name, light, page);
  showInTab(light.state, [light.word, page && page.mode.kind === "live" ? page.mode.word : "", told.desk, "Bifrost"].filter(Boolean).join(" · "));
}

function drawFigures(page) {
  for (const tile of page.tiles) {
    const place = find(tile.name);
    if (place) setText(place, `${tile.value} ${tile.unit}`.trim());
  }
  setText(find("held"), page.held);
  const receipt = page.controls.receipts[0];
  setText(find("receipt"), receipt ? `${receipt.command}: ${receipt.steps.map((step) => `${step.word} ${step.time}`.trim()).join(" → ")}` : "");
  setAttribute(find("receipt"), "data-state", receipt ? receipt.state : null);
}

function drawButton(name, light, page) {
  const node = find(name);
  if (!node) return;
  const state = page ? page.controls.buttons[name] : null;
  if (state && !state.enabled) sending[name] = 0;
  const pending = performance.now() < sending[name];
  setText(node, pending ? texts.sending : state ? state.label : labels[name]);
  // Its file is written for as long as the server answers, be the stream or the daemon silent.
  node.disabled = pending || (state !== null && !state.enabled) || !(light.linked || probe.ask());
}

async function press(name) {
  sending[name] = Infinity;
  setText(find("problem"), "");
  draw(link);
  const trouble = await give(name, data);
  sending[name] = trouble === null ? performance.now() + PENDING_MS : 0;
  setText(find("problem"), trouble === null ? "" : `${trouble} ${texts.in_a_shell} ${shell[name]}`);
  draw(link);
}

for (const name of ["stop", "pause"]) if (find(name)) find(name).onclick = () => press(name);
subscribe(data, { onTick: draw });
