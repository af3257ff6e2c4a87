// Every desk with a light of its own, worst first, from one stream. Its ages tick here, each desk dies by its own limit.
import { ageWords, component, judge, make, say, setAttribute, setText, subscribeFleet } from "./live.js";
import { lamp, showInTab } from "./lamps.js";
import { takeTab } from "./light.js";

const FIGURES = ["equity", "today", "drawdown", "net_delta", "own_shares"];
const RANK = { red: 0, not_live: 1, yellow: 2, green: 3 };

function card(words) {
  const node = make("li", "desk");
  const link = make("a", "name");
  const [shape, word, mode, detail] = [make("span", "shape"), make("strong", "word"), make("span", "mode"), make("span", "detail")];
  const [standing, facts, figures] = [make("span", "standing"), make("span", "facts num"), make("dl", "figures")];
  const values = Object.fromEntries(
    FIGURES.map((name) => {
      const [label, value] = [make("dt", "", words[`fleet.${name}`]), make("dd", "num")];
      const pair = make("div", "pair");
      pair.append(label, value);
      figures.append(pair);
      return [name, value];
    }),
  );
  const head = make("div", "head");
  head.append(shape, link, word, mode, standing);
  node.append(head, detail, figures, facts);
  return { node, link, shape, word, mode, detail, standing, facts, values, state: null };
}

// What a desk's line says now: the browser knows its age.
function verdictOf(desk, ageThen, link) {
  const words = link.words;
  const told = link.verdictOfLink();
  if (told) return { ...told, detail: told.headline, more: 0 };
  const now = judge({ ...desk, reasons: [], headline: desk.detail }, ageThen, link.olderMs(), words, link.query);
  return { ...now, detail: now.headline, more: now.state === desk.state ? desk.more : 0 };
}

function draw(parts, link, data) {
  const { words } = data;
  const page = link.page;
  setText(parts.note, page ? "" : words.connecting);
  if (!page) return;
  while (parts.cards.length < page.desks.length) {
    const added = card(words);
    parts.cards.push(added);
    parts.list.append(added.node);
  }
  while (parts.cards.length > page.desks.length) parts.cards.pop().node.remove();
  const verdicts = page.desks.map((desk, index) => verdictOf(desk, page.ages_ms[index], link));
  page.desks.forEach((desk, index) => drawCard(parts.cards[index], desk, verdicts[index], words, data));
  setText(parts.note, page.desks.length === 0 ? words["fleet.none"] : page.left_out > 0 ? say(words, "fleet.left_out", { count: page.left_out }) : "");
  showWorst(page.desks, verdicts, words);
}

function drawCard(parts, desk, told, words, data) {
  if (parts.state !== told.state) {
    parts.state = told.state;
    parts.node.dataset.state = told.state;
    parts.shape.replaceChildren(lamp(told.state, 26));
  }
  setAttribute(parts.node, "data-desk", desk.desk);
  setText(parts.link, desk.desk);
  setAttribute(parts.link, "href", `/?${new URLSearchParams({ ...data.carried, desk: desk.desk })}`);
  setText(parts.word, told.word);
  setText(parts.mode, `${desk.mode.word}${desk.mode.account ? ` ${desk.mode.account}` : ""}`);
  setAttribute(parts.mode, "data-kind", desk.mode.kind);
  setText(parts.standing, (told.standing ?? []).map((each) => each.word).filter((word) => word !== told.word).join(" · "));
  setText(parts.detail, told.detail + (told.more > 0 ? ` ${say(words, "fleet.more", { count: told.more })}` : ""));
  for (const name of FIGURES) setText(parts.values[name], desk[name]);
  const dated = told.age_ms !== null && told.age_ms !== undefined;
  setText(parts.facts, [desk.session, dated ? say(words, "checked", { age: ageWords(told.age_ms) }) : ""].filter(Boolean).join(" · "));
}

// The tab counts the desks that are as bad as the worst one; a desk that stands on purpose is not counted.
function showWorst(desks, verdicts, words) {
  const awake = verdicts.filter((_told, index) => !desks[index].deliberate);
  const counted = awake.length > 0 ? awake : verdicts;
  if (counted.length === 0) return;
  const worst = counted.map((told) => told.state).sort((a, b) => RANK[a] - RANK[b])[0];
  const count = counted.filter((told) => told.state === worst).length;
  showInTab(worst, `${say(words, `fleet.${worst}`, { count, all: counted.length })} · ${words["fleet.title"]} · Bifrost`);
}

export function run(context) {
  return component(context, {
    mount({ parentElement, data }) {
      const list = make("ol", "desks");
      const note = make("p", "note");
      parentElement.querySelector(".bf").append(list, note);
      const parts = { list, note, cards: [] };
      const giveTab = takeTab();
      const leave = subscribeFleet(data, { onTick: (link) => draw(parts, link, data) });
      parts.stop = () => {
        leave();
        giveTab();
      };
      return parts;
    },
  });
}
