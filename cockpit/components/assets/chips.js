// What the page is narrowed down to: one chip per part, each taken away by one press.
import { component, make, say } from "./live.js";

function draw(parts, data, ask) {
  parts.box.replaceChildren();
  for (const chip of data.chips) {
    const button = make("button", "chip");
    button.type = "button";
    button.append(make("span", "", chip.label), make("span", "cross", "✕"));
    button.setAttribute("aria-label", say(data.texts, "remove", { chip: chip.label }));
    button.onclick = () => ask("remove", { name: chip.name, value: chip.value });
    parts.box.append(button);
  }
  if (data.chips.length < 2) return;
  const all = make("button", "chip all", data.texts.clear);
  all.type = "button";
  all.onclick = () => ask("remove", { name: "*", value: "" });
  parts.box.append(all);
}

export function run(context) {
  return component(context, {
    mount({ parentElement, data, setTriggerValue }) {
      const parts = { box: make("div", "chips") };
      parts.box.setAttribute("role", "group");
      parts.box.setAttribute("aria-label", data.texts.label);
      parentElement.querySelector(".bf").append(parts.box);
      draw(parts, data, setTriggerValue);
      return parts;
    },
    update(parts, { data, setTriggerValue }) {
      draw(parts, data, setTriggerValue);
    },
  });
}
