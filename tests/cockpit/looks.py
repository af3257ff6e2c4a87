"""What a browser is asked about how a page looks: scripts for `page.evaluate` that give the texts at fault."""

CLIPPED = """() => {
  const roots = [document, ...[...document.querySelectorAll('*')].map((node) => node.shadowRoot).filter(Boolean)];
  const nodes = roots.flatMap((root) => [...root.querySelectorAll('*')]).filter((node) => node.checkVisibility()
    && [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim()));
  return nodes.filter((node) => (node.scrollWidth > node.clientWidth + 1 && node.clientWidth > 0)
    || node.getBoundingClientRect().right > window.innerWidth + 1).map((node) => node.textContent);
}"""
"""Texts that are cut, or that stick out of the window."""

CLIPPED_FIGURES = """() => {
  const roots = [...document.querySelectorAll('*')].map((node) => node.shadowRoot).filter(Boolean);
  return roots.flatMap((root) => [...root.querySelectorAll('.value, .mode, .label, .note')])
    .filter((node) => node.scrollWidth > node.clientWidth + 1 && node.clientWidth > 0).map((node) => node.textContent);
}"""
"""Key figures, the money box and buttons that are cut; a whole page has tables that may scroll in themselves."""

CONTRAST = """() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = (css) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = css; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255];
  };
  const over = (top, under) => top.slice(0, 3).map((c, i) => c * top[3] + under[i] * (1 - top[3]));
  const lum = (rgb) => {
    const [r, g, b] = rgb.map((c) => { c /= 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const parent = (n) => n.parentElement ?? (n.getRootNode() instanceof ShadowRoot ? n.getRootNode().host : null);
  const ground = (n) => {
    const layers = [];
    for (let at = n; at; at = parent(at)) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] > 0) layers.push(colour);
      if (colour[3] === 1) break;
    }
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255]);
  };
  const low = [];
  const roots = [document, ...[...document.querySelectorAll('*')].map((n) => n.shadowRoot).filter(Boolean)];
  for (const root of roots) {
    for (const n of root.querySelectorAll('body *, :host *, .bf *')) {
      const own = [...n.childNodes].some((c) => c.nodeType === 3 && c.textContent.trim());
      if (!own || !n.checkVisibility() || n.closest(':disabled')) continue;
      const back = ground(n);
      const ink = over(rgba(getComputedStyle(n).color), back);
      const [hi, lo] = [lum(ink), lum(back)].sort((a, b) => b - a);
      const ratio = (hi + 0.05) / (lo + 0.05);
      if (ratio < 4.5) low.push(`${n.textContent.trim().slice(0, 30)}: ${ratio.toFixed(2)}`);
    }
  }
  return low;
}"""
"""Texts whose contrast with what lies behind them is below 4.5 to 1."""
