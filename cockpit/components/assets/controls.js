// The controls and their receipts. STOP and Pause are one POST each and wait for no script; the rest ask the page
// to open a dialog. What may be dead must not look alive: without a daemon everything is grey and the shell line is
// shown, though STOP still writes its file for as long as the server answers.
import { give, probe } from "./command.js";
import { copyable } from "./copy.js";
import { component, make, setAttribute, setText, subscribe, svg } from "./live.js";
import { buildReceipts, drawReceipts } from "./receipts.js";

const PLAY = [["path", { d: "M7 4.5v15l12-7.5Z", fill: "currentColor" }]];
const ICONS = {
  stop: [["path", { d: "M8 2h8l6 6v8l-6 6H8l-6-6V8Z", fill: "none", stroke: "currentColor", "stroke-width": 2 }], ["path", { d: "M8.5 8.5l7 7M15.5 8.5l-7 7", stroke: "currentColor", "stroke-width": 2.2 }]],
  pause: [["path", { d: "M8 5v14M16 5v14", stroke: "currentColor", "stroke-width": 3.4 }]],
  resume: PLAY,
  start: PLAY,
  reset: [["path", { d: "M5 12a7 7 0 1 0 2.2-5.1M5 3.5v4.2h4.2", fill: "none", stroke: "currentColor", "stroke-width": 2.2 }]],
  withdraw: [["path", { d: "M9 7 4.5 11.5 9 16M5 11.5h9a5 5 0 0 1 0 10h-3", fill: "none", stroke: "currentColor", "stroke-width": 2.2 }]],
  flatten: [["path", { d: "M12 3v11M7.5 10 12 14.5 16.5 10M4 20h16", fill: "none", stroke: "currentColor", "stroke-width": 2.2 }]],
};
const INSTANT = ["stop", "pause"];
const ASKED = ["resume", "start", "reset", "withdraw", "flatten"];
const PENDING_MS = 5000; // how long a written command may take to show in the stream before its button is free again

function button(name) {
  const node = make("button", `command ${name}`);
  node.type = "button";
  node.append(svg(ICONS[name]), make("span", "label"));
  return node;
}

function build(root, data) {
  const { names } = data;
  const bar = make("section", "controls");
  bar.setAttribute("aria-label", data.texts.region);
  bar.tabIndex = -1;
  const buttons = Object.fromEntries(names.map((name) => [name, button(name)]));
  const row = make("div", "row");
  row.append(...names.filter((name) => name !== "flatten").map((name) => buttons[name]));
  const [dead, problem, note] = ["dead", "problem", "note"].map((name) => make("p", name));
  problem.setAttribute("role", "alert");
  const receipts = buildReceipts(data.texts);
  bar.append(row, ...(data.quiet ? [] : [dead]), problem, note);
  if (data.receipts) bar.append(receipts.list, receipts.news);
  // A market order lies apart from what is pressed in a hurry, and comes last for the keyboard too.
  if (buttons.flatten) bar.append(buttons.flatten);
  bar.classList.toggle("in-dialog", Boolean(data.in_dialog));
  root.append(bar);
  const parts = { bar, buttons, note, dead, problem, receipts, told: "", trouble: "", pending: {}, data, link: null };
  for (const name of names.filter((each) => INSTANT.includes(each))) buttons[name].onclick = () => press(parts, name);
  return parts;
}

// What keeps the row from looking alive: null, or the text that says so.
function deadness(parts, linked, told) {
  const { texts } = parts.data;
  if (!linked) return probe.answers ? texts.daemon_dead : texts.page_dead;
  if (!parts.data.may_act) return texts.viewer;
  return told.dead ? texts.daemon_dead : null;
}

function draw(parts) {
  const light = parts.link.verdict();
  const page = parts.link.page;
  const told = page ? page.controls : null;
  const linked = light.linked && told !== null;
  const connecting = light.linked && told === null;
  // The server may still think the desk live while the browser already knows better.
  const stale = linked && light.state === "not_live" && page.light.state !== "not_live";
  const dead = connecting ? null : deadness(parts, linked, { dead: stale || (told && told.dead) });
  for (const [name, node] of Object.entries(parts.buttons)) drawButton(parts, name, node, { told, linked, stale });
  parts.bar.dataset.dead = String(dead !== null);
  if (!parts.data.quiet) drawDead(parts, dead);
  setText(parts.problem, parts.trouble);
  if (!parts.data.receipts) return;
  setText(parts.note, told ? told.note : "");
  drawReceipts(parts.receipts, told ? told.receipts : []);
}

function drawButton(parts, name, node, { told, linked, stale }) {
  const state = told ? told.buttons[name] : { label: parts.data.texts[name] ?? name, enabled: false, shown: INSTANT.includes(name) };
  const pending = parts.pending[name];
  if (pending && (!state.enabled || performance.now() > pending)) delete parts.pending[name];
  const sending = name in parts.pending;
  setText(node.querySelector(".label"), sending ? parts.data.texts.sending : state.label);
  node.hidden = !state.shown;
  let enabled = state.enabled && parts.data.may_act && !sending;
  // Its file is written for as long as the server answers, be the stream or the daemon silent.
  if (INSTANT.includes(name)) enabled = enabled && (linked || (told !== null && probe.ask()));
  else enabled = enabled && linked && !stale;
  setEnabled(parts, node, enabled);
  node.classList.toggle("hollow", !linked || stale || Boolean(told && told.dead));
  setAttribute(node, "title", state.enabled ? null : state.why || null);
}

// A button that is disabled under the keyboard's focus would drop it out of the row, and out of a dialog.
function setEnabled(parts, node, enabled) {
  const focused = node.getRootNode().activeElement === node;
  node.disabled = !enabled;
  if (focused && !enabled) parts.bar.focus();
}

function drawDead(parts, text) {
  if (parts.told === text) return;
  parts.told = text;
  if (text === null) return parts.dead.replaceChildren();
  const { texts, shell } = parts.data;
  parts.dead.classList.toggle("calm", text === texts.viewer);
  if (text === texts.viewer) return parts.dead.replaceChildren(make("span", "", text));
  parts.dead.replaceChildren(
    make("span", "", text),
    copyable(shell.stop, texts),
    make("span", "", texts.or),
    copyable(shell.touch_stop, texts),
  );
}

async function press(parts, name) {
  if (name in parts.pending) return;
  parts.pending[name] = Infinity;
  parts.trouble = "";
  draw(parts);
  const { written, trouble } = await give(name, parts.data);
  parts.trouble = written ? trouble ?? "" : `${trouble} ${parts.data.texts.in_a_shell} ${parts.data.shell[name]}`;
  if (written) parts.pending[name] = performance.now() + PENDING_MS;
  else delete parts.pending[name];
  draw(parts);
}

function start(root, data) {
  const parts = build(root, data);
  parts.stop = subscribe(data, {
    onTick: (link) => {
      parts.link = link;
      draw(parts);
    },
  });
  return parts;
}

// STOP alone, for the frame above every page: it needs nothing of Streamlit. Gives back what takes it away again.
export function mountStop(root, data) {
  const parts = start(root, { ...data, names: ["stop"] });
  return () => {
    parts.stop();
    parts.bar.remove();
  };
}

export function run(context) {
  return component(context, {
    mount({ parentElement, data, setTriggerValue }) {
      const parts = start(parentElement.querySelector(".bf"), data);
      parts.ask = setTriggerValue;
      for (const name of ASKED) {
        if (parts.buttons[name]) parts.buttons[name].onclick = () => parts.ask("ask", name);
      }
      return parts;
    },
    update(parts, { data, setTriggerValue }) {
      parts.data = data;
      parts.ask = setTriggerValue;
    },
  });
}
