// Language and time zone. Either choice is a part of the address, so that a link shows its reader what it showed its
// sender; all texts change with it, so the page is loaded anew.
import { component, make } from "./live.js";

function choice(label, parameter, options, current) {
  const select = make("select", `switch ${parameter}`);
  select.setAttribute("aria-label", label);
  select.title = label;
  for (const [value, text, language] of options) {
    const option = make("option", "", text);
    option.value = value;
    if (language) option.lang = language;
    select.append(option);
  }
  select.value = current;
  select.addEventListener("change", () => {
    const address = new URL(window.location.href);
    address.searchParams.set(parameter, select.value);
    window.location.assign(address);
  });
  return select;
}

export function mountSwitches(root, data) {
  document.documentElement.lang = data.html_lang;
  const row = make("div", "switches");
  row.append(
    choice(data.label_language, "lang", data.languages, data.lang),
    choice(data.label_zone, "tz", data.zones, data.zone),
  );
  root.replaceChildren(row);
}

export function run(context) {
  const show = ({ parentElement, data }) => mountSwitches(parentElement.querySelector(".bf"), data);
  return component(context, {
    mount(given) {
      show(given);
      return {};
    },
    update(state, given) {
      show(given);
    },
  });
}
