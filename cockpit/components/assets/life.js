// The life of one intent: figures, the steps with the time between them, the rules at the decision.
import { component, make, setAttribute, setText } from "./live.js";
import { drawTable, makeTable } from "./tables.js";

function build(root) {
  const story = make("section", "story");
  const head = make("div", "story-head");
  const title = make("h3", "story-title");
  const close = make("button", "close");
  close.type = "button";
  head.append(title, close);
  const empty = make("p", "empty");
  const figures = make("dl", "figures");
  const steps = make("ol", "steps");
  story.append(head, empty, figures, steps);
  const rules = make("div", "rules");
  const grid = make("div", "beside");
  grid.append(story, rules);
  root.append(grid);
  return { story, title, close, empty, figures, steps, rules: makeTable(rules), rulesBox: rules };
}

function draw(parts, data, ask) {
  const { life } = data;
  setText(parts.title, life.title);
  setText(parts.close, data.texts.close);
  parts.close.onclick = () => ask("close", true);
  setText(parts.empty, life.steps.length === 0 ? life.empty : "");
  parts.figures.replaceChildren(
    ...life.figures.map((figure) => {
      const pair = make("div", "figure");
      pair.append(make("dt", "", figure.label), make("dd", "num", figure.value));
      return pair;
    }),
  );
  parts.steps.replaceChildren(...life.steps.map((step) => drawStep(step, data, ask)));
  parts.rulesBox.hidden = !life.rules;
  if (life.rules) drawTable(parts.rules, life.rules);
}

function drawStep(step, data, ask) {
  const item = make("li", "step");
  setAttribute(item, "data-tone", step.tone ?? null);
  if (step.after) item.append(make("span", "after num", step.after));
  const line = make("div", "step-line");
  line.append(make("span", "what", step.title), make("span", "when num", step.time));
  item.append(line);
  if (step.detail) item.append(make("div", "detail", step.detail));
  if (step.is_decision) {
    const why = make("button", "link", data.texts.why);
    why.type = "button";
    why.onclick = () => ask("why", { ts: step.ts, key: String(step.seq) });
    item.append(why);
  }
  return item;
}

export function run(context) {
  return component(context, {
    mount({ parentElement, data, setTriggerValue }) {
      const parts = build(parentElement.querySelector(".bf"));
      draw(parts, data, setTriggerValue);
      return parts;
    },
    update(parts, { data, setTriggerValue }) {
      draw(parts, data, setTriggerValue);
    },
  });
}
