// The timeline: drawn anew for the width of the window, the filters and the time that is chosen.

const LEFT = 132;
const RIGHT = 12;
const TOP = 8;
const BARS = 110;
const AXIS = 22;
const LANE = 18;
const BIN_PX = 8;
const LEAST_MS = 1000;
const STEPS_S = [1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 43200, 86400, 172800, 604800];
const MONTHS = [1, 3, 6, 12, 24, 60, 120, 600, 1200];
const MONTH_S = 2629746;
const plot = byId("plot");
const lanes = plot ? Array.from(plot.querySelectorAll("[data-host]"), (node) => node.getAttribute("data-host")) : [];
let drag = null;

function wholeTime() {
  return [Number(plot.dataset.begin), Number(plot.dataset.end)];
}

function chosenTime() {
  const [begin, end] = wholeTime();
  const from = state.since ?? begin;
  const to = state.until ?? end;
  return to > from ? [from, to] : [begin, end];
}

function drawTimeline() {
  const [begin, end] = chosenTime();
  const width = Math.max(320, plot.clientWidth || 1000);
  const left = width < 560 ? 84 : LEFT;
  const height = TOP + BARS + AXIS + LANE * lanes.length + 4;
  const at = (time) => left + ((width - left - RIGHT) * (time - begin)) / (end - begin);
  const view = { begin, end, width, left, height, at };
  plot.setAttribute("viewBox", "0 0 " + width + " " + height);
  const isIn = (time) => time !== null && time >= begin && time < end;
  const seen = findings.filter((finding) => isIn(finding.time) && passes(finding, true));
  plot.querySelector(".bars").replaceChildren(...barsOf(seen, view));
  plot.querySelector(".axis").replaceChildren(...axisOf(view));
  plot.querySelector(".lanes").replaceChildren(...lanesOf(seen, view));
  const range = " from " + utc(begin, 19) + " to " + utc(end, 19) + " UTC";
  byId("timeline-range").textContent = counted(seen.length, "finding") + range;
}

function barsOf(seen, view) {
  const plotted = view.width - view.left - RIGHT;
  const count = Math.max(20, Math.floor(plotted / BIN_PX));
  const bins = Array.from({ length: count }, () => LEVELS.map(() => 0));
  for (const finding of seen) {
    const share = (finding.time - view.begin) / (view.end - view.begin);
    bins[Math.min(count - 1, Math.floor(count * share))][finding.level]++;
  }
  const most = Math.max(1, ...bins.map((counts) => counts.reduce((sum, value) => sum + value, 0)));
  const found = [];
  bins.forEach((counts, number) => {
    let base = TOP + BARS;
    for (let level = LEVELS.length - 1; level >= 0; level--) {
      if (!counts[level]) continue;
      const height = Math.max(1, (BARS * counts[level]) / most);
      base -= height;
      const x = view.left + (plotted * number) / count;
      found.push(shape("rect", { x, y: base, width: plotted / count - 1, height, class: "f-" + LEVELS[level] }));
    }
  });
  found.push(shape("text", { x: view.left - 8, y: TOP + 9, "text-anchor": "end" }, most.toLocaleString("en")));
  found.push(shape("text", { x: view.left - 8, y: TOP + BARS, "text-anchor": "end" }, "0"));
  return found;
}

function axisOf(view) {
  const seconds = (view.end - view.begin) / 1000;
  const most = Math.max(3, Math.floor((view.width - view.left) / 110));
  const step = STEPS_S.find((item) => seconds / item <= most);
  const found = [shape("line", { x1: view.left, x2: view.width - RIGHT, y1: TOP + BARS, y2: TOP + BARS, class: "base" })];
  for (const tick of step ? evenTicks(view, step * 1000) : monthTicks(view, seconds, most)) {
    const x = view.at(tick);
    found.push(shape("line", { x1: x, x2: x, y1: TOP, y2: view.height, class: "tick" }));
    const place = { x: Math.min(x, view.width - 34), y: TOP + BARS + 15, "text-anchor": "middle" };
    found.push(shape("text", place, tickLabel(tick, step || MONTH_S)));
  }
  return found;
}

function evenTicks(view, step) {
  const found = [];
  for (let tick = Math.ceil(view.begin / step) * step; tick <= view.end; tick += step) found.push(tick);
  return found;
}

// Returns the begins of months, each so many after the one before.
function monthTicks(view, seconds, most) {
  const step = MONTHS.find((item) => seconds / item / MONTH_S <= most) || MONTHS.at(-1);
  const first = new Date(view.begin);
  let month = Math.ceil((first.getUTCFullYear() * 12 + first.getUTCMonth() + 1) / step) * step;
  const found = [];
  for (let tick = view.begin; tick <= view.end; month += step) {
    tick = new Date(0).setUTCFullYear(Math.floor(month / 12), month % 12, 1);
    if (tick <= view.end) found.push(tick);
  }
  return found;
}

function tickLabel(tick, step) {
  const text = utc(tick, 19);
  if (step >= 86400) return text.slice(0, 10);
  const time = step >= 60 ? text.slice(11, 16) : text.slice(11);
  return step >= 21600 || /^00:00(:00)?$/.test(time) ? text.slice(5, 10) + " " + time : time;
}

function lanesOf(seen, view) {
  const found = [];
  const rows = new Map(lanes.map((host, number) => [host, number]));
  const longest = Math.floor((view.left - 8) / 7.6);
  lanes.forEach((host, number) => {
    const y = TOP + BARS + AXIS + LANE * number;
    const label = host.length > longest ? host.slice(0, longest - 1) + "…" : host;
    found.push(shape("text", { x: view.left - 8, y: y + 12, "text-anchor": "end" }, label));
    found.push(shape("line", { x1: view.left, x2: view.width - RIGHT, y1: y + 8, y2: y + 8, class: "lane" }));
  });
  const marks = new Map(); // the highest level at each place
  for (const finding of seen) {
    const lane = rows.get(finding.host);
    if (lane === undefined) continue;
    const key = lane * 100000 + Math.round(view.at(finding.time) / 2);
    marks.set(key, Math.max(marks.get(key) ?? 0, finding.level));
  }
  for (const [key, level] of [...marks].sort((one, other) => one[1] - other[1])) {
    const y = TOP + BARS + AXIS + LANE * Math.floor(key / 100000) + 3;
    found.push(shape("rect", { x: (key % 100000) * 2 - 1.5, y, width: 4, height: 10, rx: 1, class: "f-" + LEVELS[level] }));
  }
  return found;
}

// Changes the chosen time by a button: half or double of it, half of it earlier or later, or all.
function zoom(kind) {
  const [begin, end] = chosenTime();
  const size = end - begin;
  const middle = begin + size / 2;
  const change = {
    in: [middle - size / 4, middle + size / 4],
    out: [middle - size, middle + size],
    back: [begin - size / 2, end - size / 2],
    on: [begin + size / 2, end + size / 2],
  }[kind];
  if (change && change[1] - change[0] >= LEAST_MS) chooseRange(change[0], change[1]);
  if (!change) choose({ since: null, until: null });
}

function chooseRange(from, to) {
  const [begin, end] = wholeTime();
  const isWhole = from <= begin && to >= end;
  const since = Math.floor(Math.max(from, begin) / 1000) * 1000;
  const until = Math.ceil(Math.min(to, end) / 1000) * 1000;
  if (isWhole || until <= since) choose({ since: null, until: null });
  else choose({ since, until });
}

// Returns the time under the pointer.
function timeAt(event) {
  const box = plot.getBoundingClientRect();
  const width = plot.viewBox.baseVal.width;
  const left = width < 560 ? 84 : LEFT;
  const x = Math.max(left, Math.min(width - RIGHT, ((event.clientX - box.left) * width) / box.width));
  const [begin, end] = chosenTime();
  return { x, time: begin + ((end - begin) * (x - left)) / (width - left - RIGHT) };
}

function startTimeline() {
  if (!plot) return;
  const brush = plot.querySelector(".brush");
  const hide = () => {
    drag = null;
    brush.setAttribute("width", "0");
  };
  listeners.push(drawTimeline);
  plot.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    drag = timeAt(event);
    plot.setPointerCapture(event.pointerId);
  });
  plot.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const now = timeAt(event);
    brush.setAttribute("x", String(Math.min(now.x, drag.x)));
    brush.setAttribute("width", String(Math.abs(now.x - drag.x)));
    brush.setAttribute("height", String(plot.viewBox.baseVal.height));
  });
  plot.addEventListener("pointerup", (event) => {
    if (!drag) return;
    const from = drag;
    const to = timeAt(event);
    hide();
    if (Math.abs(to.x - from.x) > 4) chooseRange(Math.min(from.time, to.time), Math.max(from.time, to.time));
  });
  plot.addEventListener("pointercancel", hide);
  for (const button of document.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", () => zoom(button.dataset.zoom));
  }
  new ResizeObserver(() => drawTimeline()).observe(plot.parentElement);
}
