// Zoom by touch: two fingers zoom and move the time axis, a double tap shows all of it. One finger scrolls the page;
// plotly's own dragging is off there, for it would catch every finger that passes over a chart.

export const isTouch = () => window.matchMedia("(pointer: coarse)").matches;

const DOUBLE_TAP_MS = 320;

export function zoomByTouch(plot) {
  let held = null;
  let tappedAt = -Infinity;
  const axis = () => plot._fullLayout?.xaxis;
  const places = (touches) => {
    const left = plot.getBoundingClientRect().left + axis()._offset;
    return [...touches].slice(0, 2).map((touch) => touch.clientX - left);
  };
  plot.addEventListener(
    "touchstart",
    (event) => {
      if (!axis() || !isTouch()) return;
      if (event.touches.length === 2) {
        const [low, high] = axis().range.map((value) => axis().r2l(value));
        held = { low, high, at: places(event.touches).map((x) => axis().p2l(x)) };
        event.preventDefault();
      } else if (event.touches.length === 1) {
        if (event.timeStamp - tappedAt < DOUBLE_TAP_MS) window.Plotly.relayout(plot, { "xaxis.autorange": true });
        tappedAt = event.timeStamp;
      }
    },
    { passive: false },
  );
  plot.addEventListener(
    "touchmove",
    (event) => {
      if (!held || event.touches.length !== 2) return;
      event.preventDefault();
      const [one, two] = places(event.touches);
      if (Math.abs(one - two) < 12) return;
      // The two moments that lie under the fingers stay under them.
      const perPixel = (held.at[1] - held.at[0]) / (two - one);
      if (!(perPixel > 0)) return;
      const start = held.at[0] - one * perPixel;
      const range = [start, start + axis()._length * perPixel].map((value) => axis().l2r(value));
      window.Plotly.relayout(plot, { "xaxis.range": range });
    },
    { passive: false },
  );
  for (const name of ["touchend", "touchcancel"]) {
    plot.addEventListener(name, (event) => {
      if (event.touches.length < 2) held = null;
    });
  }
}
