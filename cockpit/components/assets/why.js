// Why a moment was decided as it was: the journal's own answer, and the replayed tape's when it is asked for.
import { component, make, query, setText } from "./live.js";
import { drawTable, makeTable } from "./tables.js";

function build(root) {
  const story = make("section", "story");
  const head = make("div", "story-head");
  const title = make("h3", "story-title");
  const close = make("button", "close");
  close.type = "button";
  head.append(title, close);
  const own = make("div", "own");
  const ask = make("button", "ask");
  ask.type = "button";
  const state = make("p", "state muted");
  state.setAttribute("role", "status");
  const answer = make("div", "answer");
  const twin = make("p", "twin muted");
  story.append(head, own, ask, state, answer, twin);
  root.append(story);
  return { title, close, own, ask, state, answer, twin, asked: null, at: null };
}

function draw(parts, data, trigger) {
  setText(parts.title, data.verdict.title);
  setText(parts.close, data.texts.close);
  parts.close.onclick = () => trigger("close", true);
  parts.own.replaceChildren();
  for (const answer of data.verdict.answers) {
    parts.own.append(make("p", "sentence", answer.sentence));
    if (answer.rules) drawTable(makeTable(parts.own), answer.rules);
  }
  parts.twin.replaceChildren(make("span", "", data.texts.same), make("code", "", data.shell));
  if (parts.at !== data.at) {
    parts.at = data.at;
    if (parts.asked) parts.asked.abort();
    parts.answer.replaceChildren();
    setText(parts.state, "");
    parts.ask.disabled = false;
  }
  setText(parts.ask, data.texts.trace);
  parts.ask.onclick = () => trace(parts, data);
}

async function trace(parts, data) {
  parts.ask.disabled = true;
  const asking = new AbortController();
  parts.asked = asking;
  parts.answer.replaceChildren();
  setText(parts.state, data.texts.replaying);
  try {
    const answer = await fetch(`/api/why?${query(data)}&at=${encodeURIComponent(data.at)}`, {
      cache: "no-store",
      signal: asking.signal,
    });
    const told = await answer.json();
    if (told.ok) {
      setText(parts.state, told.trace.source);
      drawTrace(parts, told.trace);
    } else setText(parts.state, told.error);
  } catch {
    if (asking.signal.aborted) return;
    setText(parts.state, data.texts.no_answer);
  }
  parts.ask.disabled = false;
}

function drawTrace(parts, told) {
  // The rules are among those of the replay; the journal's sentences stay.
  for (const frame of parts.own.querySelectorAll(".frame")) frame.hidden = told.tables.length > 0;
  parts.answer.append(make("p", "sentence", told.sentence));
  for (const note of told.notes) parts.answer.append(make("p", "note", `▲ ${note}`));
  const facts = make("p", "facts muted");
  facts.textContent = told.facts.join(" · ");
  parts.answer.append(facts);
  const grid = make("div", "beside");
  parts.answer.append(grid);
  for (const table of told.tables) {
    const box = make("div", "own");
    grid.append(box);
    drawTable(makeTable(box), table);
  }
}

export function run(context) {
  return component(context, {
    mount({ parentElement, data, setTriggerValue }) {
      const parts = build(parentElement.querySelector(".bf"));
      draw(parts, data, setTriggerValue);
      parts.stop = () => parts.asked && parts.asked.abort();
      return parts;
    },
    update(parts, { data, setTriggerValue }) {
      draw(parts, data, setTriggerValue);
    },
  });
}
