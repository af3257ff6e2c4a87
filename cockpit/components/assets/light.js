// The frame above every page: one light for the document, made before Streamlit runs and kept while it does.
//
// `early.js` makes it from the index page; the element inside Streamlit's page then says which desk, language and
// theme hold now, for those change without a new document.
import { buildBar, follow } from "./bar.js";
import { component } from "./live.js";

const HOST = "bifrost-frame";
const THEME = ["--st-text-color", "--st-background-color", "--st-secondary-background-color", "--st-border-color", "--st-primary-color", "--st-font", "--st-code-font"];
let frame = null;

// Make the frame, or tell the one that is there whom it is for. `data`: desk, lang, tz, words and more for STOP.
export function showFrame(data) {
  if (!frame) frame = make();
  const key = JSON.stringify([data.desk, data.lang, data.tz]);
  if (frame.key !== key) {
    if (frame.stop) frame.stop();
    frame.key = key;
    frame.inner.replaceChildren();
    frame.parts = buildBar(frame.inner, data.words);
    frame.stop = follow(frame.parts, { ...data, host: frame.host, tab: () => !frame.tabTaken, onLight: lightIsOn });
  }
  mountStop(data);
  return frame;
}

function make() {
  let host = document.getElementById(HOST);
  if (!host) {
    host = document.createElement("div");
    host.id = HOST;
    document.body.prepend(host);
  }
  const root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
  for (const name of ["base.css", "light.css", "controls.css"]) {
    const sheet = document.createElement("link");
    sheet.rel = "stylesheet";
    sheet.href = new URL(`./${name}`, import.meta.url).href;
    root.append(sheet);
  }
  const inner = document.createElement("div");
  inner.className = "bf";
  root.append(inner);
  return { host, root, inner, key: null, parts: null, stop: null, tabTaken: false, stopKey: null };
}

// Streamlit waits for this (start.js).
function lightIsOn() {
  if (frame.on) return;
  frame.on = true;
  requestAnimationFrame(() => setTimeout(() => dispatchEvent(new Event("bifrost:light"))));
}

// STOP stands in the frame of every page as soon as it is known who looks.
function mountStop(data) {
  if (!data.stop || frame.stopKey === frame.key) return;
  frame.stopKey = frame.key;
  import("./controls.js").then((controls) => {
    if (frame.stopGone) frame.stopGone();
    frame.parts.stop.replaceChildren();
    // Where one of several desks could be meant, the button says which; a desk's name is of a-z, 0-9, - and _.
    if (data.stop.several) frame.parts.stop.style.setProperty("--of-desk", `" ${data.desk}"`);
    frame.stopGone = controls.mountStop(frame.parts.stop, { ...data, ...data.stop });
    frame.host.dataset.hasStop = "true";
  });
}

// A page that watches more than one desk speaks in the tab itself, as long as it is there.
export function takeTab() {
  if (frame) frame.tabTaken = true;
  return () => {
    if (frame) frame.tabTaken = false;
  };
}

// The theme that Streamlit shows may be another than the system's.
function copyTheme(node) {
  const style = getComputedStyle(node.host ?? node);
  for (const name of THEME) {
    const value = style.getPropertyValue(name);
    if (value && frame.host.style.getPropertyValue(name) !== value) frame.host.style.setProperty(name, value);
  }
}

export function run(context) {
  return component(context, {
    mount({ parentElement, data }) {
      showFrame(data);
      const timer = setInterval(() => copyTheme(parentElement), 1000);
      copyTheme(parentElement);
      return { stop: () => clearInterval(timer) };
    },
    update(_state, { data }) {
      showFrame(data);
    },
  });
}
