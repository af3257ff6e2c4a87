// Drawing without markup: every text from the server becomes a text node, never HTML.

// Marks that turn the direction of what follows: a name or a reason could make the text beside it read backwards.
const TURNS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

export function plain(text) {
  return String(text).replace(TURNS, "\ufffd");
}

export function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined && text !== null) node.textContent = plain(text);
  return node;
}

export function setText(node, text) {
  const wanted = plain(text ?? "");
  if (node.textContent !== wanted) node.textContent = wanted;
}

export function setAttribute(node, name, value) {
  if (value === null || value === undefined || value === false) {
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

// A text of the catalogue with its `{places}` filled.
export function say(words, key, places = {}) {
  const text = words[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in places ? String(places[name]) : whole));
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
