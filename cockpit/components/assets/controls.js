// The controls and their receipts. STOP and Pause are one POST each and wait for no script; the rest ask the page
// to open a dialog. A control that may be dead must not look alive: then all are greyed and the shell line is shown.
import { component, make, setAttribute, setText, subscribe, svg } from "./live.js";

const ICONS = {
  stop: [["path", { d: "M8 2h8l6 6v8l-6 6H8l-6-6V8Z", fill: "none", stroke: "currentColor", "stroke-width": 2 }], ["path", { d: "M8.5 8.5l7 7M15.5 8.5l-7 7", stroke: "currentColor", "stroke-width": 2.2 }]],
  pause: [["path", { d: "M8 5v14M16 5v14", stroke: "currentColor", "stroke-width": 3.4 }]],
  resume: [["path", { d: "M7 4.5v15l12-7.5Z", fill: "currentColor" }]],
  start: [["path", { d: "M7 4.5v15l12-7.5Z", fill: "currentColor" }]],
  flatten: [["path", { d: "M12 3v11M7.5 10 12 14.5 16.5 10M4 20h16", fill: "none", stroke: "currentColor", "stroke-width": 2.2 }]],
};

function button(name) {
  const node = make("button", `command ${name}`);
  node.type = "button";
  const label = make("span", "label");
  node.append(svg(ICONS[name]), label);
  return node;
}

function build(root, onlyStop) {
  const bar = make("section", "controls");
  bar.setAttribute("aria-label", "Commands");
  const buttons = Object.fromEntries(["stop", "pause", "resume", "start", "flatten"].map((name) => [name, button(name)]));
  const row = make("div", "row");
  row.append(buttons.stop, buttons.pause, buttons.resume, buttons.start, make("span", "gap"), buttons.flatten);
  const note = make("p", "note");
  const dead = make("p", "dead");
  const problem = make("p", "problem");
  problem.setAttribute("role", "alert");
  const receipts = make("ol", "receipts");
  receipts.setAttribute("aria-label", "Receipts of the last commands");
  bar.append(row, dead, problem, note, receipts);
  bar.classList.toggle("only-stop", onlyStop);
  root.append(bar);
  return { bar, buttons, note, dead, problem, receipts, receiptsDrawn: null, trouble: "", data: null };
}

function drawReceipts(parts, receipts) {
  const key = JSON.stringify(receipts);
  if (key === parts.receiptsDrawn) return;
  parts.receiptsDrawn = key;
  parts.receipts.replaceChildren(
    ...receipts.map((receipt) => {
      const item = make("li", "receipt");
      item.dataset.state = receipt.state;
      item.append(make("strong", "", receipt.command));
      if (receipt.by) item.append(make("span", "muted", receipt.by));
      const chain = make("span", "chain num");
      receipt.steps.forEach((step, index) => {
        if (index > 0) chain.append(make("span", "arrow", "→"));
        const part = make("span", `step ${step.state}`, step.word);
        if (step.time) part.append(make("span", "time", step.time));
        chain.append(part);
      });
      item.append(chain);
      if (receipt.note) item.append(make("span", "remark", receipt.note));
      if (receipt.shell) item.append(make("code", "", receipt.shell));
      return item;
    }),
  );
}

function draw(parts, link) {
  const light = link.verdict();
  const page = link.page;
  const told = page ? page.controls : null;
  // The server may still think the desk live while the browser already knows better.
  const dead = !light.linked || !told || (light.state === "not_live" && page.light.state !== "not_live") || told.dead;
  for (const [name, node] of Object.entries(parts.buttons)) {
    const state = told ? told.buttons[name] : { label: name, enabled: false, shown: name !== "start" };
    setText(node.querySelector(".label"), state.label);
    node.hidden = !state.shown;
    node.disabled = dead || !state.enabled;
    setAttribute(node, "title", state.enabled ? null : state.why ?? null);
  }
  const connecting = light.word === "CONNECTING";
  parts.bar.dataset.dead = String(dead && !connecting);
  if (parts.bar.dataset.dead === "true" && parts.dead.childNodes.length === 0) {
    parts.dead.append(
      "No answer can be expected here. In a shell: ",
      make("code", "", parts.data.shell.stop),
      " or ",
      make("code", "", parts.data.shell.touch_stop),
    );
  } else if (parts.bar.dataset.dead === "false") parts.dead.replaceChildren();
  setText(parts.problem, parts.trouble);
  if (parts.data.only_stop) return;
  setText(parts.note, told ? told.note : "");
  drawReceipts(parts, told ? told.receipts : []);
}

async function command(parts, name, link) {
  parts.trouble = "";
  const node = parts.buttons[name];
  node.classList.add("pressed");
  try {
    const answer = await fetch(`/api/control/${name}?desk=${encodeURIComponent(parts.data.desk)}`, { method: "POST" });
    if (!answer.ok) {
      const told = await answer.json().catch(() => ({ error: `answer ${answer.status}` }));
      parts.trouble = `${name} was NOT written: ${told.error}. In a shell: ${parts.data.shell[name]}`;
    }
  } catch {
    parts.trouble = `${name} was NOT written: no answer from the server. In a shell: ${parts.data.shell[name]}`;
  }
  node.classList.remove("pressed");
  draw(parts, link);
}

export function run(context) {
  return component(context, {
    mount({ parentElement, data, setTriggerValue }) {
      const parts = build(parentElement.querySelector(".bf"), Boolean(data.only_stop));
      parts.data = data;
      parts.ask = setTriggerValue;
      let link = null;
      parts.stop = subscribe(data, {
        onTick: (live) => {
          link = live;
          draw(parts, live);
        },
      });
      for (const name of ["stop", "pause"]) parts.buttons[name].onclick = () => command(parts, name, link);
      for (const name of ["resume", "start", "flatten"]) parts.buttons[name].onclick = () => parts.ask("ask", name);
      return parts;
    },
    update(parts, { data, setTriggerValue }) {
      parts.data = data;
      parts.ask = setTriggerValue;
    },
  });
}
