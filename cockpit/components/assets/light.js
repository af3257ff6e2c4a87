// The light: shape, word and colour; calm when all is well. Also the tab's title and its small icon.
import { ageWords, component, make, setAttribute, setText, subscribe, svg } from "./live.js";

const SHAPES = {
  green: [["circle", { cx: 12, cy: 12, r: 9, fill: "currentColor" }]],
  yellow: [
    ["path", { d: "M12 2.5 22.5 21.5H1.5Z", fill: "currentColor" }],
    ["path", { d: "M12 9v6M12 17.4v1.8", stroke: "var(--mark)", "stroke-width": 2.2, fill: "none" }],
  ],
  red: [
    ["path", { d: "M7.6 1.5h8.8l6.1 6.1v8.8l-6.1 6.1H7.6l-6.1-6.1V7.6Z", fill: "currentColor" }],
    ["path", { d: "M7.5 12h9", stroke: "var(--mark)", "stroke-width": 3.2, fill: "none" }],
  ],
  not_live: [
    ["circle", { cx: 12, cy: 12, r: 9, fill: "none", stroke: "currentColor", "stroke-width": 2.4, "stroke-dasharray": "4 3.1" }],
    ["path", { d: "M7 17 17 7", stroke: "currentColor", "stroke-width": 2.4, fill: "none" }],
  ],
};
const MARKS = { green: "●", yellow: "▲", red: "■", not_live: "◌" };
const ICON_COLOURS = { green: "#2e7d32", yellow: "#e59a00", red: "#b71c1c", not_live: "#5d656d" };
const ICON_SHAPES = {
  green: '<circle cx="8" cy="8" r="6"/>',
  yellow: '<path d="M8 1 15.5 15H.5Z"/>',
  red: '<rect x="1.5" y="1.5" width="13" height="13"/>',
  not_live: '<path d="M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1Zm0 3a4 4 0 1 1 0 8 4 4 0 0 1 0-8Z"/>',
};
const SHOWN_REASONS = 5;

function build(root) {
  const bar = make("section", "light");
  bar.setAttribute("aria-label", "State of the desk");
  const shape = make("span", "shape");
  const said = make("div", "said");
  const top = make("div", "top");
  const word = make("strong", "word");
  word.setAttribute("role", "status");
  const headline = make("span", "headline");
  top.append(word, headline);
  const reasons = make("ul", "reasons");
  said.append(top, reasons);
  const side = make("div", "side");
  const mode = make("span", "mode");
  const facts = make("div", "facts");
  const checked = make("span", "num checked");
  const market = make("span", "num market");
  const session = make("span", "num session");
  facts.append(checked, session, market);
  side.append(mode, facts);
  bar.append(shape, said, side);
  root.append(bar);
  return { bar, shape, word, headline, reasons, mode, checked, market, session, drawn: null, reasonsDrawn: null };
}

function drawReasons(parts, reasons) {
  const key = JSON.stringify(reasons.map((reason) => [reason.code, reason.text]));
  if (key !== parts.reasonsDrawn) {
    parts.reasonsDrawn = key;
    parts.reasons.replaceChildren(
      ...reasons.slice(0, SHOWN_REASONS).map((reason) => {
        const item = make("li");
        item.append(make("span", "text", reason.text), make("span", "measure num"));
        if (reason.runbook) item.append(make("span", "runbook", reason.runbook));
        return item;
      }),
    );
    if (reasons.length > SHOWN_REASONS) {
      parts.reasons.append(make("li", "more", `and ${reasons.length - SHOWN_REASONS} more: ./bifrost status lists all`));
    }
  }
  reasons.slice(0, SHOWN_REASONS).forEach((reason, index) => {
    const told = [];
    if (reason.measured) told.push(reason.measured);
    if (reason.limit) told.push(`limit ${reason.limit}`);
    setText(parts.reasons.children[index].querySelector(".measure"), told.join(" · "));
  });
}

function draw(parts, link, desk) {
  const light = link.verdict();
  if (parts.drawn !== light.state) {
    parts.drawn = light.state;
    parts.bar.dataset.state = light.state;
    parts.shape.replaceChildren(svg(SHAPES[light.state], 34));
  }
  setText(parts.word, light.word);
  setText(parts.headline, light.headline);
  drawReasons(parts, light.reasons);
  const page = link.page;
  setText(parts.checked, light.age_ms === null || light.age_ms === undefined ? "" : `checked ${ageWords(light.age_ms)} ago`);
  setText(parts.market, page ? page.market_time : "");
  setText(parts.session, page ? page.session : "");
  setText(parts.mode, page ? `${page.mode.word}${page.mode.account ? ` ${page.mode.account}` : ""}` : "");
  setAttribute(parts.mode, "data-kind", page ? page.mode.kind : null);
  parts.mode.hidden = !page;
  title(light, page, desk);
}

function title(light, page, desk) {
  const live = page && page.mode.kind === "live" ? "LIVE · " : "";
  const count = light.reasons.length > 0 && light.state !== "green" ? ` (${light.reasons.length})` : "";
  const wanted = `${MARKS[light.state]} ${light.word}${count} · ${live}${page ? page.desk : desk} · Bifrost`;
  if (document.title !== wanted) document.title = wanted;
  let icon = document.querySelector('link[rel~="icon"]');
  if (!icon) {
    icon = document.createElement("link");
    icon.rel = "icon";
    document.head.append(icon);
  }
  const picture = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16" fill="${ICON_COLOURS[light.state]}">${ICON_SHAPES[light.state]}</svg>`;
  const href = `data:image/svg+xml,${encodeURIComponent(picture)}`;
  if (icon.getAttribute("href") !== href) icon.setAttribute("href", href);
}

export function run(context) {
  return component(context, {
    mount({ parentElement, data }) {
      const parts = build(parentElement.querySelector(".bf"));
      return { stop: subscribe(data, { onTick: (link) => draw(parts, link, data.desk) }) };
    },
  });
}
