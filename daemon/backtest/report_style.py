"""How the report looks, and the few lines that read a value off a line. No font, no library, no address."""

STYLE = """
:root{color-scheme:light dark;--bg:#f3f4f6;--card:#fff;--ink:#0f1216;--soft:#4a525b;--edge:#c9ced4;--grid:#e3e6ea;
--main:#1c5c9c;--gain:#1c5c9c;--loss:#b04a05;--plain:#5d6b7a;--quiet:#e4edf6;--limit:#8a2f00;--buy:#1c5c9c;--sell:#b04a05}
@media (prefers-color-scheme:dark){:root{--bg:#16191d;--card:#1f2429;--ink:#e7eaed;--soft:#b3bcc5;--edge:#3a424a;
--grid:#2d343b;--main:#83b6ea;--gain:#83b6ea;--loss:#f2a65e;--plain:#93a1b0;--quiet:#26323e;--limit:#f2a65e;
--buy:#83b6ea;--sell:#f2a65e}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.45 system-ui,"Segoe UI",Roboto,"Noto Sans",sans-serif;
font-variant-numeric:tabular-nums}
main{max-width:1120px;margin:0 auto;padding:20px 16px 40px}
header.page{margin-bottom:16px}
h1{font-size:1.55rem;line-height:1.2;margin:0 0 4px;overflow-wrap:anywhere}
h2{font-size:1.1rem;margin:0 0 2px}
h3{font-size:.95rem;margin:14px 0 2px}
p{margin:0 0 8px}
.about,.soft,footer{color:var(--soft)}
.badge{display:inline-block;border:1.5px solid currentColor;border-radius:4px;padding:0 8px;font-weight:600;
font-size:.85rem}
.warn{color:var(--loss)}
section,.facts{background:var(--card);border:1px solid var(--edge);border-radius:8px;padding:14px 16px;margin:0 0 14px}
.facts dl{display:grid;grid-template-columns:max-content 1fr;gap:3px 14px;margin:0}
.facts dt{color:var(--soft)}
.facts dd{margin:0;overflow-wrap:anywhere}
code{font:.86em ui-monospace,"SFMono-Regular",Menlo,Consolas,monospace;overflow-wrap:anywhere}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(168px,1fr));gap:10px;margin:0 0 14px}
.tile{background:var(--card);border:1px solid var(--edge);border-radius:8px;padding:9px 12px}
.tile dt{color:var(--soft);font-size:.85rem}
.tile dd{margin:0;font-size:.82rem;color:var(--soft)}
.tile .big{font-size:1.22rem;font-weight:650;color:var(--ink);line-height:1.3}
.tile .neg{color:var(--loss)}
.chart{position:relative;margin:6px 0 0;touch-action:pan-y}
.panel{position:relative;padding-left:68px;margin-bottom:4px}
.unit{color:var(--soft);font-size:.8rem;margin:4px 0 2px}
.y{position:absolute;left:0;width:62px}
.y span{position:absolute;right:0;transform:translateY(-50%);font-size:.76rem;color:var(--soft);white-space:nowrap}
.draw{position:relative;overflow:hidden;border-left:1px solid var(--edge);border-bottom:1px solid var(--edge)}
.draw svg{display:block;width:100%;height:100%}
.draw path{vector-effect:non-scaling-stroke;fill:none}
.x{position:relative;height:20px}
.x span{position:absolute;top:2px;font-size:.76rem;color:var(--soft);white-space:nowrap;transform:translateX(-50%)}
.x .first{transform:none}.x .last{transform:translateX(-100%)}
.grid{stroke:var(--grid);stroke-width:1}
.line{stroke-width:1.5;stroke-linejoin:round}
.main{stroke:var(--main)}.price{stroke:var(--plain)}
.line.loss{stroke:var(--loss)}.start{stroke:var(--soft);stroke-dasharray:2 4}
.limit{stroke:var(--limit);stroke-width:2;stroke-dasharray:6 4}.dense{stroke-opacity:.5}
.draw path.area{fill:var(--loss);fill-opacity:.22;stroke:none}
.draw path.bar.gain{fill:var(--gain)}.draw path.bar.loss{fill:var(--loss)}
.quiet{fill:var(--quiet)}
.mark{stroke-width:3}.buy{stroke:var(--buy)}.sell{stroke:var(--sell)}
.cursor{position:absolute;top:0;bottom:0;width:1px;background:var(--ink);pointer-events:none;display:none}
.said{min-height:1.5em;color:var(--ink);font-size:.86rem;margin:0 0 0 68px}
.key{display:flex;flex-wrap:wrap;gap:4px 18px;font-size:.82rem;color:var(--soft);margin:4px 0 0 68px}
.key i{display:inline-block;width:18px;height:0;border-top:2px solid;vertical-align:middle;margin-right:5px}
.key i.dash{border-top-style:dashed}.key i.box{height:11px;border:0}
.bars{margin:6px 0 0}
.bars .row{display:grid;grid-template-columns:minmax(92px,230px) minmax(96px,190px) 1fr;gap:10px;align-items:center;
padding:3px 0;border-top:1px solid var(--grid)}
.bars dt,.bars dd{margin:0}
.bars small{display:block;color:var(--soft);font-size:.76rem;line-height:1.25}
.num{text-align:right}
.track{position:relative;height:16px}
.track i{position:absolute;top:1px;bottom:1px;min-width:1px;border-radius:1px}
.track i.gain{background:var(--gain)}.track i.loss{background:var(--loss)}.track i.plain{background:var(--plain)}
.track b{position:absolute;top:-3px;bottom:-3px;width:1px;background:var(--soft)}
.scroll{overflow:auto;max-height:430px;border:1px solid var(--edge);border-radius:6px;margin-top:6px}
.scroll:focus-visible,summary:focus-visible{outline:2px solid var(--main);outline-offset:2px}
table{border-collapse:collapse;width:100%;font-size:.86rem}
th,td{padding:4px 10px;white-space:nowrap;border-bottom:1px solid var(--grid);text-align:left}
th{position:sticky;top:0;background:var(--card);color:var(--soft);font-weight:600;border-bottom-color:var(--edge)}
.r{text-align:right}
td.w{white-space:normal;min-width:220px;overflow-wrap:anywhere}
details{margin-top:8px}
summary{cursor:pointer;color:var(--main);padding:4px 0}
.nothing{color:var(--soft);padding:10px 0;margin:0}
footer{font-size:.84rem;margin-top:8px}
@media (max-width:640px){.bars .row{grid-template-columns:1fr max-content}.bars .track{grid-column:1/-1}
.facts dl{grid-template-columns:1fr}.facts dt{margin-top:5px}
.x.crowded span:not(:nth-child(3n+1)){display:none}.panel{padding-left:54px}.y{width:49px}
.said,.key{margin-left:0}section,.facts{padding:12px 11px}.tiles{grid-template-columns:repeat(2,1fr)}
.tile .big{font-size:1.06rem}}
@media print{:root{--bg:#fff;--card:#fff;--ink:#000;--soft:#3c434a;--edge:#b9bec4;--grid:#e3e6ea;--main:#1c5c9c;
--gain:#1c5c9c;--loss:#b04a05;--plain:#5d6b7a;--quiet:#e4edf6;--limit:#8a2f00;--buy:#1c5c9c;--sell:#b04a05}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}main{max-width:none;padding:0}
section,.tile,.facts{break-inside:avoid}.scroll{max-height:none;overflow:visible}
section:has(.scroll){break-inside:auto}tr{break-inside:avoid}th{position:static}.said{display:none}
details::details-content{content-visibility:visible;height:auto}}
"""

SCRIPT = """
"use strict";
for (const chart of document.querySelectorAll(".chart")) {
  const found = chart.querySelector(".data");
  if (!found) continue;
  const told = JSON.parse(found.textContent), said = chart.querySelector(".said");
  const draws = [...chart.querySelectorAll(".draw")], rest = said.textContent;
  const lines = draws.map(draw => {
    const line = document.createElement("div");
    line.className = "cursor";
    draw.append(line);
    return line;
  });
  const nearest = (places, at) => {
    let low = 0, high = places.length - 1;
    while (low < high) {
      const mid = (low + high) >> 1;
      if (places[mid] < at) low = mid + 1; else high = mid;
    }
    return low > 0 && at - places[low - 1] < places[low] - at ? low - 1 : low;
  };
  const zone = "America/New_York";
  const time = new Intl.DateTimeFormat("sv-SE", {timeZone: zone, dateStyle: "short", timeStyle: "medium"});
  const show = event => {
    const box = draws[0].getBoundingClientRect();
    const at = (event.clientX - box.left) / box.width * 1000;
    if (at < 0 || at > 1000) return hide();
    const place = nearest(told.x, at);
    for (const line of lines) {
      line.style.display = "block";
      line.style.left = told.x[place] / 10 + "%";
    }
    said.textContent = time.format(told.t[place] * 1000) + "  " + told.s.map(line => {
      const value = line.y[nearest(line.x, told.x[place])];
      const digits = {minimumFractionDigits: line.decimals, maximumFractionDigits: line.decimals};
      return line.name + " " + value.toLocaleString("en-US", digits) + " " + line.unit;
    }).join(", ");
  };
  const hide = () => {
    for (const line of lines) line.style.display = "none";
    said.textContent = rest;
  };
  chart.addEventListener("pointermove", show);
  chart.addEventListener("pointerdown", show);
  chart.addEventListener("pointerleave", hide);
}
"""
