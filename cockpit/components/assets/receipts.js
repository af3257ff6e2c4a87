// The receipts of the last commands: a line each, and one sentence for a screen reader when the newest one moved on.
import { copyable } from "./copy.js";
import { make, setText } from "./live.js";

export function buildReceipts(texts) {
  const list = make("ol", "receipts");
  list.setAttribute("aria-label", texts.receipts);
  // The list itself is not live: every time in it would be read out. This one sentence is.
  const news = make("p", "heard");
  news.setAttribute("role", "status");
  return { list, news, texts, drawn: null, announced: null };
}

export function drawReceipts(parts, receipts) {
  const key = JSON.stringify(receipts);
  if (key === parts.drawn) return;
  parts.drawn = key;
  parts.list.replaceChildren(...receipts.map((receipt) => item(receipt, parts.texts)));
  announce(parts, receipts[0]);
}

function announce(parts, newest) {
  const reached = newest ? newest.steps.filter((step) => step.state !== "todo").at(-1) : null;
  // An age that grows in the words is no news.
  const sentence = reached ? `${newest.command}: ${reached.word.replace(/\d+(\.\d+)? (ms|s|min|h|d)\b/, "")}` : "";
  if (parts.announced !== null && sentence !== parts.announced) setText(parts.news, sentence);
  parts.announced = sentence;
}

function item(receipt, texts) {
  const node = make("li", "receipt");
  node.dataset.state = receipt.state;
  node.append(make("strong", "", receipt.command));
  if (receipt.by) node.append(make("span", "muted", receipt.by));
  node.append(chain(receipt.steps));
  if (receipt.progress) node.append(progress(receipt.progress));
  for (const text of [receipt.note, receipt.remedy]) if (text) node.append(make("span", "remark", text));
  if (receipt.shell) node.append(copyable(receipt.shell, texts));
  return node;
}

function chain(steps) {
  const node = make("span", "chain num");
  steps.forEach((step, index) => {
    if (index > 0) {
      const arrow = make("span", "arrow", "→");
      arrow.setAttribute("aria-hidden", "true");
      node.append(arrow);
    }
    const part = make("span", `step ${step.state}`, step.word);
    if (step.time) part.append(make("span", "time", step.time));
    node.append(part);
  });
  return node;
}

function progress(told) {
  const node = make("span", "progress num");
  if (told.done_pct !== null) {
    const bar = make("span", "bar");
    bar.append(make("span", "done"));
    bar.firstChild.style.width = `${told.done_pct}%`;
    bar.setAttribute("role", "progressbar");
    bar.setAttribute("aria-label", told.text);
    bar.setAttribute("aria-valuenow", String(Math.round(told.done_pct)));
    node.append(bar);
  }
  node.append(make("span", "", told.text));
  return node;
}
